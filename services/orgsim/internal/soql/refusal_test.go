package soql_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/soql"
)

func TestBadQueriesAreRefusedWithTheirCode(t *testing.T) {
	s := newStore(t)
	where := func(condition string) string { return "SELECT Id FROM Account WHERE " + condition }
	for _, tc := range []struct{ does, query, code, part string }{
		{"an unknown object", "SELECT Id FROM Lead", "INVALID_TYPE", "\nSELECT Id FROM Lead\n               ^\nERROR at Row:1:Column:16\nsObject type 'Lead' is not supported"},
		{"an unknown field, with its place", "SELECT Foo FROM Account", "INVALID_FIELD", "\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'"},
		{"the place is that of the line", "SELECT Id\nFROM Account\nWHERE Foo = 1", "INVALID_FIELD", "\nWHERE Foo = 1\n      ^\nERROR at Row:3:Column:7\nNo such column"},
		{"the place is shown in a long line", "SELECT Id FROM Account WHERE Name IN (" + strings.Repeat("'x',", 1_000) + "'y') AND Foo = 1", "INVALID_FIELD", "ERROR at Row:1:Column:4048\nNo such column 'Foo'"},
		{"what is selected before what is asked for", "SELECT Foo FROM Account WHERE Bar = 1", "INVALID_FIELD", "No such column 'Foo'"},
		{"a field that users do not see", "SELECT Secret__c FROM Account", "INVALID_FIELD", "No such column 'Secret__c'"},
		{"a field that no type of a parent has", "SELECT Who.Foo FROM Task", "INVALID_FIELD", "No such column 'Foo' on entity 'Name'"},
		{"an unknown relationship", "SELECT Owner.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Owner' in field path"},
		{"a way on from a parent of several types", "SELECT Who.Owner.Name FROM Task", "INVALID_FIELD", "relationship 'Owner'"},
		{"a field that is selected twice", "SELECT Id, Name, id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"},
		{"a field that is selected twice by FIELDS", "SELECT Id, FIELDS(STANDARD) FROM Account", "INVALID_FIELD", "duplicate field selected: Id"},
		{"too many rows of FIELDS(ALL)", "SELECT FIELDS(ALL) FROM Account LIMIT 201", "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"},
		{"any number of rows of FIELDS(CUSTOM)", "SELECT FIELDS(CUSTOM) FROM Account", "MALFORMED_QUERY", "LIMIT of at most 200"},
		{"ids that are not all that is asked for", "SELECT FIELDS(ALL) FROM Account WHERE Id = '001000000000001' OR Name = 'x'", "MALFORMED_QUERY", "LIMIT of at most 200"},
		{"FIELDS without any", "SELECT FIELDS(CUSTOM) FROM User LIMIT 1", "MALFORMED_QUERY", "must result in at least one field being selected"},
		{"FIELDS of an unknown sort", "SELECT FIELDS(SOME) FROM Account", "MALFORMED_QUERY", "unexpected token: 'SOME'"},
		{"TYPEOF of one type", "SELECT TYPEOF Account WHEN Account THEN Name END FROM Contact", "MALFORMED_QUERY", "polymorphic"},
		{"TYPEOF another type", "SELECT TYPEOF Who WHEN User THEN Name END FROM Task", "INVALID_TYPE", "User"},
		{"TYPEOF a relationship that is selected", "SELECT Who.Name, TYPEOF Who WHEN Account THEN Name END FROM Task", "MALFORMED_QUERY", "Who"},
		{"TYPEOF without its end", "SELECT TYPEOF Who WHEN Account THEN Name FROM Task", "MALFORMED_QUERY", "unexpected token: 'FROM'"},
		{"an unknown function", "SELECT Foo(Name) FROM Account", "MALFORMED_QUERY", "unexpected token: '('"},
		{"a function that the simulator lacks", "SELECT FORMAT(Name) FROM Account", "MALFORMED_QUERY", "the simulator does not know the function FORMAT"},

		{"AND and OR mixed", where("Name = 'x' AND Employees = 1 OR Employees = 2"), "MALFORMED_QUERY", "unexpected token: 'OR'"},
		{"OR and AND mixed", where("Name = 'x' OR Employees = 1 AND Employees = 2"), "MALFORMED_QUERY", "unexpected token: 'AND'"},
		{"NOT behind AND", where("Name = 'x' AND NOT Employees = 1"), "MALFORMED_QUERY", "unexpected token: 'NOT'"},
		{"NOT before AND", where("NOT Employees = 1 AND Name = 'x'"), "MALFORMED_QUERY", "unexpected token: 'AND'"},
		{"a parenthesis that does not end", where("(Name = 'x'"), "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"a condition without an operator", where("Name"), "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"a list without values", where("Name IN ()"), "MALFORMED_QUERY", "unexpected token: ')'"},
		{"a list without parentheses", where("Name IN 'x'"), "MALFORMED_QUERY", "unexpected token: ''x''"},
		{"a bind variable", where("Name = :name"), "MALFORMED_QUERY", "Bind variables only allowed in Apex code"},
		{"a bind variable for a list", where("Name IN :names"), "MALFORMED_QUERY", "Bind variables only allowed in Apex code"},
		{"double quotes", where(`Name = "x"`), "MALFORMED_QUERY", `no viable alternative at character '"'`},
		{"an unknown escape", where(`Name = 'a\x'`), "MALFORMED_QUERY", "Illegal character sequence"},
		{"an escaped % outside LIKE", where(`Name = 'a\%'`), "MALFORMED_QUERY", "Illegal character sequence"},
		{"a text where a number belongs", where("Employees = 'x'"), "INVALID_FIELD", "value of filter criterion for field 'Employees' must be of type int and should not be enclosed in quotes"},
		{"a number where a text belongs", where("Name = 5"), "INVALID_FIELD", "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes"},
		{"a text where a boolean belongs", where("Active__c = 'true'"), "INVALID_FIELD", "type boolean and should not be enclosed"},
		{"a date where a date-time belongs", where("CreatedDate > 2020-01-01"), "INVALID_FIELD", "type dateTime"},
		{"a date-time where a date belongs", where("Since__c > 2020-01-01T00:00:00Z"), "INVALID_FIELD", "type date "},
		{"a day that is none", where("Since__c = 2021-02-30"), "INVALID_FIELD", "type date "},
		{"a period where a number belongs", where("Employees = TODAY"), "INVALID_FIELD", "type int"},
		{"a period of a part of a date", where("CALENDAR_YEAR(Since__c) = THIS_YEAR"), "INVALID_FIELD", "type int"},
		{"a period without its number", where("Since__c = LAST_N_DAYS"), "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"a period with too large a number", where("Since__c = LAST_N_DAYS:1000001"), "MALFORMED_QUERY", "out of range"},
		{"an unknown word", where("Since__c = SOMETIME"), "MALFORMED_QUERY", "unexpected token: 'SOMETIME'"},
		{"an id that is none", where("Id = 'x'"), "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"},
		{"a reference that is none", where("OwnerId IN ('x')"), "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"},
		{"a pattern of ids", where("Id LIKE '001%'"), "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"},
		{"a pattern of numbers", where("Employees LIKE '1%'"), "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on int field"},
		{"a pattern that is no text", where("Name LIKE 5"), "INVALID_FIELD", "enclosed in quotes"},
		{"an order of checkboxes", where("Active__c < true"), "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field"},
		{"INCLUDES of what is no multi-select picklist", where("Industry INCLUDES ('Energy;Banking')"), "INVALID_QUERY_FILTER_OPERATOR", "multipicklist"},
		{"a condition on a long text", where("Story__c = 'x'"), "INVALID_FIELD", "field 'Story__c' can not be filtered in a query call"},
		{"an order by a long text", "SELECT Id FROM Account ORDER BY Story__c", "MALFORMED_QUERY", "field 'Story__c' can not be sorted in a query call"},
		{"a text of a condition that is too long", where("Name IN ('x', '" + strings.Repeat("é", soql.MaxText+1) + "')"), "MALFORMED_QUERY", "4000 characters"},

		{"a semi-join beside OR", where("Name = 'x' OR Id IN (SELECT AccountId FROM Contact)"), "MALFORMED_QUERY", "Semi join sub-selects are not allowed with the 'OR' operator"},
		{"a semi-join before OR", where("(Id IN (SELECT AccountId FROM Contact) AND Name = 'x') OR Name = 'y'"), "MALFORMED_QUERY", "not allowed with the 'OR' operator"},
		{"a semi-join behind NOT", where("NOT Id IN (SELECT AccountId FROM Contact)"), "MALFORMED_QUERY", "'NOT'"},
		{"three semi-joins", where("Id IN (SELECT AccountId FROM Contact) AND Id NOT IN (SELECT AccountId FROM Contact) AND (Id IN (SELECT AccountId FROM Contact))"), "MALFORMED_QUERY", "Maximum 2 semi join sub-selects are allowed"},
		{"a semi-join in a semi-join", where("Id IN (SELECT AccountId FROM Contact WHERE AccountId IN (SELECT Id FROM Account))"), "MALFORMED_QUERY", "Nesting of semi join sub-selects is not supported"},
		{"a semi-join of a text", where("Name IN (SELECT AccountId FROM Contact)"), "MALFORMED_QUERY", "should be an id field, cannot use: 'Name'"},
		{"a semi-join with a text", where("Id IN (SELECT LastName FROM Contact)"), "MALFORMED_QUERY", "LastName"},
		{"a semi-join of a parent's field", "SELECT Id FROM Contact WHERE Account.Id IN (SELECT WhoId FROM Task)", "MALFORMED_QUERY", "more than one level"},
		{"a semi-join of another object", where("Id IN (SELECT OwnerId FROM Account)"), "MALFORMED_QUERY", "same object type"},
		{"a semi-join of ids that cannot meet", where("Id IN (SELECT CreatedById FROM Contact)"), "MALFORMED_QUERY", "should point to the same object type"},
		{"a semi-join with a limit", where("Id IN (SELECT AccountId FROM Contact LIMIT 5)"), "MALFORMED_QUERY", "LIMIT"},
		{"a semi-join of two fields", where("Id IN (SELECT AccountId, Id FROM Contact)"), "MALFORMED_QUERY", "exactly one"},
		{"a semi-join in HAVING", "SELECT COUNT(Id) FROM Contact GROUP BY AccountId HAVING AccountId IN (SELECT Id FROM Account)", "MALFORMED_QUERY", "HAVING"},

		{"ALL ROWS", "SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"},
		{"an order of what is locked", "SELECT Id FROM Account ORDER BY Name FOR UPDATE", "MALFORMED_QUERY", "FOR UPDATE"},
		{"an unknown purpose", "SELECT Id FROM Account FOR FUN", "MALFORMED_QUERY", "unexpected token: 'FUN'"},
		{"a scope", "SELECT Id FROM Account USING SCOPE mine", "MALFORMED_QUERY", "scope"},
		{"data categories", "SELECT Id FROM Account WITH DATA CATEGORY x AT y", "MALFORMED_QUERY", "unexpected token: 'DATA'"},
		{"a second object", "SELECT Id FROM Account, Contact", "MALFORMED_QUERY", "must be a parent: Contact"},
		{"too large an offset", "SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"},
		{"a limit that is no whole number", "SELECT Id FROM Account LIMIT 1.5", "MALFORMED_QUERY", "unexpected token: '1.5'"},
		{"a negative limit", "SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY", "unexpected token: '-1'"},
		{"a limit that is too large", "SELECT Id FROM Account LIMIT 2147483648", "MALFORMED_QUERY", "numeric value out of range"},
		{"an order by too many fields", "SELECT Id FROM Account ORDER BY " + strings.Repeat("Name, ", 32) + "Id", "MALFORMED_QUERY", "maximum 32 fields"},
		{"a missing comma", "SELECT Id Name FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"},
		{"an unfinished query", "SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"nothing selected", "SELECT FROM Account", "MALFORMED_QUERY", "unexpected token: 'FROM'"},
		{"rubbish behind the end", "SELECT Id FROM Account HAVING x", "MALFORMED_QUERY", "unexpected token: 'HAVING'"},
		{"an empty text", "", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"a character of no query", "SELECT Id FROM Account;", "MALFORMED_QUERY", "no viable alternative at character ';'"},
		{"a quote that does not end", where("Name = 'x"), "MALFORMED_QUERY", "mismatched character '<EOF>' expecting '''"},
		{"a query that is too long", where("Name = '" + strings.Repeat("x", soql.MaxLength) + "'"), "MALFORMED_QUERY", "longer"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			e := refusal(t, s, tc.query)
			if e == nil || e.Code != tc.code || !strings.Contains(e.Message, tc.part) {
				t.Errorf("got %v", e)
			}
		})
	}
}

func TestQueriesThatBulkJobsCannotRun(t *testing.T) {
	for _, tc := range []struct{ does, query, part string }{
		{"a count", "SELECT COUNT() FROM Account", "Aggregate Relationships not supported in Bulk Query"},
		{"an aggregate", "SELECT MAX(Name) FROM Account", "Aggregate Relationships not supported in Bulk Query"},
		{"a group", "SELECT Name FROM Account GROUP BY Name", "Aggregate Relationships not supported in Bulk Query"},
		{"a sub-query", "SELECT Id, (SELECT Id FROM Contacts) FROM Account", "Aggregate Relationships not supported in Bulk Query"},
		{"an offset", "SELECT Id FROM Account OFFSET 1", "OFFSET"},
		{"TYPEOF", "SELECT TYPEOF Who WHEN Account THEN Name END FROM Task", "TYPEOF"},
		{"all fields", "SELECT FIELDS(ALL) FROM Account LIMIT 200", "FIELDS(ALL)"},
		{"all custom fields", "SELECT FIELDS(custom) FROM Account LIMIT 200", "FIELDS(CUSTOM)"},
		{"what may run", "SELECT Id, Account.Name FROM Contact WHERE AccountId IN (SELECT Id FROM Account) ORDER BY Id LIMIT 5", ""},
		{"standard fields, which are known before", "SELECT FIELDS(STANDARD) FROM Account", ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			q, err := soql.Parse(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			err = q.BulkRefusal()
			if (err == nil) != (tc.part == "") || err != nil && !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHugeQueriesAreAnsweredSoon(t *testing.T) {
	s := newStore(t)
	values := strings.Repeat("'x',", 20_000)
	for _, tc := range []struct{ does, query, code string }{
		{"open parentheses", "SELECT Id FROM Account WHERE " + strings.Repeat("(", 99_000), "QUERY_TOO_COMPLICATED"},
		{"conditions nested too deeply", "SELECT Id FROM Account WHERE " + strings.Repeat("(", 10_000) + "Name = 'x'" + strings.Repeat(")", 10_000), "QUERY_TOO_COMPLICATED"},
		{"nots", "SELECT Id FROM Account WHERE " + strings.Repeat("NOT ", 24_000) + "Name = 'x'", "MALFORMED_QUERY"},
		{"nots in parentheses", "SELECT Id FROM Account WHERE " + strings.Repeat("(NOT ", 10_000) + "Name = 'x'" + strings.Repeat(")", 10_000), "QUERY_TOO_COMPLICATED"},
		{"sub-queries in sub-queries", strings.Repeat("SELECT (", 12_000), "MALFORMED_QUERY"},
		{"relationships without end", "SELECT " + strings.Repeat("Account.", 12_000) + "Name FROM Contact", "INVALID_FIELD"},
		{"aliases of aliases", "SELECT a.a.Name FROM Contact c" + strings.Repeat(", a.a.a.a.a a", 7_000), "INVALID_FIELD"},
		{"relationships in an alias", "SELECT a.Name FROM Contact c, c" + strings.Repeat(".Account", 12_000) + " a", "MALFORMED_QUERY"},
		{"values of the wrong type", "SELECT Id FROM Account WHERE Employees IN (" + values + "'y')", "INVALID_FIELD"},
		{"many values", "SELECT Id FROM Account WHERE Name IN (" + values + "'y')", ""},
		{"many conditions", "SELECT Id FROM Account WHERE Name = 'x'" + strings.Repeat(" OR Name = 'x'", 7_000), ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			began := time.Now()
			e := refusal(t, s, tc.query)
			if (e == nil) != (tc.code == "") || e != nil && e.Code != tc.code {
				t.Errorf("got %v", e)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if e != nil && len(e.Message) > 2_000 {
				t.Errorf("the message has %d bytes", len(e.Message))
			}
		})
	}
	t.Run("a query that has too much to compare runs out of time", func(t *testing.T) {
		s := emptyStore(t, model)
		records := make([]map[string]string, 2_000)
		for i := range records {
			records[i] = map[string]string{"LastName": strings.Repeat("a", 60)}
		}
		seed(t, s, "Contact", records...)
		pattern := strings.Repeat("%a", 100) + "b"
		e := refusal(t, s, "SELECT Id FROM Contact WHERE LastName LIKE '"+pattern+"'"+strings.Repeat(" OR LastName LIKE '"+pattern+"'", 400))
		if e == nil || e.Code != "QUERY_TIMEOUT" {
			t.Errorf("got %v", e)
		}
	})
}
