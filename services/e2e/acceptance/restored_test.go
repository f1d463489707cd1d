package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestALedgerRestoredToAnEarlierMoment: the ledger is put back to one earlier moment after the other while the world has gone on. Nobody tells the services;
// they find it out by what they told of each binding, wait until the jobs that the ledger has forgotten have ended, and send nothing twice that must not be.
func TestALedgerRestoredToAnEarlierMoment(t *testing.T) {
	t.Parallel()
	const id = "from: id, to: External_Id__c, type: string, required: true"
	s := newStack(t, byJobs, func(o *inprocess.Options) { o.Horizon, o.Patience = time.Hour, 3*time.Minute }, with(
		definition("leavers", "Contact", "delete", "externalId: External_Id__c", columnsOf(id), quick),
		definition("openings", "Account", "insert", "correlation: External_Id__c", columnsOf(id, "from: name, to: Name, type: string"), quick),
		definition("notes", "Account", "insert", "correlation: content", columnsOf("from: name, to: Name, type: string, required: true"), quick),
	))
	s.TakesRecords("leavers", "openings", "notes")
	w := &restoredWorld{stack: s}
	locked := append(keysOf("O-2", 0, 4), keysOf("L-2", 0, 4)...)
	s.failing(simtest.LockError, 1, locked...)

	for n := range 4 {
		for _, k := range keysOf(fmt.Sprintf("L-%d", n), 0, restoredRows) {
			s.publish("contacts", "evt-"+k, contact(k), false)
		}
	}
	w.contacts = 4 * restoredRows
	s.settle("contacts", int64(w.contacts))

	s.StopAll()
	before := s.DB.Snapshot(t)
	w.start()
	w.load(0)
	w.settle()

	s.Stop("submitter")
	w.load(1)
	w.sealed()
	s.StopAll()
	unbound := s.DB.Snapshot(t)
	w.start()
	w.settle()

	s.Stop("retrier")
	w.load(2)
	s.Eventually("rows that failed wait for their retry", func() bool {
		return s.balance("openings").Retrying == 4 && s.balance("leavers").Retrying == 4 && s.balance("notes").InFlight == 0 && s.balance("contacts").InFlight == 0
	})
	s.StopAll()
	waiting := s.DB.Snapshot(t)
	w.start()
	w.settle()

	s.Stop("poller")
	w.load(3)
	w.sealed()
	s.Eventually("the job of each lane is closed", func() bool { // contacts and leavers share theirs: one may wait for the other
		return s.number(`SELECT count(*) FROM submitter.submissions WHERE state = 'submitted' AND pipeline IN ('openings', 'notes')`) >= 2 &&
			s.number(`SELECT count(*) FROM submitter.submissions WHERE state <> 'submitted' AND ended_at IS NULL AND pipeline IN ('openings', 'notes')`) == 0 &&
			s.number(`SELECT count(*) FROM submitter.submissions WHERE state = 'submitted' AND pipeline IN ('contacts', 'leavers')`) >= 1
	})
	s.StopAll()
	closed := s.DB.Snapshot(t)
	w.start()
	w.settle()

	for _, moment := range []struct {
		name       string
		at         testkit.Snapshot
		unresolved int64 // what nobody can say of inserts that nothing names
	}{
		{"between the close and the outcome", closed, 0},
		{"between a failure and its resend", waiting, restoredRows},
		{"between the seal and the bind", unbound, 2 * restoredRows},
		{"before anything was sealed", before, 4 * restoredRows},
	} {
		t.Run(moment.name, func(t *testing.T) {
			s.StopAll()
			sent := len(s.closed())
			s.DB.Restore(t, moment.at)
			w.start()
			w.settle()
			// Of jobs that are bound in the ledger nothing was forgotten.
			if n := len(s.Log.Said(restoredSaid)); n == 0 && moment.unresolved > 0 {
				t.Error("the log does not say that the ledger was restored")
			}
			w.sentOnce(t)
			for _, p := range []string{"openings", "leavers"} {
				if b := s.balance(p); b.Landed != 4*restoredRows {
					t.Errorf("%s: %+v", p, b)
				}
			}
			if b := s.balance("contacts"); b.Landed != int64(w.contacts) {
				t.Errorf("contacts: %+v", b)
			}
			if b := s.balance("notes"); b.Unresolved != moment.unresolved || b.Landed != 4*restoredRows-moment.unresolved {
				t.Errorf("notes: %+v, want %d unresolved", b, moment.unresolved)
			}
			t.Logf("%d jobs were closed since", len(s.closed())-sent)
		})
	}
	t.Run("a healthy ledger finds nothing", func(t *testing.T) {
		before := len(s.Log.Said(restoredSaid))
		s.StopAll()
		w.start()
		for _, k := range keysOf("after", 0, 10) {
			s.publish("openings", "evt-"+k, fmt.Appendf(nil, `{"id":%q,"name":"N"}`, k), false)
		}
		if b := s.settle("openings", 4*restoredRows+10); b.Landed != 4*restoredRows+10 {
			t.Errorf("%+v", b)
		}
		if n := len(s.Log.Said(restoredSaid)); n != before {
			t.Error("the log says that the ledger was restored, and it was not")
		}
	})
}

