//go:build upgrade

package upgrade

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
	"bulkhead/services/orgsim/simtest"
)

// TestHalfOfTheServicesAreOfTheReleaseBefore: programs of the release before fill a ledger, and die while a job runs, letters stand and retries wait. The
// schemas are migrated, and from then on half of the services are of that release and half of this one, then the other way round, one service changed after
// the other under load, and at last all of this one; of the submitter both builds work side by side all the time. Rows fail, are sent again, and letters are
// replayed. Counts are exact, and no row lands in two closed jobs.
//
// It shows what may stand beside what for one pair of builds. Where a release says that some services have to go before others (those who read before those
// who write), halves against that order are no upgrade that anybody may make; the pair that from.txt names has no such order.
func TestHalfOfTheServicesAreOfTheReleaseBefore(t *testing.T) {
	revision := releaseBefore(t)
	before, now := buildBefore(t, revision), build(t, testkit.Root(t))
	w := newWorld(t)
	running := map[string]*instance{}
	all := func(b binaries) {
		for _, service := range pg.Services {
			running[service] = w.start(b, service)
		}
	}

	w.migrate(before)
	all(before)
	w.takesRecords()
	w.sim.Set(map[string]any{"rows_per_second": 200})
	w.load()
	w.eventually("a job runs, and something has failed", func() (bool, error) {
		b, err := w.balanceOf("contacts")
		return b.Balance.Dead > 0 && b.Balance.InFlight > 0, err
	})
	w.load()
	w.killAll()
	w.migrate(now)

	halves := [][]string{{"extractor", "poller", "retrier"}, {"submitter", "reconciler", "ops"}}
	buildOf := func(old []string, service string) binaries {
		if slices.Contains(old, service) {
			return before
		}
		return now
	}
	other := func(b binaries) binaries {
		if b == before {
			return now
		}
		return before
	}
	old := halves[0]
	for _, service := range pg.Services {
		running[service] = w.start(buildOf(old, service), service)
	}
	beside := w.start(other(buildOf(old, "submitter")), "submitter")
	w.replayOne()
	w.load()
	w.sim.Set(map[string]any{"rows_per_second": 0})
	w.check("the first half is of the release before")

	w.sim.Set(map[string]any{"rows_per_second": 200})
	w.load()
	for _, service := range pg.Services { // one after the other, while records flow
		w.stop(running[service])
		running[service] = w.start(buildOf(halves[1], service), service)
	}
	w.stop(beside)
	beside = w.start(other(buildOf(halves[1], "submitter")), "submitter")
	w.load()
	w.replayOne()
	w.sim.Set(map[string]any{"rows_per_second": 0})
	w.check("the second half is of the release before")

	w.load()
	for _, service := range halves[1] {
		w.stop(running[service])
		running[service] = w.start(now, service)
	}
	w.stop(beside)
	w.replayOne()
	w.load()
	w.check("all are of this release")
	for _, service := range pg.Services {
		w.stop(running[service])
	}
}

const perLoad = 200 // contacts; and half as many accounts

// load publishes records, some of which meet a lock once and some of which are refused until their letters are replayed.
func (w *world) load() {
	w.Helper()
	w.loads++
	var contacts, accounts []bus.Message
	var locked, dead []string
	for i := range perLoad {
		key := fmt.Sprintf("u%02d-%04d", w.loads, i)
		w.keys = append(w.keys, key)
		switch i % 20 {
		case 4:
			dead = append(dead, key)
			w.dead[key] = true
		case 9:
			locked = append(locked, key)
		}
		contacts = append(contacts, bus.Message{
			Subject: "records.contacts", MsgID: "evt-" + key, Body: fmt.Appendf(nil, `{"id":%q,"first_name":"F","last_name":"L of %s"}`, key, key),
		})
		if i%2 == 0 {
			accounts = append(accounts, bus.Message{Subject: "records.accounts", MsgID: "evt-a" + key, Body: fmt.Appendf(nil, `{"id":"a%s","name":"N"}`, key)})
		}
	}
	w.sim.AddFault(simtest.Fault{Where: &simtest.Where{Keys: locked}, TimesPerKey: 1, Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError}})
	w.faults = append(w.faults, w.sim.AddFault(simtest.Fault{
		Where: &simtest.Where{Keys: dead}, Effect: simtest.Effect{Kind: simtest.RowError, Error: "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"},
	}))
	w.must(bus.PublishBatch(w.Context(), w.conn, contacts))
	w.must(bus.PublishBatch(w.Context(), w.conn, accounts))
}

