package soql_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
	"bulkhead/services/orgsim/internal/switches"
)

const model = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string, required: true}
      - {name: External_Id__c, type: string, externalId: true, unique: true}
      - {name: Employees, type: int}
      - {name: Active__c, type: boolean}
      - {name: Since__c, type: date}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: LastName, type: string, required: true}
      - {name: AccountId, type: reference, referenceTo: Account, relationshipName: Account}
`

func newStore(t testing.TB) *org.Store {
	t.Helper()
	m, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	s := org.NewStore(org.Config{
		Model: m, Seed: 1, Username: "integration@bulkhead.example", Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
		Switches: switches.NewStore(),
	})
	seed(t, s, "Account",
		map[string]string{"Name": "Alpha", "External_Id__c": "A1", "Employees": "9", "Active__c": "true", "Since__c": "2020-01-02"},
		map[string]string{"Name": "Beta's", "External_Id__c": "A2", "Employees": "10"},
		map[string]string{"Name": "gamma", "External_Id__c": "A3"})
	seed(t, s, "Contact",
		map[string]string{"LastName": "One", "Account.External_Id__c": "a1"},
		map[string]string{"LastName": "Two"})
	return s
}

func seed(t testing.TB, s *org.Store, object string, records ...map[string]string) {
	t.Helper()
	if _, bad, err := s.Seed(object, records); err != nil || bad != nil {
		t.Fatalf("seed: %v %v", bad, err)
	}
}

func names(t *testing.T, s *org.Store, text string) []string {
	t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	res, err := q.Run(s)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := []string{}
	s.Read(func(r org.Reader) {
		for _, row := range res.Rows {
			var cells []string
			for _, c := range res.Columns {
				cells = append(cells, c.Value(r, res.Object, row))
			}
			out = append(out, strings.Join(cells, "|"))
		}
	})
	return out
}

func TestQueriesFindTheRightRows(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct{ does, query, want string }{
		{"returns all rows without a condition", "SELECT Name FROM Account", "Alpha,Beta's,gamma"},
		{"ignores the case of key words, names and texts", "select NAME from account where name = 'ALPHA'", "Alpha"},
		{"finds by an external id without regard to case", "SELECT Name FROM Account WHERE External_Id__c = 'a2'", "Beta's"},
		{"finds several by IN", "SELECT Name FROM Account WHERE External_Id__c IN ('A3', 'A1', 'nobody')", "Alpha,gamma"},
		{"leaves out by NOT IN", "SELECT Name FROM Account WHERE External_Id__c NOT IN ('A3')", "Alpha,Beta's"},
		{"reads escaped quotes", `SELECT Name FROM Account WHERE Name = 'Beta\'s'`, "Beta's"},
		{"joins conditions with AND", "SELECT Name FROM Account WHERE Active__c = true AND Employees < 10", "Alpha"},
		{"compares numbers by size", "SELECT Name FROM Account WHERE Employees >= 9", "Alpha,Beta's"},
		{"compares dates", "SELECT Name FROM Account WHERE Since__c > 2019-12-31", "Alpha"},
		{"finds null", "SELECT Name FROM Account WHERE Employees = null", "gamma"},
		{"finds what is not null", "SELECT Name FROM Account WHERE Employees != null", "Alpha,Beta's"},
		{"orders and limits", "SELECT Name FROM Account ORDER BY Name DESC LIMIT 2", "gamma,Beta's"},
		{"puts null first, or last when told", "SELECT Name FROM Account ORDER BY Employees NULLS LAST", "Alpha,Beta's,gamma"},
		{"limits to nothing", "SELECT Name FROM Account LIMIT 0", ""},
		{"skips with OFFSET", "SELECT Name FROM Account LIMIT 1 OFFSET 1", "Beta's"},
		{"reads a parent's field", "SELECT LastName, Account.Name FROM Contact", "One|Alpha,Two|"},
		{"asks for a parent's field", "SELECT LastName FROM Contact WHERE Account.External_Id__c = 'A1'", "One"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := strings.Join(names(t, s, tc.query), ","); got != tc.want {
				t.Errorf("%s\n got %q\nwant %q", tc.query, got, tc.want)
			}
		})
	}
	t.Run("counts without returning rows", func(t *testing.T) {
		text := "SELECT COUNT() FROM Account WHERE Employees != null"
		q, err := soql.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		res, err := q.Run(s)
		if err != nil || res.Count != 2 || res.Columns != nil {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	t.Run("finds by Id in the short and the long form", func(t *testing.T) {
		id := names(t, s, "SELECT Id FROM Account WHERE External_Id__c = 'A1'")[0]
		for _, form := range []string{id, id[:15]} {
			if got := names(t, s, "SELECT Name FROM Account WHERE Id = '"+form+"'"); len(got) != 1 || got[0] != "Alpha" {
				t.Errorf("id %s found %v", form, got)
			}
		}
	})
}

func TestParentsOfSeveralTypes(t *testing.T) {
	m, err := org.ReadModel([]byte(model + `
  - name: Note
    keyPrefix: "00N"
    fields:
      - {name: Title, type: string}
      - {name: AboutId, type: reference, referenceTo: [Account, Contact], relationshipName: About}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := org.NewStore(org.Config{
		Model: m, Seed: 1, Username: "integration@bulkhead.example", Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
		Switches: switches.NewStore(),
	})
	seed(t, s, "Account", map[string]string{"Name": "Alpha"})
	seed(t, s, "Contact", map[string]string{"LastName": "One"})
	seed(t, s, "Note",
		map[string]string{"Title": "a", "AboutId": names(t, s, "SELECT Id FROM Account")[0]},
		map[string]string{"Title": "c", "AboutId": names(t, s, "SELECT Id FROM Contact")[0]},
		map[string]string{"Title": "n"})
	for _, tc := range []struct{ does, query, want string }{
		{"a field is null in the parents that lack it", "SELECT Title, About.Name, About.LastName FROM Note", "a|Alpha|,c||One,n||"},
		{"a condition holds for the parents that have the field", "SELECT Title FROM Note WHERE About.LastName = 'One'", "c"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := strings.Join(names(t, s, tc.query), ","); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
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
	s.Save(p, "750000000000001AAA", []org.Row{{Number: 1, Cells: []string{names(t, s, "SELECT Id FROM Account WHERE External_Id__c = 'A2'")[0]}}})
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

func TestBadQueriesAreRefusedWithTheirCode(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct{ does, query, code, part string }{
		{"an unknown object", "SELECT Id FROM Lead", "INVALID_TYPE", "sObject type 'Lead' is not supported"},
		{"an unknown field, with its place", "SELECT Foo FROM Account", "INVALID_FIELD", "\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'"},
		{"an unknown relationship", "SELECT Owner.Name FROM Contact", "INVALID_FIELD", "relationship 'Owner'"},
		{"a text where a number belongs", "SELECT Id FROM Account WHERE Employees = 'x'", "INVALID_FIELD", "should not be enclosed in quotes"},
		{"a number where a text belongs", "SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "should be enclosed in quotes"},
		{"an unfinished query", "SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"rubbish behind the end", "SELECT Id FROM Account HAVING x", "MALFORMED_QUERY", "unexpected token: 'HAVING'"},
		{"an empty text", "", "MALFORMED_QUERY", ""},
		{"a quote that does not end", "SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", ""},
		{"a text of a condition that is too long", "SELECT Id FROM Account WHERE Name IN ('x', '" + strings.Repeat("é", soql.MaxText+1) + "')", "MALFORMED_QUERY", "4000 characters"},
		{"a query that is too long", "SELECT Id FROM Account WHERE Name = '" + strings.Repeat("x", soql.MaxLength) + "'", "MALFORMED_QUERY", "longer"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			q, err := soql.Parse(tc.query)
			if err == nil {
				_, err = q.Run(s)
			}
			var refusal *soql.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v, want a *soql.Error", err)
			}
			if refusal.Code != tc.code || !strings.Contains(refusal.Message, tc.part) {
				t.Errorf("got %s %q", refusal.Code, refusal.Message)
			}
		})
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id FROM Account", "SELECT COUNT() FROM Account WHERE Name = 'x' AND Employees IN (1, 2) LIMIT 5",
		"SELECT Id, Account.Name FROM Contact WHERE Id NOT IN ('a\\'b') ORDER BY LastName DESC NULLS LAST OFFSET 2", "'", "SELECT", "\\",
		"SELECT Id FROM Account LIMIT 99999999999999999999", "SELECT Id FROM Account LIMIT -1", "SELECT Id FROM Account LIMIT 1.5",
	} {
		f.Add(seed)
	}
	s := newStore(f)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := soql.Parse(text)
		if err == nil {
			_, err = q.Run(s)
		}
		var refusal *soql.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %v is not a *soql.Error", text, err)
		}
	})
}