// restoredSaid is what the submitter logs.
const restoredSaid = "the ledger was restored to an earlier moment: nothing of the pipeline is sent until the jobs that it has forgotten have ended"

// restoredRows is how many records of each pipeline come at a time.
const restoredRows = 20

// restoredWorld is what a restored ledger is held against: what was published, and what the org holds.
type restoredWorld struct {
	*stack

	loads    int
	contacts int
}

func (w *restoredWorld) start() {
	w.T.Helper()
	for _, name := range inprocess.Services() {
		w.Start(name)
	}
}

// load publishes records of every operation. While that lasts nobody reads, so that a lane gets one chunk of them however long it takes: a second one would
// wait for the end of the first.
func (w *restoredWorld) load(n int) {
	w.T.Helper()
	w.Stop("extractor")
	defer w.Start("extractor")
	for i := range restoredRows {
		key := func(prefix string) string { return fmt.Sprintf("%s-%d-%04d", prefix, n, i) }
		w.publish("openings", "evt-"+key("O"), fmt.Appendf(nil, `{"id":%q,"name":"opening"}`, key("O")), false)
		w.publish("notes", "evt-"+key("N"), fmt.Appendf(nil, `{"name":%q}`, key("note")), false)
		w.publish("leavers", "evt-"+key("L"), fmt.Appendf(nil, `{"id":%q}`, key("L")), false)
		w.publish("contacts", "evt-"+key("C"), contact(key("C")), false)
	}
	w.loads++
	w.contacts += restoredRows
}

// sealed waits until everything published is in a chunk.
func (w *restoredWorld) sealed() {
	w.T.Helper()
	w.Eventually("everything is sealed", func() bool {
		b := w.balance("")
		return b.Unread == 0 && b.Accepted == int64(3*restoredRows*w.loads+w.contacts)
	})
}

// settle waits until everything published is accounted for.
func (w *restoredWorld) settle() {
	w.T.Helper()
	w.sealed()
	w.Rest("", "what was published", func(b inprocess.Balance) bool { return b.Accepted == int64(3*restoredRows*w.loads+w.contacts) })
}

// sentOnce checks that the org holds each inserted row once, none that was deleted, and each that was upserted.
func (w *restoredWorld) sentOnce(t *testing.T) {
	t.Helper()
	openings, notes := map[string]int{}, map[string]int{}
	for _, r := range w.Sim.Records("Account", false) {
		if name := r.Fields["Name"]; strings.HasPrefix(name, "note-") {
			notes[name]++
		} else {
			openings[r.Fields["External_Id__c"]]++
		}
	}
	for what, rows := range map[string]map[string]int{"openings": openings, "notes": notes} {
		if len(rows) != restoredRows*w.loads {
			t.Errorf("the org holds %d %s, want %d", len(rows), what, restoredRows*w.loads)
		}
		for key, n := range rows {
			if n != 1 {
				t.Errorf("the org holds %s %d times", key, n)
			}
		}
	}
	kept := 0
	for _, r := range w.Sim.Records("Contact", false) {
		if key := r.Fields["External_Id__c"]; strings.HasPrefix(key, "L-") {
			t.Errorf("contact %s was deleted, and is there again", key)
		} else {
			kept++
		}
	}
	if kept != restoredRows*w.loads {
		t.Errorf("the org holds %d contacts, want %d", kept, restoredRows*w.loads)
	}
}

