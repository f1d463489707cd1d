package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// family makes two accounts of a group, the first with contacts, and returns the id of the first.
func (o *org) family(group string) (account string) {
	o.t.Helper()
	account = o.put("Account", spec{"Name": "Ash", "AnnualRevenue": 10, "Conf_Group__c": group})
	o.put("Account", spec{"Name": "Birch", "Conf_Group__c": group})
	chief := o.put("Contact", spec{"LastName": "Alder", "AccountId": account, "Conf_Number__c": 1.5, "Conf_Key__c": o.key(group + "chief")})
	o.put("Contact", spec{"LastName": "Beech", "AccountId": account, "ReportsToId": chief, "Conf_Key__c": o.key(group + "other")})
	o.put("Task", spec{"Subject": group, "WhoId": chief})
	return account
}

// attributes are the first member of every record.
var attributes = regexp.MustCompile(`\{"attributes":\{[^}]*\},?`)

func TestSOQL(t *testing.T) {
	o := theOrg(t)
	group := o.key("soql")
	account := o.family(group)
	accounts := " FROM Account WHERE Conf_Group__c = '" + group + "'"
	contacts := " FROM Contact WHERE AccountId = '" + account + "'"
	for _, tc := range []struct{ name, query, want string }{
		{
			"the fields of a parent, and of its parent, are objects in the record, and null where there is none",
			"SELECT LastName, ReportsTo.LastName, ReportsTo.Account.Name" + contacts + " ORDER BY LastName",
			`[{"LastName":"Alder","ReportsTo":null},{"LastName":"Beech","ReportsTo":{"LastName":"Alder","Account":{"Name":"Ash"}}}]`,
		},
		{
			"the rows of a sub-query are an answer in the record, and null where there are none",
			"SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC)" + accounts + " ORDER BY Name",
			`[{"Name":"Ash","Contacts":{"totalSize":2,"done":true,"records":[{"LastName":"Beech"},{"LastName":"Alder"}]}},{"Name":"Birch","Contacts":null}]`,
		},
		{
			"TYPEOF selects by the type of a polymorphic parent",
			"SELECT Subject, TYPEOF Who WHEN Contact THEN LastName WHEN Lead THEN Company END FROM Task WHERE Subject = '" + group + "'",
			`[{"Subject":"` + group + `","Who":{"LastName":"Alder"}}]`,
		},
		{
			"a polymorphic parent has a type to filter by",
			"SELECT Subject, Who.Type FROM Task WHERE Subject = '" + group + "' AND Who.Type IN ('Contact')",
			`[{"Subject":"` + group + `","Who":{"Type":"Contact"}}]`,
		},
		{
			"aggregates without an alias are numbered, in a record that belongs to no object",
			"SELECT COUNT(Id), MAX(Name) newest, COUNT(AnnualRevenue)" + accounts,
			`[{"expr0":2,"newest":"Birch","expr1":1}]`,
		},
		{
			"groups come with their field, HAVING asks for their aggregates",
			"SELECT Name, COUNT(Id)" + accounts + " GROUP BY Name HAVING COUNT(Id) = 1 ORDER BY Name DESC",
			`[{"Name":"Birch","expr0":1},{"Name":"Ash","expr0":1}]`,
		},
		{"null comes first", "SELECT AnnualRevenue" + accounts + " ORDER BY AnnualRevenue LIMIT 1", `[{"AnnualRevenue":null}]`},
		{"null comes last when told", "SELECT Name" + accounts + " ORDER BY AnnualRevenue DESC NULLS LAST, Name LIMIT 1", `[{"Name":"Ash"}]`},
		{"LIKE knows wildcards and no case", "SELECT Name" + accounts + " AND Name LIKE '_IR%'", `[{"Name":"Birch"}]`},
		{"OR and NOT stand in parentheses", "SELECT Name" + accounts + " AND (Name = 'Ash' OR Name = 'Oak') AND (NOT Name LIKE 'B%')", `[{"Name":"Ash"}]`},
		{"a semi-join finds those that others refer to", "SELECT Name" + accounts + " AND Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Beech')", `[{"Name":"Ash"}]`},
		{"an anti-join finds the others", "SELECT Name" + accounts + " AND Id NOT IN (SELECT AccountId FROM Contact)", `[{"Name":"Birch"}]`},
		{"an id compares in its short form too", "SELECT Name FROM Account WHERE Id = '" + account[:15] + "'", `[{"Name":"Ash"}]`},
		{"a date literal is a stretch of time", "SELECT Name" + accounts + " AND CreatedDate = LAST_N_DAYS:2 AND CreatedDate > N_DAYS_AGO:2 ORDER BY Name LIMIT 1", `[{"Name":"Ash"}]`},
		{"OFFSET skips", "SELECT Name" + accounts + " ORDER BY Name LIMIT 1 OFFSET 1", `[{"Name":"Birch"}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := o.want(o.call("GET", queryPath(tc.query), ""), http.StatusOK)
			_, list, _ := strings.Cut(a.body, `"records":`)
			list = attributes.ReplaceAllString(strings.TrimSuffix(list, "}"), "{")
			if list != tc.want {
				t.Errorf("\n got %s\nwant %s", list, tc.want)
			}
		})
	}
	t.Run("a record of aggregates says so", func(t *testing.T) {
		a := o.want(o.call("GET", queryPath("SELECT COUNT(Id)"+accounts), ""), http.StatusOK)
		if a.body != `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"expr0":2}]}` {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("COUNT() counts without records", func(t *testing.T) {
		if a := o.want(o.call("GET", queryPath("SELECT COUNT()"+accounts), ""), http.StatusOK); a.body != `{"totalSize":2,"done":true,"records":[]}` {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("FIELDS(ALL) reads every field of few records", func(t *testing.T) {
		p := o.ask("SELECT FIELDS(ALL)" + accounts + " LIMIT 200")
		for _, name := range []string{"Id", "IsDeleted", "SystemModstamp", "Name", "Conf_Group__c"} {
			if _, ok := p.Records[0][name]; !ok {
				t.Errorf("%s is not in %v", name, p.Records[0])
			}
		}
	})
	t.Run("the path may end in a slash", func(t *testing.T) {
		o.want(o.call("GET", data+"/query/?q="+url.QueryEscape("SELECT Id"+accounts), ""), http.StatusOK)
	})
}

func TestRefusedQueries(t *testing.T) {
	o := theOrg(t)
	for _, tc := range []struct{ name, query, code, part string }{
		{"an unknown object, with its place", "SELECT Id FROM Nothing", "INVALID_TYPE", `\nSELECT Id FROM Nothing\n               ^\nERROR at Row:1:Column:16\nsObject type 'Nothing' is not supported.`},
		{"an unknown field, with its place", "SELECT Nothing FROM Account", "INVALID_FIELD", `ERROR at Row:1:Column:8\nNo such column 'Nothing' on entity 'Account'.`},
		{"an unknown relationship", "SELECT Nothing.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Nothing' in field path."},
		{"an unknown child relationship", "SELECT Id, (SELECT Id FROM Nothings) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Nothings' in FROM part of query call."},
		{"AND and OR without parentheses", "SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "unexpected token: 'OR'"},
		{"a query that breaks off", "SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"a bind variable", "SELECT Id FROM Account WHERE Name = :name", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"},
		{"no id where one belongs", "SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"},
		{"a filter of a long text", "SELECT Id FROM Conf_Text__c WHERE Conf_A__c = 'x'", "INVALID_FIELD", "can not be filtered in a query call"},
		{"a field that is not grouped", "SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"},
		{"a field that is there twice", "SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"},
		{"too far an offset", "SELECT Id FROM Account LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"},
		{"no query at all", "", "MALFORMED_QUERY", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := o.call("GET", queryPath(tc.query), "")
			o.refused(a, http.StatusBadRequest, tc.code)
			if !strings.Contains(a.body, tc.part) {
				t.Errorf("got %s", a.body)
			}
		})
	}
}

func TestColumnsOfQueries(t *testing.T) {
	o := theOrg(t)
	const usual = `"custom":false,"displayName":"%[1]s","foreignKeyName":null,"insertable":%[2]t,"joinColumns":[],"numberType":false,"textType":%[3]t,"updatable":%[2]t}`
	field := func(name, apex string, writable, text bool) string {
		return `{"aggregate":false,"apexType":"` + apex + `","booleanType":false,"columnName":"` + name + `",` + fmt.Sprintf(usual, name, writable, text)
	}
	around := func(name, key string, aggregate bool, inner string) string {
		return fmt.Sprintf(`{"aggregate":%t,"apexType":null,"booleanType":false,"columnName":"%s","custom":false,"displayName":"%[2]s","foreignKeyName":%s,"insertable":false,"joinColumns":[%s],"numberType":false,"textType":false,"updatable":false}`, aggregate, name, key, inner)
	}
	for _, tc := range []struct{ name, query, columns, rest string }{
		{
			"those of a parent stand in joinColumns, those of its parent in theirs", "SELECT Id, ReportsTo.LastName, ReportsTo.Account.Name FROM Contact",
			field("Id", "Id", false, false) + "," + around("ReportsTo", `"ReportsToId"`, false, field("LastName", "String", true, true)+","+around("Account", `"AccountId"`, false, field("Name", "String", true, true))),
			`"entityName":"Contact","groupBy":false,"idSelected":true,"keyPrefix":"003"`,
		},
		{
			"those of a sub-query stand in the joinColumns of an aggregate", "SELECT Name, (SELECT LastName FROM Contacts) FROM Account",
			field("Name", "String", true, true) + "," + around("Contacts", "null", true, field("LastName", "String", true, true)),
			`"entityName":"Account","groupBy":false,"idSelected":false,"keyPrefix":"001"`,
		},
		{
			"aggregates are named by their alias and shown by their function", "SELECT Industry, AVG(AnnualRevenue) FROM Account GROUP BY Industry",
			field("Industry", "String", true, true) + `,{"aggregate":true,"apexType":null,"booleanType":false,"columnName":"expr0","custom":false,"displayName":"avg(AnnualRevenue)","foreignKeyName":null,"insertable":false,"joinColumns":[],"numberType":true,"textType":false,"updatable":false}`,
			`"entityName":"Account","groupBy":true,"idSelected":false,"keyPrefix":"001"`,
		},
		{"COUNT() has none", "SELECT COUNT() FROM Account", "", `"entityName":"Account","groupBy":false,"idSelected":false,"keyPrefix":"001"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := o.want(o.call("GET", queryPath(tc.query)+"&columns=true", ""), http.StatusOK)
			if want := `{"columnMetadata":[` + tc.columns + `],` + tc.rest + `}`; a.body != want {
				t.Errorf("\n got %s\nwant %s", a.body, want)
			}
		})
	}
	t.Run("a query that is refused has none", func(t *testing.T) {
		o.refused(o.call("GET", queryPath("SELECT Nothing FROM Account")+"&columns=true", ""), http.StatusBadRequest, "INVALID_FIELD")
	})
}

