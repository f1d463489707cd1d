package soql_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
)

// tree writes rows with their children behind them in parentheses.
func tree(r org.Reader, o *org.Object, rows []uint32, members []*soql.Member) string {
	var out []string
	for _, row := range rows {
		var cells []string
		for _, m := range members {
			switch {
			case m.Children != nil:
				cells = append(cells, "("+tree(r, m.Children.Object, m.Children.Rows[row], m.Children.Members)+")")
			case m.Up == nil:
				cells = append(cells, m.Value(r, o, row))
			default:
				if parent, up, ok := r.Parent(o, row, m.Up); ok {
					cells = append(cells, "["+tree(r, parent, []uint32{up}, m.For(parent))+"]")
				}
			}
		}
		out = append(out, strings.Join(cells, " "))
	}
	return strings.Join(out, ", ")
}

func TestChildren(t *testing.T) {
	s := newStore(t)
	alpha := idOf(t, s, "Account", "Name = 'alpha'")
	seed(t, s, "Contact", map[string]string{"LastName": "Three", "AccountId": alpha}, map[string]string{"LastName": "Four", "AccountId": idOf(t, s, "Account", "Name = 'gamma'")})
	seed(t, s, "Account", map[string]string{"Name": "sub", "ParentId": alpha})
	seed(t, s, "Part__c", map[string]string{"Label__c": "p", "Account__c": idOf(t, s, "Account", "Name = 'sub'")})
	seed(t, s, "Task", map[string]string{"Subject": "call", "WhoId": alpha})
	for _, tc := range []struct{ does, query, want string }{
		{"each row has its own", "SELECT Name, (SELECT LastName FROM Contacts) FROM Account", "Alpha (One, Three), Beta's (), gamma (Four), sub ()"},
		{"with a condition, an order and a limit for each", "SELECT (SELECT LastName FROM Contacts WHERE LastName LIKE '%e' ORDER BY LastName DESC LIMIT 1) FROM Account WHERE Name LIKE '%a'", "(Three), ()"},
		{"the relationship may be called with its object", "SELECT Name, (SELECT Contact.LastName FROM Account.Contacts c) FROM Account WHERE Name = 'gamma'", "gamma (Four)"},
		{"or with the alias of its object", "SELECT a.Name, (SELECT c.LastName FROM a.Contacts c WHERE c.LastName != 'x') FROM Account a WHERE a.Name = 'gamma'", "gamma (Four)"},
		{"a name of its own, for rows of the same object and children of children", "SELECT Name, (SELECT Name, (SELECT Label__c FROM Parts__r) FROM ChildAccounts) FROM Account WHERE Name = 'alpha'", "Alpha (sub (p))"},
		{"polymorphic references lead to rows as well", "SELECT (SELECT Subject FROM Tasks) FROM Account WHERE Name = 'alpha'", "(call)"},
		{"children know their parents", "SELECT (SELECT LastName, Account.Name FROM Contacts) FROM Account WHERE Name = 'gamma'", "(Four [gamma])"},
		{"several relationships", "SELECT (SELECT LastName FROM Contacts), (SELECT Subject FROM Tasks) FROM Account LIMIT 1", "(One, Three) (call)"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			res := found(t, s, tc.query)
			var got string
			s.Read(func(r org.Reader) { got = tree(r, res.Object, res.Rows, res.Members) })
			if got != tc.want {
				t.Errorf("%s\n got %s\nwant %s", tc.query, got, tc.want)
			}
		})
	}
	t.Run("the size of a result counts them", func(t *testing.T) {
		if n := found(t, s, "SELECT Name, (SELECT LastName FROM Contacts) FROM Account").Size(); n != 7 {
			t.Errorf("got %d", n)
		}
	})
	nested := "SELECT Id FROM ChildAccounts"
	for range 4 {
		nested = "SELECT Id, (" + nested + ") FROM ChildAccounts"
	}
	twentyOne := strings.Join(slices.Repeat([]string{"(SELECT Id FROM Contacts)"}, 21), ", ")
	for _, tc := range []struct{ does, query, code, part string }{
		{"an unknown relationship is refused", "SELECT Id, (SELECT Id FROM Cases) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Cases' in FROM part of query call"},
		{"an object is no relationship", "SELECT Id, (SELECT Id FROM Contact) FROM Account", "INVALID_TYPE", "relationship 'Contact'"},
		{"a relationship is there once", "SELECT Id, (SELECT Id FROM Contacts), (SELECT LastName FROM Contacts) FROM Account", "INVALID_FIELD", "duplicate"},
		{"there are five levels at most", fmt.Sprintf("SELECT Id, (%s) FROM Account", nested), "MALFORMED_QUERY", "more than 4 levels"},
		{"there are twenty at most", "SELECT " + twentyOne + " FROM Account", "MALFORMED_QUERY", "20"},
		{"their fields have to be there", "SELECT Id, (SELECT Foo FROM Contacts) FROM Account", "INVALID_FIELD", "No such column 'Foo' on entity 'Contact'"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if e := refusal(t, s, tc.query); e == nil || e.Code != tc.code || !strings.Contains(e.Message, tc.part) {
				t.Errorf("got %v", e)
			}
		})
	}
}