// TestALetterOfTheForgottenTimeDoesNothing: the letter stays on its stream when the ledger forgets why it was written. Its record is read and sent again;
// whoever has the letter replayed all the same sends nothing twice.
func TestALetterOfTheForgottenTimeDoesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, func(o *inprocess.Options) { o.Horizon = time.Hour })
	s.StopAll()
	before := s.DB.Snapshot(t)
	w := &restoredWorld{stack: s}
	w.start()
	s.failing(invalidEmail, 1, "D-0001")
	for _, k := range keysOf("D", 0, 5) {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	if b := s.settle("contacts", 5); b.Landed != 4 || b.Dead != 1 {
		t.Fatalf("%+v", b)
	}
	letters := s.awaitLetters("contacts", 1)
	s.StopAll()
	s.DB.Restore(t, before)
	w.start()
	if b := s.settle("contacts", 5); b.Landed != 5 || b.Dead != 0 {
		t.Errorf("%+v", b)
	}
	stale := s.awaitLetters("contacts", 1)
	if stale[0].ID != letters[0].ID {
		t.Errorf("the index has %+v, want the letter %s of before", stale, letters[0].ID)
	}
	sent := s.sendings()
	for _, order := range []string{"replay", "discard"} {
		var done struct{ Replayed, Discarded, Skipped int }
		s.Ask(http.MethodPost, "/v1/dead-letters:"+order, map[string]any{
			"ids": []string{stale[0].ID}, "reason": "it is old", "idempotency_key": order, "by": "a test",
		}, &done)
		if done.Replayed+done.Discarded != 0 || done.Skipped != 1 {
			t.Errorf("%s: %+v, want the letter skipped", order, done)
		}
	}
	s.publish("contacts", "evt-last", contact("last"), false)
	if b := s.settle("contacts", 6); b.Landed != 6 || b.Accepted != 6 {
		t.Errorf("%+v", b)
	}
	if n := s.sendings(); n != sent+1 {
		t.Errorf("%d sendings, want that of the record behind", n-sent)
	}
}

// TestADeleteByCallsOfTheForgottenTimeIsADeadLetter: nothing tells of calls of collections. An upsert is sent again and says the same; a row that was deleted
// is not there any more, and nothing says that it was this delete that took it.
func TestADeleteByCallsOfTheForgottenTimeIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(o *inprocess.Options) { o.Horizon = time.Hour }, with(
		definition("leavers", "Contact", "delete", "externalId: External_Id__c", columnsOf("from: id, to: External_Id__c, type: string, required: true"), quick)))
	s.TakesRecords("leavers")
	w := &restoredWorld{stack: s}
	leaver, kept := keysOf("L", 0, 5), keysOf("C", 0, 5)
	for _, k := range leaver {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	s.settle("contacts", 5)
	s.StopAll()
	before := s.DB.Snapshot(t)
	w.start()
	for i := range leaver {
		s.publish("leavers", "evt-"+leaver[i], fmt.Appendf(nil, `{"id":%q}`, leaver[i]), false)
		s.publish("contacts", "evt-"+kept[i], contact(kept[i]), false)
	}
	if b := s.settle("leavers", 5); b.Landed != 5 {
		t.Fatalf("%+v", b)
	}
	s.settle("contacts", 10)
	s.StopAll()
	s.DB.Restore(t, before)
	w.start()
	if b := s.settle("leavers", 5); b.Dead != 5 || b.Failed["reference"] == 0 {
		t.Errorf("%+v, want all five dead as references to nothing", b)
	}
	if b := s.settle("contacts", 10); b.Landed != 10 {
		t.Errorf("%+v", b)
	}
	if n := len(s.Sim.Records("Contact", false)); n != 5 {
		t.Errorf("the org holds %d contacts, want the five that nobody deleted", n)
	}
	if n := len(s.Log.Said(restoredSaid)); n != 0 {
		t.Error("something told of calls: say so in the guarantees")
	}
}

// TestAPipelineThatRecoversSaysSo: a binding that the ledger does not know stops its pipeline until it is certain that nothing of its job can land, and the
// status says why.
func TestAPipelineThatRecoversSaysSo(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	fact := bus.NewEnvelope("contacts", 1, &flowv1.JobBound{Chunk: uuid.NewString(), JobId: "750000000000999AAA", Org: "main", FromSeq: 1, ThroughSeq: 1})
	s.Must(bus.Publish(t.Context(), s.Conn, bus.FlowMessage(fact)))
	s.publish("contacts", "evt-R", contact("R-0001"), false)
	s.Eventually("the status names the recovery", func() bool {
		var status struct {
			OpenItems []struct{ Owner, Kind, Pipeline, State, Note string } `json:"open_items"`
		}
		s.Ask(http.MethodGet, "/v1/status", nil, &status)
		for _, i := range status.OpenItems {
			if i.Kind == "recovery" && i.Pipeline == "contacts" && i.Owner == "submitter" && i.State == "recovering" && strings.Contains(i.Note, "forgotten 1 jobs") {
				return true
			}
		}
		return false
	})
	if n := len(s.closed()); n != 0 {
		t.Errorf("%d jobs were closed meanwhile", n)
	}
	if b := s.settle("contacts", 1); b.Landed != 1 {
		t.Errorf("%+v", b)
	}
	if n := len(s.Log.Said("the recovery is done: the pipeline sends again")); n != 1 {
		t.Errorf("the log tells %d times that the recovery is done", n)
	}
}
