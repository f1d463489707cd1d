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
      - {name: Revenue__c, type: currency, precision: 18, scale: 2}
      - {name: Active__c, type: boolean}
      - {name: Since__c, type: date}
      - {name: Seen__c, type: datetime}
      - {name: Industry, type: picklist, values: [Energy, Banking, Agriculture]}
      - {name: Story__c, type: textarea}
      - {name: Memo__c, type: textarea, length: 255}
      - {name: Code__c, type: string, caseSensitive: true}
      - {name: Secret__c, type: string, access: none}
      - {name: OwnerId, type: reference, referenceTo: User, relationshipName: Owner}
      - {name: ParentId, type: reference, referenceTo: Account, relationshipName: Parent, childRelationshipName: ChildAccounts}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: LastName, type: string, required: true}
      - {name: External_Id__c, type: string, externalId: true, unique: true}
      - {name: AccountId, type: reference, referenceTo: Account, relationshipName: Account}
      - {name: ReportsToId, type: reference, referenceTo: Contact, relationshipName: ReportsTo}
  - name: Task
    keyPrefix: "00T"
    fields:
      - {name: Subject, type: string}
      - {name: WhoId, type: reference, referenceTo: [Account, Contact], relationshipName: Who}
  - name: Part__c
    keyPrefix: "a0P"
    fields:
      - {name: Label__c, type: string}
      - {name: Account__c, type: reference, referenceTo: Account, relationshipName: Account__r, masterDetail: true}
`

// now is the time of every org of these tests, a Wednesday.
var now = time.Date(2026, 11, 18, 15, 30, 45, 0, time.UTC)

func newStore(t testing.TB) *org.Store {
	t.Helper()
	s := emptyStore(t, model)
	seed(t, s, "Account",
		map[string]string{"Name": "Alpha", "External_Id__c": "A1", "Employees": "9", "Active__c": "true", "Since__c": "2020-01-02", "Industry": "Banking", "Revenue__c": "10.10"},
		map[string]string{"Name": "Beta's", "External_Id__c": "A2", "Employees": "10", "Industry": "Energy", "Revenue__c": "0.20"},
		map[string]string{"Name": "gamma", "External_Id__c": "A3"})
	seed(t, s, "Contact",
		map[string]string{"LastName": "One", "External_Id__c": "C1", "Account.External_Id__c": "a1"},
		map[string]string{"LastName": "Two", "External_Id__c": "C2"})
	return s
}

func emptyStore(t testing.TB, model string) *org.Store {
	t.Helper()
	m, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	return org.NewStore(org.Config{
		Model: m, Seed: 1, Username: "integration@bulkhead.example", Now: func() time.Time { return now }, Switches: switches.NewStore(),
	})
}

func seed(t testing.TB, s *org.Store, object string, records ...map[string]string) {
	t.Helper()
	if _, bad, err := s.Seed(object, records); err != nil || bad != nil {
		t.Fatalf("seed: %v %v", bad, err)
	}
}

// found runs a query that has to succeed.
func found(t testing.TB, s *org.Store, text string) *soql.Result {
	t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	res, err := q.Run(s)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return res
}

// names are the rows of a query, their columns joined by bars; those of a query for aggregates too.
func names(t testing.TB, s *org.Store, text string) []string {
	t.Helper()
	res := found(t, s, text)
	out := []string{}
	if res.Tally != nil {
		for _, row := range res.Tally.Rows {
			out = append(out, strings.Join(row, "|"))
		}
		return out
	}
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

// idOf is the Id of the only row that a query finds.
func idOf(t testing.TB, s *org.Store, object, where string) string {
	t.Helper()
	rows := names(t, s, "SELECT Id FROM "+object+" WHERE "+where)
	if len(rows) != 1 {
		t.Fatalf("%d rows of %s where %s", len(rows), object, where)
	}
	return rows[0]
}

// refusal is how a query is refused; nil when it is not.
func refusal(t testing.TB, s *org.Store, text string) *soql.Error {
	t.Helper()
	q, err := soql.Parse(text)
	if err == nil {
		_, err = q.Run(s)
	}
	if err == nil {
		return nil
	}
	var out *soql.Error
	if !errors.As(err, &out) {
		t.Fatalf("%.200q: %v is not a *soql.Error", text, err)
	}
	return out
}

// finding is a query and what it has to find.
type finding struct{ does, query, want string }

func (f finding) run(t *testing.T, s *org.Store) {
	t.Run(f.does, func(t *testing.T) {
		if got := strings.Join(names(t, s, f.query), ","); got != f.want {
			t.Errorf("%s\n got %q\nwant %q", f.query, got, f.want)
		}
	})
}
