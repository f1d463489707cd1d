package soql_test

import (
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

func TestQueriesFindTheRightRows(t *testing.T) {
	s := newStore(t)
	for _, tc := range []finding{
		{"returns all rows without a condition", "SELECT Name FROM Account", "Alpha,Beta's,gamma"},
		{"ignores the case of key words, names and texts", "select NAME from account where name = 'ALPHA'", "Alpha"},
		{"reads a query over several lines", "SELECT Name\n\tFROM Account\r\nWHERE Employees=9", "Alpha"},
		{"finds by an external id without regard to case", "SELECT Name FROM Account WHERE External_Id__c = 'a2'", "Beta's"},
		{"finds several by IN", "SELECT Name FROM Account WHERE External_Id__c IN ('A3', 'A1', 'nobody')", "Alpha,gamma"},
		{"leaves out by NOT IN", "SELECT Name FROM Account WHERE External_Id__c NOT IN ('A3')", "Alpha,Beta's"},
		{"reads escaped quotes", `SELECT Name FROM Account WHERE Name = 'Beta\'s'`, "Beta's"},
		{"reads a character by its code", `SELECT Name FROM Account WHERE Name = '\u0041lpha'`, "Alpha"},
		{"compares numbers by size", "SELECT Name FROM Account WHERE Employees >= 9", "Alpha,Beta's"},
		{"compares numbers whatever their form", "SELECT Name FROM Account WHERE Revenue__c IN (1.01e1, .2)", "Alpha,Beta's"},
		{"compares dates", "SELECT Name FROM Account WHERE Since__c > 2019-12-31", "Alpha"},
		{"compares date-times of any time zone", "SELECT Name FROM Account WHERE CreatedDate = 2026-11-18T16:30:45+01:00", "Alpha,Beta's,gamma"},
		{"finds null", "SELECT Name FROM Account WHERE Employees = null", "gamma"},
		{"finds what is not null", "SELECT Name FROM Account WHERE Employees <> null", "Alpha,Beta's"},
		{"finds null among others", "SELECT Name FROM Account WHERE Employees IN (9, null)", "Alpha,gamma"},
		{"takes null for false in a checkbox", "SELECT Name FROM Account WHERE Active__c = null", "Beta's,gamma"},
		{"takes what is not null for true in a checkbox", "SELECT Name FROM Account WHERE Active__c != null", "Alpha"},
		{"tells the case of texts that are case-sensitive", "SELECT Name FROM Account WHERE Code__c = 'x'", ""},
		{"orders and limits", "SELECT Name FROM Account ORDER BY Name DESC LIMIT 2", "gamma,Beta's"},
		{"orders by several fields", "SELECT Name FROM Account ORDER BY Active__c DESC, Name DESC", "Alpha,gamma,Beta's"},
		{"puts null first", "SELECT Name FROM Account ORDER BY Employees", "gamma,Alpha,Beta's"},
		{"puts null first in descending order too", "SELECT Name FROM Account ORDER BY Employees DESC", "gamma,Beta's,Alpha"},
		{"puts null last when told", "SELECT Name FROM Account ORDER BY Employees NULLS LAST", "Alpha,Beta's,gamma"},
		{"orders a picklist as its values stand in it", "SELECT Name FROM Account ORDER BY Industry NULLS LAST", "Beta's,Alpha,gamma"},
		{"orders by a parent's field", "SELECT LastName FROM Contact ORDER BY Account.Name DESC NULLS LAST", "One,Two"},
		{"limits to nothing", "SELECT Name FROM Account LIMIT 0", ""},
		{"skips with OFFSET", "SELECT Name FROM Account LIMIT 1 OFFSET 1", "Beta's"},
		{"skips over the end", "SELECT Name FROM Account OFFSET 2000", ""},
		{"reads a parent's field", "SELECT LastName, Account.Name FROM Contact", "One|Alpha,Two|"},
		{"asks for a parent's field", "SELECT LastName FROM Contact WHERE Account.External_Id__c = 'A1'", "One"},
		{"finds rows without a parent when its field shall be null", "SELECT LastName FROM Contact WHERE Account.Name = null", "Two"},
		{"calls the object by its name", "SELECT Account.Name FROM Account WHERE Account.Employees = 9", "Alpha"},
		{"calls the object by an alias", "SELECT a.Name FROM Account a WHERE a.Employees = 9", "Alpha"},
		{"calls a parent by an alias", "SELECT c.LastName, a.Name FROM Contact c, c.Account a WHERE a.Name = 'alpha'", "One|Alpha"},
		{"reads labels", "SELECT toLabel(Industry) FROM Account WHERE toLabel(Industry) = 'Energy'", "Energy"},
		{"takes what changes nothing", "SELECT Name FROM Account USING SCOPE everything WHERE Employees = 9 WITH SECURITY_ENFORCED LIMIT 1 FOR VIEW FOR REFERENCE UPDATE VIEWSTAT", "Alpha"},
		{"takes user mode and a lock", "SELECT Name FROM Account WHERE Employees = 9 WITH USER_MODE FOR UPDATE", "Alpha"},
		{"reads who made a row", "SELECT CreatedBy.Username, LastModifiedBy.Name FROM Account LIMIT 1", org.AdminUsername + "|Org Admin"},
		{"reads part of a date", "SELECT Name FROM Account WHERE CALENDAR_YEAR(Since__c) = 2020 AND DAY_IN_MONTH(Since__c) < 3", "Alpha"},
		{"reads the day of a date-time", "SELECT COUNT(Id) FROM Account WHERE DAY_ONLY(convertTimezone(CreatedDate)) = 2026-11-18", "3"},
	} {
		tc.run(t, s)
	}
	t.Run("counts without returning rows", func(t *testing.T) {
		if res := found(t, s, "SELECT COUNT() FROM Account WHERE Employees != null"); res.Count != 2 || res.Columns != nil || res.Rows != nil {
			t.Errorf("got %+v", res)
		}
		if res := found(t, s, "SELECT count() FROM Account LIMIT 1"); res.Count != 1 {
			t.Errorf("got %+v", res)
		}
	})
	t.Run("finds by Id in the short and the long form", func(t *testing.T) {
		id := idOf(t, s, "Account", "External_Id__c = 'A1'")
		for _, form := range []string{id, id[:15]} {
			for _, where := range []string{"Id = '" + form + "'", "Id IN ('" + form + "')", "Id >= '" + form + "' AND Id <= '" + form + "'"} {
				if got := names(t, s, "SELECT Name FROM Account WHERE "+where); len(got) != 1 || got[0] != "Alpha" {
					t.Errorf("%s found %v", where, got)
				}
			}
			if got := names(t, s, "SELECT LastName FROM Contact WHERE AccountId = '"+form+"'"); len(got) != 1 || got[0] != "One" {
				t.Errorf("AccountId %s found %v", form, got)
			}
		}
	})
	t.Run("finds texts as they are where case counts", func(t *testing.T) {
		s := newStore(t)
		seed(t, s, "Account", map[string]string{"Name": "lower", "Code__c": "ab"}, map[string]string{"Name": "upper", "Code__c": "AB"})
		for where, want := range map[string]string{"Code__c = 'ab'": "lower", "Code__c LIKE 'A%'": "upper", "Code__c >= 'a'": "lower"} {
			if got := strings.Join(names(t, s, "SELECT Name FROM Account WHERE "+where), ","); got != want {
				t.Errorf("%s found %s", where, got)
			}
		}
	})
}

func TestConditions(t *testing.T) {
	s := newStore(t)
	for _, tc := range []finding{
		{"AND wants both", "SELECT Name FROM Account WHERE Active__c = true AND Employees < 10", "Alpha"},
		{"OR wants one", "SELECT Name FROM Account WHERE Employees = 10 OR Name = 'gamma'", "Beta's,gamma"},
		{"several of a kind need no parentheses", "SELECT Name FROM Account WHERE Name = 'alpha' OR Name = 'gamma' OR Name = 'x'", "Alpha,gamma"},
		{"parentheses decide", "SELECT Name FROM Account WHERE (Name = 'alpha' OR Name = 'gamma') AND (Employees = null OR (Employees = 1))", "gamma"},
		{"NOT turns around", "SELECT Name FROM Account WHERE NOT Name = 'alpha'", "Beta's,gamma"},
		{"NOT turns around what is in parentheses", "SELECT Name FROM Account WHERE (NOT (Employees = 9 OR Employees = null)) AND Name != null", "Beta's"},
		{"what is not equal may be null", "SELECT Name FROM Account WHERE Employees != 9", "Beta's,gamma"},
		{"what is not among others may be null", "SELECT Name FROM Account WHERE Employees NOT IN (9)", "Beta's,gamma"},
		{"null is neither smaller nor larger", "SELECT Name FROM Account WHERE Employees < 99 OR Employees >= 0", "Alpha,Beta's"},
		{"nothing is larger than null", "SELECT Name FROM Account WHERE Employees > null", ""},
		{"an empty text is null", "SELECT LastName FROM Contact WHERE AccountId = ''", "Two"},
		{"% stands for any text", "SELECT Name FROM Account WHERE Name LIKE '%A'", "Alpha,gamma"},
		{"_ stands for one character", "SELECT Name FROM Account WHERE Name LIKE 'g_mm_'", "gamma"},
		{"LIKE without either means the whole", "SELECT Name FROM Account WHERE Name LIKE 'alph'", ""},
		{"a pattern may hold a quote", `SELECT Name FROM Account WHERE Name LIKE '%\'_'`, "Beta's"},
		{"null is like nothing", "SELECT LastName FROM Contact WHERE Account.Name LIKE '%'", "One"},
		{"an escaped sign stands for itself", `SELECT Name FROM Account WHERE Name LIKE '\%' OR Name LIKE '\_eta_s'`, ""},
		{"a semi-join finds those with others", "SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName LIKE 'o%')", "Alpha"},
		{"an anti-join finds those without", "SELECT Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact) AND Name != 'x'", "Beta's,gamma"},
		{"a semi-join of a reference", "SELECT LastName FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Employees = 9)", "One"},
		{"an anti-join of a reference leaves null in", "SELECT LastName FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account)", "Two"},
		{"a semi-join of who made a row", "SELECT COUNT(Id) FROM Account WHERE CreatedById IN (SELECT Id FROM User WHERE Username LIKE 'admin@%')", "3"},
	} {
		tc.run(t, s)
	}
	t.Run("an escaped sign is found where it is", func(t *testing.T) {
		s := newStore(t)
		seed(t, s, "Account", map[string]string{"Name": "50% off"}, map[string]string{"Name": "50 off"}, map[string]string{"Name": `a\b`})
		for where, want := range map[string]string{`Name LIKE '50\%%'`: "50% off", `Name LIKE '_\\\\_'`: "", `Name LIKE '_\\_'`: `a\b`, `Name = 'a\\b'`: `a\b`} {
			if got := strings.Join(names(t, s, "SELECT Name FROM Account WHERE "+where), ","); got != want {
				t.Errorf("%s found %s", where, got)
			}
		}
	})
}

func TestParentsOfSeveralTypes(t *testing.T) {
	s := newStore(t)
	seed(t, s, "Task",
		map[string]string{"Subject": "a", "WhoId": idOf(t, s, "Account", "Name = 'alpha'")},
		map[string]string{"Subject": "c", "WhoId": idOf(t, s, "Contact", "LastName = 'One'")},
		map[string]string{"Subject": "n"})
	for _, tc := range []finding{
		{"a field is null in the parents that lack it", "SELECT Subject, Who.Name, Who.LastName FROM Task", "a|Alpha|,c||One,n||"},
		{"a condition holds for the parents that have the field", "SELECT Subject FROM Task WHERE Who.LastName = 'One'", "c"},
		{"the type is that of the parent", "SELECT Subject, Who.Type FROM Task", "a|Account,c|Contact,n|"},
		{"a condition asks for the type", "SELECT Subject FROM Task WHERE Who.Type IN ('contact', 'Lead')", "c"},
	} {
		tc.run(t, s)
	}
	t.Run("TYPEOF reads of each what is asked for", func(t *testing.T) {
		for query, want := range map[string]string{
			"SELECT TYPEOF Who WHEN Account THEN Name, Owner.Username WHEN Contact THEN LastName END FROM Task": "Account: Name Owner, Contact: LastName",
			"SELECT TYPEOF who WHEN contact THEN LastName ELSE External_Id__c END FROM Task":                    "Account: External_Id__c, Contact: LastName",
		} {
			m := found(t, s, query).Members[0]
			var got []string
			for _, o := range []string{"Account", "Contact"} {
				var fields []string
				for _, f := range m.For(s.Model().Object(o)) {
					fields = append(fields, f.Name)
				}
				got = append(got, o+": "+strings.Join(fields, " "))
			}
			if m.Name != "Who" || strings.Join(got, ", ") != want {
				t.Errorf("%s: %s %v", query, m.Name, got)
			}
		}
	})
}

func TestParentsAreReachedOverFiveLevels(t *testing.T) {
	s := newStore(t)
	above := idOf(t, s, "Contact", "LastName = 'One'")
	for _, name := range []string{"L1", "L2", "L3", "L4"} {
		seed(t, s, "Contact", map[string]string{"LastName": name, "ReportsToId": above})
		above = idOf(t, s, "Contact", "LastName = '"+name+"'")
	}
	up := strings.Repeat("ReportsTo.", 4)
	for _, tc := range []finding{
		{"a field of the fifth", "SELECT " + up + "Account.Name FROM Contact WHERE LastName = 'L4'", "Alpha"},
		{"a condition on the fifth", "SELECT LastName FROM Contact WHERE " + up + "Account.Name = 'Alpha'", "L4"},
	} {
		tc.run(t, s)
	}
	t.Run("a sixth is refused", func(t *testing.T) {
		if e := refusal(t, s, "SELECT "+up+"ReportsTo.Account.Name FROM Contact"); e == nil || e.Code != "INVALID_FIELD" {
			t.Errorf("got %v", e)
		}
	})
}

func TestAllFieldsOfASort(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct{ does, query, want string }{
		{"standard ones", "SELECT FIELDS(STANDARD) FROM Contact", "Id,IsDeleted,CreatedDate,CreatedById,LastModifiedDate,LastModifiedById,SystemModstamp,LastName,AccountId,ReportsToId"},
		{"custom ones", "SELECT Id, fields(custom) FROM Contact LIMIT 200", "Id,External_Id__c"},
		{"all of them", "SELECT FIELDS(ALL) FROM Task WHERE Id IN ('00T000000000001')", "Id,IsDeleted,CreatedDate,CreatedById,LastModifiedDate,LastModifiedById,SystemModstamp,Subject,WhoId"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var got []string
			for _, c := range found(t, s, tc.query).Columns {
				got = append(got, c.Name())
			}
			if strings.Join(got, ",") != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRunAllFindsDeletedRowsToo(t *testing.T) {
	s := newStore(t)
	account := s.Model().Object("Account")
	p, err := s.NewPlan(account, org.Delete, "", []string{"Id"})
	if err != nil {
		t.Fatal(err)
	}
	s.Save(p, "750000000000001AAA", []org.Row{{Number: 1, Cells: []string{idOf(t, s, "Account", "External_Id__c = 'A2'")}}})
	for _, tc := range []struct {
		does, query string
		live, all   int
	}{
		{"without a condition", "SELECT Id FROM Account", 2, 3},
		{"by a key", "SELECT Id FROM Account WHERE External_Id__c = 'a2'", 0, 1},
		{"by whether they are deleted", "SELECT Id FROM Account WHERE IsDeleted = true", 0, 1},
	} {
		t.Run(tc.does, func(t *testing.T) {
			q, err := soql.Parse(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			live, errLive := q.Run(s)
			all, errAll := q.RunAll(s)
			if errLive != nil || errAll != nil || live.Count != tc.live || all.Count != tc.all {
				t.Errorf("got %+v %v and %+v %v", live, errLive, all, errAll)
			}
		})
	}
}
