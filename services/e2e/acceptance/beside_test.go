package acceptance

import (
	"strings"
	"testing"

	"bulkhead/services/e2e/inprocess"
)

// beside are two pipelines of the same contacts, each with fields of its own and the phone, ordered by a version that they share.
func beside() func(*inprocess.Options) {
	define := func(name, own string) []byte {
		return definition(name, "Contact", "upsert", "externalId: External_Id__c", "key: [id, v]", "version: v", quick, "unknownMembers: reject",
			columnsOf("from: id, to: External_Id__c, type: string, required: true", "from: last_name, to: LastName, type: string",
				"from: phone, to: Phone, type: string", own))
	}
	return with(define("names", "from: first_name, to: FirstName, type: string"), define("calls", "from: email, to: Email, type: string"))
}

// TestTwoPipelinesOfOneEntityKeepTheNewest: what one pipeline says of a field is not overwritten by what the other said earlier, however late that
// comes and however it is sent.
func TestTwoPipelinesOfOneEntityKeepTheNewest(t *testing.T) {
	t.Parallel()
	s := newStack(t, beside())
	s.TakesRecords("names", "calls")
	holds := func(t *testing.T, id string, want map[string]string) {
		t.Helper()
		got, ok := s.Sim.Record("Contact", id)
		if !ok {
			t.Fatalf("the org has no contact %s", id)
		}
		for column, value := range want {
			if got.Fields[column] != value {
				t.Errorf("%s of %s is %q, want %q", column, id, got.Fields[column], value)
			}
		}
	}
	say := func(pipeline string, lines ...string) {
		s.publish(pipeline, "", []byte(strings.Join(lines, "\n")), true)
	}

	say("calls",
		`{"id": "late", "v": 5, "last_name": "New", "phone": "555", "email": "five@calls.example"}`,
		`{"id": "covered", "v": 5, "last_name": "New", "phone": "555"}`,
		`{"id": "newer", "v": 2, "last_name": "Old", "phone": "222"}`,
		`{"id": "equal", "v": 3, "last_name": "Same", "phone": "333", "email": "three@calls.example"}`)
	s.settle("calls", 4)
	// This one dies, and is sent again by a person when the other pipeline has said something newer.
	s.failing("FIELD_CUSTOM_VALIDATION_EXCEPTION:not on a Sunday:LastName --", 1, "again")
	say("names",
		`{"id": "late", "v": 3, "last_name": "Old", "phone": "333", "first_name": "Ann"}`,
		`{"id": "covered", "v": 3, "last_name": "Old", "phone": "333"}`,
		`{"id": "newer", "v": 3, "last_name": "New", "phone": "333", "first_name": "Bea"}`,
		`{"id": "equal", "v": 3, "last_name": "Same", "phone": "333", "first_name": "Cid"}`,
		`{"id": "again", "v": 3, "last_name": "Old", "phone": "333", "first_name": "Dee"}`)
	b := s.settle("names", 5)
	if b.Landed != 3 || b.Superseded != 1 || b.Dead != 1 {
		t.Errorf("%+v, want 3 landed, 1 superseded and 1 dead", b)
	}

	t.Run("what comes late leaves out the fields that the other pipeline said later, and lands with the rest", func(t *testing.T) {
		holds(t, "late", map[string]string{"LastName": "New", "Phone": "555", "Email": "five@calls.example", "FirstName": "Ann"})
	})
	t.Run("what comes late and says nothing more is superseded, and names the record of the other pipeline", func(t *testing.T) {
		holds(t, "covered", map[string]string{"LastName": "New", "Phone": "555"})
		if got := s.record("names", "covered%7C3"); got.State != "superseded" || got.Successor != "calls/covered|5" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what is newer goes over what the other pipeline said before", func(t *testing.T) {
		holds(t, "newer", map[string]string{"LastName": "New", "Phone": "333", "FirstName": "Bea"})
	})
	t.Run("the same version in both pipelines is no conflict", func(t *testing.T) {
		holds(t, "equal", map[string]string{"Phone": "333", "Email": "three@calls.example", "FirstName": "Cid"})
	})
	t.Run("what a person sends again does not go over what the other pipeline said since", func(t *testing.T) {
		say("calls", `{"id": "again", "v": 5, "last_name": "New", "phone": "555"}`)
		s.settle("calls", 5)
		letters := s.awaitLetters("names", 1)
		s.replay([]string{letters[0].ID})
		s.Eventually("the letter's record lands", func() bool { return s.balance("names").Landed == 4 })
		holds(t, "again", map[string]string{"LastName": "New", "Phone": "555", "FirstName": "Dee"})
	})
	t.Run("no phone ever went back", func(t *testing.T) {
		for _, r := range s.Sim.Records("Contact", false) {
			newest := ""
			for _, v := range r.Versions {
				if phone := v.Fields["Phone"]; phone < newest {
					t.Errorf("contact %s had the phone %s after %s", r.Fields["External_Id__c"], phone, newest)
				} else {
					newest = phone
				}
			}
		}
	})
}
