package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// TestWhateverOrgsDoOnOpenQuestions: where nobody outside Salesforce knows what an org does, every plausible answer must leave records landed once or dead with
// their reason. Each position of each switch of the simulator gets rows that land, rows that meet a lock, rows that are refused, and a close whose reply is lost.
func TestWhateverOrgsDoOnOpenQuestions(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	res, err := http.Get(s.Sim.ControlURL() + "switches")
	s.Must(err)
	defer res.Body.Close()
	var list []struct {
		Name      simtest.Switch
		Positions []struct{ Position simtest.Position }
		Position  simtest.Position
	}
	s.Must(json.NewDecoder(res.Body).Decode(&list))
	if len(list) == 0 {
		t.Fatal("there is no switch")
	}
	total, landed, round := int64(0), int64(0), 0
	for _, sw := range list {
		for _, p := range sw.Positions {
			if p.Position == sw.Position {
				continue // the others are tried beside every default
			}
			round++
			t.Run(fmt.Sprintf("%s is %s", sw.Name, p.Position), func(t *testing.T) {
				s.Sim.Move(sw.Name, p.Position)
				defer s.Sim.Move(sw.Name, sw.Position)
				prefix := fmt.Sprintf("S%02d", round)
				const n, refused, locked = 40, 3, 4
				s.failing(noLastName, 0, keysOf(prefix, 0, refused)...)
				s.failing(simtest.LockError, 1, keysOf(prefix, 10, 10+locked)...)
				s.Sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
				s.publish("contacts", prefix, frame(prefix, n), true)
				total, landed = total+n, landed+n-refused
				if b := s.settle("contacts", total); b.Landed != landed || b.Landed+b.Dead != total {
					t.Errorf("%+v, want %d landed of %d", b, landed, total)
				}
			})
		}
	}
	t.Run("no row landed twice, and none was lost", func(t *testing.T) {
		if rows := s.Sim.Counts()["Contact"].Rows; int64(rows) != landed {
			t.Errorf("%d rows in the org, want %d", rows, landed)
		}
		for _, r := range s.Sim.Records("Contact", true) {
			if len(r.Versions) != 1 {
				t.Errorf("%s was written %d times", r.Fields["External_Id__c"], len(r.Versions))
			}
		}
	})
}