// takesRecords waits until ops has made the streams.
func (w *world) takesRecords() {
	w.Helper()
	w.eventually("the streams are there", func() (bool, error) {
		for _, name := range []string{"accounts", "contacts"} {
			if _, err := bus.Info(w.Context(), w.conn, bus.RecordsStream(name)); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// replayOne orders the letters of the oldest load that has any to be sent again, after their cause has gone: not before all of them are there, for a row that
// is still on its way then has no cause any more.
func (w *world) replayOne() {
	w.Helper()
	fault := w.faults[0]
	w.faults = w.faults[1:]
	replayed := w.loads - len(w.faults) // the number of the load
	var ids []string
	want := perLoad / 20
	w.eventually("the letters of the load are indexed", func() (bool, error) {
		var page struct {
			Letters []struct{ ID, Key string } `json:"dead_letters"`
		}
		if err := w.ask(http.MethodGet, "/v1/dead-letters?pipeline=contacts&page_size=500", nil, &page); err != nil {
			return false, err
		}
		ids = nil
		for _, l := range page.Letters {
			if l.Key[:7] == fmt.Sprintf("evt-u%02d", replayed) {
				ids = append(ids, l.ID)
			}
		}
		return len(ids) == want, fmt.Errorf("%d of %d letters", len(ids), want)
	})
	w.sim.ClearFaults(fault)
	var done struct{ Replayed int }
	order := map[string]any{"ids": ids, "reason": "the cause is gone", "idempotency_key": fmt.Sprint("replay-", replayed), "by": "upgrade"}
	w.must(w.ask(http.MethodPost, "/v1/dead-letters:replay", order, &done))
	if done.Replayed != want {
		w.Errorf("%d of %d letters are replayed", done.Replayed, want)
	}
	for key := range w.dead {
		if key[:3] == fmt.Sprintf("u%02d", replayed) {
			delete(w.dead, key)
		}
	}
}

// check waits until everything has come to rest, and compares it with the org.
func (w *world) check(when string) {
	w.Helper()
	n, dead := int64(len(w.keys)), int64(len(w.dead))
	if b := w.settled("contacts", n); b.Accepted != n || b.Landed != n-dead || b.Dead != dead {
		w.Errorf("%s: %+v, want %d landed and %d dead", when, b, n-dead, dead)
	}
	if b := w.settled("accounts", n/2); b.Accepted != n/2 || b.Landed != n/2 {
		w.Errorf("%s: %+v, want %d landed", when, b, n/2)
	}
	held := map[string]int{}
	for _, r := range w.sim.Records("Contact", false) {
		held[r.Fields["External_Id__c"]]++
	}
	for _, key := range w.keys {
		want := 1
		if w.dead[key] {
			want = 0
		}
		if held[key] != want {
			w.Errorf("%s: the org holds %s %d times, want %d", when, key, held[key], want)
		}
	}
	if rows := len(w.sim.Records("Account", false)); int64(rows) != n/2 {
		w.Errorf("%s: the org holds %d accounts, want %d", when, rows, n/2)
	}
	landed := map[string]int{}
	for _, j := range w.sim.Jobs() {
		if !j.Closed {
			continue
		}
		for _, r := range w.sim.Rows(j.ID) {
			if r.Outcome == "created" || r.Outcome == "updated" {
				landed[r.Key]++
			}
		}
	}
	for key, times := range landed {
		if times > 1 {
			w.Errorf("%s: %s landed in %d closed jobs", when, key, times)
		}
	}
	if len(landed) == 0 {
		w.Errorf("%s: no job was closed", when)
	}
}