func TestPagesOfSOQL(t *testing.T) {
	o := aSim(t)
	account := o.put("Account", spec{"Name": "Ash"})
	var b strings.Builder
	b.WriteString("LastName,AccountId\n")
	for i := range 450 {
		_, _ = fmt.Fprintf(&b, "n%d,%s\n", i, account)
	}
	if _, info := o.process(spec{"object": "Contact", "operation": "insert"}, b.String()); info["state"] != "JobComplete" {
		t.Fatalf("got %v", info)
	}
	t.Run("the rows of a sub-query come in pages of their own", func(t *testing.T) {
		top := o.ask("SELECT (SELECT LastName FROM Contacts) FROM Account", batchSize(200))
		inner := top.Records[0]["Contacts"].(map[string]any)
		if !top.Done || inner["done"] != false || inner["totalSize"] != 450.0 || len(inner["records"].([]any)) != 200 {
			t.Fatalf("got %v", top)
		}
		next := inner["nextRecordsUrl"].(string)
		sizes := []int{}
		for next != "" {
			p := decode[page](t, o.want(o.call("GET", next, ""), http.StatusOK))
			sizes, next = append(sizes, len(p.Records)), p.Next
		}
		if fmt.Sprint(sizes) != "[200 50]" {
			t.Errorf("further pages of %v", sizes)
		}
	})
	t.Run("aggregates have one page only", func(t *testing.T) {
		soql := "SELECT LastName, COUNT(Id) FROM Contact GROUP BY LastName"
		o.refused(o.call("GET", queryPath(soql), "", batchSize(200)), http.StatusBadRequest, "EXCEEDED_ID_LIMIT")
		if p := o.ask(soql); len(p.Records) != 450 || !p.Done {
			t.Errorf("%d records", len(p.Records))
		}
	})
	t.Run("further pages name the version that was asked", func(t *testing.T) {
		a := o.want(o.call("GET", "/services/data/v50.0/query?q="+url.QueryEscape("SELECT Id FROM Contact"), "", batchSize(200)), http.StatusOK)
		if p := decode[page](t, a); !strings.HasPrefix(p.Next, "/services/data/v50.0/query/0r8") {
			t.Errorf("got %s", p.Next)
		}
		o.want(o.call("GET", "/services/data/v30.0/query?q="+url.QueryEscape("SELECT Id FROM Contact"), ""), http.StatusGone)
	})
	t.Run("date literals follow the org's time", func(t *testing.T) {
		count := func(period string) int {
			return o.ask("SELECT COUNT() FROM Account WHERE CreatedDate = " + period).TotalSize
		}
		today := count("TODAY")
		o.sim.Advance(24 * time.Hour)
		o.signIn()
		if today != 1 || count("TODAY") != 0 || count("YESTERDAY") != 1 {
			t.Errorf("%d records of the first day", today)
		}
	})
}
