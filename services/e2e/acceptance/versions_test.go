package acceptance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// TestAnySequenceEndsInTheNewest: whatever versions of an entity come, in whatever order, however often, however often their rows fail, the org ends
// in the newest value of each field.
func TestAnySequenceEndsInTheNewest(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	seed := rand.Uint64()
	if text := os.Getenv("BULKHEAD_ACCEPTANCE_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		s.Must(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	const entities, waves = 60, 4
	columns := []struct{ name, column string }{{"first_name", "FirstName"}, {"email", "Email"}, {"phone", "Phone"}, {"loyalty_number", "Loyalty_Number__c"}}
	want := map[string]map[string]string{}
	type event struct {
		key  string
		body []byte
	}
	var old []event
	accepted, repeats := int64(0), int64(0)
	s.Sim.AddFault(simtest.Fault{
		Match: simtest.Match{Fraction: 0.3, Seed: int64(seed >> 1)}, TimesPerKey: 2, Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError},
	})
	for range waves {
		for range entities {
			id := fmt.Sprintf("E-%03d", rnd.IntN(entities))
			// The case of an external id does not count, for Salesforce and so for us.
			entity := id
			if rnd.IntN(3) == 0 {
				entity = strings.ToLower(id)
			}
			// Without a last name the org takes no contact, and any of the versions may be the first to land.
			last := fmt.Sprintf("la %s.%d", id, accepted)
			record := map[string]any{"id": entity, "last_name": last}
			if want[id] == nil {
				want[id] = map[string]string{}
			}
			want[id]["LastName"] = last
			for _, c := range columns {
				switch rnd.IntN(4) {
				case 0:
					value := fmt.Sprintf("%s-%s-%d@v.example", c.name[:2], strings.ToLower(id), accepted)
					record[c.name], want[id][c.column] = value, value
				case 1:
					record[c.name], want[id][c.column] = nil, ""
				}
			}
			body, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			e := event{key: fmt.Sprintf("v-%d", accepted), body: body}
			s.publish("contacts", e.key, e.body, false)
			accepted++
			old = append(old, e)
		}
		// An older version that comes again must change nothing.
		s.Eventually("the wave is accepted", func() bool { return s.balance("contacts").Accepted == accepted })
		for range 15 {
			e := old[rnd.IntN(len(old)-entities/2)]
			if s.publish("contacts", e.key, e.body, false) {
				repeats++
			}
		}
	}
	b := s.settle("contacts", accepted)
	s.Eventually("every repeat is read", func() bool { b = s.balance("contacts"); return b.Repeats == repeats })
	if b.Landed+b.Superseded != accepted {
		t.Errorf("%+v", b)
	}
	got := map[string]map[string]string{}
	for _, r := range s.Sim.Records("Contact", false) {
		got[strings.ToUpper(r.Fields["External_Id__c"])] = r.Fields
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for id, fields := range want {
		for column, value := range fields {
			if got[id][column] != value {
				t.Errorf("%s: %s is %q, want %q", id, column, got[id][column], value)
			}
		}
	}
}
