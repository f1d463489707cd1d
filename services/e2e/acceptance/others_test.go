package acceptance

import (
	"testing"
	"time"

	"bulkhead/libs/salesforce"
)

// TestWhatOthersDoInTheOrgIsTheirs: triggers, flows and other people change rows that have landed. Bulkhead is not told of it: it neither notices nor undoes it,
// and counts no row but those that it was given.
func TestWhatOthersDoInTheOrgIsTheirs(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	others, err := salesforce.New(salesforce.Config{
		LoginURL: s.Sim.URL, ClientID: s.Sim.ClientID, ClientSecret: func() (string, error) { return s.Sim.Secret, nil }, AllowInsecureLoopback: true,
	})
	s.Must(err)
	do := func(c salesforce.Collection) {
		t.Helper()
		c.Object = "Contact"
		items, err := others.Collect(t.Context(), c, time.Now().Add(time.Minute), time.Now().Add(time.Minute))
		s.Must(err)
		for i, item := range items {
			if !item.Saved {
				t.Fatalf("row %d: %+v", i, item)
			}
		}
	}
	idOf := func(key string) string {
		t.Helper()
		r, ok := s.Sim.Record("Contact", key)
		if !ok {
			t.Fatalf("the org has no contact %s", key)
		}
		return r.ID
	}
	phone := func(key string) string {
		t.Helper()
		r, _ := s.Sim.Record("Contact", key)
		return r.Fields["Phone"]
	}
	keys := []string{"touched", "gone", "renamed"}
	for _, k := range keys {
		s.publish("contacts", "", contact(k), false)
	}
	if b := s.settle("contacts", 3); b.Landed != 3 {
		t.Fatalf("%+v", b)
	}

	do(salesforce.Collection{
		Operation: "upsert", ExternalIDField: "External_Id__c", Columns: []string{"External_Id__c", "LastName", "Phone"},
		Rows: [][]string{{"touched", "Flow", "+1 555 0199"}, {"made", "Flow", "+1 555 0142"}},
	})
	do(salesforce.Collection{Operation: "delete", Columns: []string{"Id"}, Rows: [][]string{{idOf("gone")}}})
	renamed := idOf("renamed")
	do(salesforce.Collection{Operation: "update", Columns: []string{"Id", "External_Id__c"}, Rows: [][]string{{renamed, "elsewhere"}}})

	sent := s.sendings()
	for _, k := range keys {
		s.publish("contacts", "", contact(k), false)
	}
	s.Eventually("what says the same is known as repeats", func() bool { return s.balance("contacts").Repeats == 3 })
	t.Run("what is published again sends nothing, and nothing is put back or made again", func(t *testing.T) {
		if n := s.sendings(); n != sent {
			t.Errorf("%d sendings more", n-sent)
		}
		if p := phone("touched"); p != "+1 555 0199" {
			t.Errorf("the phone is %s", p)
		}
		if _, there := s.Sim.Record("Contact", "gone"); there {
			t.Error("the row that was taken away is there again")
		}
	})
	t.Run("a row that they made is nobody's record", func(t *testing.T) {
		if b := s.balance("contacts"); b.Accepted != 3 || b.Landed != 3 {
			t.Errorf("%+v", b)
		}
		if phone("made") != "+1 555 0142" {
			t.Error("their row is another one")
		}
	})

	s.publish("contacts", "", []byte(`{"id": "touched", "phone": "+1 555 0111"}`), false)
	s.publish("contacts", "", []byte(`{"id": "gone", "last_name": "Back"}`), false)
	s.publish("contacts", "", []byte(`{"id": "renamed", "last_name": "Second"}`), false)
	if b := s.settle("contacts", 6); b.Landed != 6 {
		t.Errorf("%+v", b)
	}
	t.Run("a newer version says what it names, and leaves the rest to them", func(t *testing.T) {
		r, _ := s.Sim.Record("Contact", "touched")
		if r.Fields["Phone"] != "+1 555 0111" || r.Fields["LastName"] != "Flow" {
			t.Errorf("%v", r.Fields)
		}
	})
	t.Run("a newer version of a row that was taken away makes it anew", func(t *testing.T) {
		if r, ok := s.Sim.Record("Contact", "gone"); !ok || r.Fields["LastName"] != "Back" || r.Fields["Phone"] != "" {
			t.Errorf("%v %v", ok, r.Fields)
		}
	})
	t.Run("a row whose key they changed is another row: a newer version makes its own", func(t *testing.T) {
		if idOf("renamed") == renamed || idOf("elsewhere") != renamed {
			t.Error("a newer version found the row by a key that it no longer has")
		}
	})
}
