package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestEachServiceMayStop stops one service after the other while records come in, and starts it again: nothing is lost, nothing lands twice, and
// publishers notice nothing.
func TestEachServiceMayStop(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs) // without jobs nothing waits for the poller
	const wave = 100
	total := int64(0)
	published := map[string]bool{}
	publish := func(prefix string) {
		t.Helper()
		s.failing(noLastName, 0, prefix+"-0001") // dies
		s.failing(simtest.LockError, 1, prefix+"-0002", prefix+"x-0003")
		for _, k := range keysOf(prefix, 0, wave/2) {
			s.publish("contacts", "evt-"+k, contact(k), false)
			published[k] = true
		}
		// Two frames, so that more than one chunk may be on its way.
		for _, half := range []int{0, 1} {
			part := fmt.Sprintf("%s%c", prefix, 'x'+half)
			s.publish("contacts", "", frame(part, wave/4), true)
			for _, k := range keysOf(part, 0, wave/4) {
				published[k] = true
			}
		}
		total += wave
	}
	deaths := int64(0)
	for _, name := range inprocess.Services() {
		t.Run(name+" stops and comes back", func(t *testing.T) {
			publish(strings.ToUpper(name[:3]) + "a") // something is on its way when it stops
			s.Stop(name)
			publish(strings.ToUpper(name[:3]) + "b")
			deaths += 2
			s.stuck(t, name, total)
			s.Start(name)
			b := s.settle("contacts", total)
			if b.Dead != deaths || b.Landed != total-deaths || b.Repeats != 0 {
				t.Errorf("%+v, want %d dead", b, deaths)
			}
		})
	}
	t.Run("all stop at once, and new instances go on from what PostgreSQL and NATS hold", func(t *testing.T) {
		publish("ALLa")
		for _, name := range inprocess.Services() {
			s.Stop(name)
		}
		publish("ALLb")
		deaths += 2
		for _, name := range inprocess.Services() {
			s.Start(name)
		}
		if b := s.settle("contacts", total); b.Dead != deaths || b.Landed != total-deaths || b.Repeats != 0 {
			t.Errorf("%+v, want %d dead", b, deaths)
		}
	})
	t.Run("status shows the extractor's checkpoint at the last message, and the reconciler behind the last chunk", func(t *testing.T) {
		info, err := bus.Info(t.Context(), s.Conn, bus.RecordsStream("contacts"))
		if err != nil {
			t.Fatal(err)
		}
		var status struct {
			Pipelines []struct {
				Name        string
				Checkpoints []struct {
					Lane int
					Seq  uint64
				}
				Reconciled int64     `json:"reconciled_chunks"`
				At         time.Time `json:"reconciled_at"`
				Open       int       `json:"open_chunks"`
			}
		}
		s.Ask(http.MethodGet, "/v1/status", nil, &status)
		for _, p := range status.Pipelines {
			if p.Name != "contacts" {
				continue
			}
			if len(p.Checkpoints) == 0 {
				t.Error("status shows no checkpoint")
			}
			for _, c := range p.Checkpoints {
				if c.Seq != info.Last {
					t.Errorf("lane %d stands at %d of %d", c.Lane, c.Seq, info.Last)
				}
			}
			sealed := s.number(`SELECT (SELECT count(*) FROM extractor_pub.chunks WHERE pipeline = 'contacts') + (SELECT count(*) FROM retrier_pub.chunks WHERE pipeline = 'contacts')`)
			if p.Open != 0 || p.Reconciled != sealed || p.At.IsZero() {
				t.Errorf("%d chunks are reconciled, the last at %s, and %d open; %d were sealed", p.Reconciled, p.At, p.Open, sealed)
			}
		}
		if n := s.number(`SELECT count(*) FROM extractor_pub.records WHERE pipeline = 'contacts' AND generation = 0`); n != total {
			t.Errorf("%d records in the ledger, %d published", n, total)
		}
	})
	t.Run("the org has every record that did not die, written once", func(t *testing.T) {
		rows := s.Sim.Records("Contact", true)
		if int64(len(rows)) != total-deaths {
			t.Errorf("%d rows, want %d", len(rows), total-deaths)
		}
		for _, r := range rows {
			if key := r.Fields["External_Id__c"]; !published[key] || len(r.Versions) != 1 {
				t.Errorf("%s has %d versions", key, len(r.Versions))
			}
		}
	})
}

// stuck waits until the work that only the stopped service can do waits for it, and nothing else moves.
func (s *stack) stuck(t *testing.T, name string, total int64) {
	t.Helper()
	waits := map[string]func() bool{
		"extractor":  func() bool { return s.balance("contacts").Unread > 0 },
		"submitter":  func() bool { return s.open("submitter") },
		"poller":     func() bool { return s.open("poller") },
		"reconciler": func() bool { return s.open("reconciler") },
		"retrier":    func() bool { return s.balance("contacts").Retrying > 0 },
		"ops": func() bool {
			return s.number(`SELECT count(*) FROM extractor_pub.records WHERE pipeline = 'contacts'`) == total
		},
	}
	what := "work waits for the " + name
	if name == "ops" {
		what = "records go on without ops"
	}
	s.Eventually(what, waits[name])
}

// open says whether status names this service as the one that must move something.
func (s *stack) open(owner string) bool {
	var status struct {
		OpenItems []struct{ Owner string } `json:"open_items"`
	}
	s.Ask(http.MethodGet, "/v1/status", nil, &status)
	for _, i := range status.OpenItems {
		if i.Owner == owner {
			return true
		}
	}
	return false
}
