package submit

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

func TestAFreshChunkThatIsAskedAboutKeepsItsPlaceInTheLane(t *testing.T) {
	b := newBench(t)
	b.seedContacts(3)
	sealFresh := func(number string) sealed {
		return b.sealAs(updates, accounts, record.ChunkFresh, 0, oneRow(1, number, "New", "1"))
	}
	first, second := sealFresh("L-0"), sealFresh("L-1")
	b.note(second) // the fact of the first one is late
	r := NewRunner(b.config)
	b.turns(r, 5)
	if got := b.stage(second); got != StageClaimed || b.holder1(updates.space) != uuid.Nil {
		t.Fatalf("the second chunk is %s and the lane held by %v, want it to wait for the first", got, b.holder1(updates.space))
	}
	b.note(first)
	b.untilSubmitted(r, first)
	if n := b.turns(r, 5); n != 0 {
		t.Errorf("the second chunk was claimed %d times although nothing of it can go on", n)
	}
	resend := b.sealAs(updates, accounts, record.ChunkResend, 0, oneRow(2, "L-2", "New", "1"))
	b.note(resend)
	b.outcome(first, "l")
	b.end(first)
	b.setHook(func(what string) {
		if what == "before lookup" && b.holder1(updates.space) != resend.id {
			t.Error("a fresh chunk goes before one that is sent again")
		}
	})
	b.untilSubmitted(r, resend)
	b.outcome(resend, "l")
	b.end(resend)

	// What is to be sent again and comes once the lane is held waits: neither waits for the other.
	late := b.sealAs(updates, accounts, record.ChunkResend, 0, oneRow(2, "L-2", "New", "1"))
	b.setHook(func(what string) {
		if what == "after upload" {
			b.setHook(nil)
			b.note(late)
		}
	})
	b.untilSubmitted(r, second)
	b.turns(r, 3)
	if got := b.stage(late); got != StageClaimed {
		t.Errorf("the late resend is %s, want claimed", got)
	}
	b.outcome(second, "l")
	b.end(second)
	b.untilSubmitted(r, late)
}

func TestAPausedChunkThatWasAskedAboutGivesItsLaneBackAndIsAskedAboutAnew(t *testing.T) {
	b := newBench(t)
	b.seedContacts(2)
	r := NewRunner(b.config)
	notes := &Notes{Store: b.store, Logger: testLogger(t), Lease: time.Hour, Wake: func() {}, DefinitionChanged: func() {}}
	c := b.sealAs(updatesMail, accounts, record.ChunkFresh, 0, oneRow(1, "c0@b.example", "New"), oneRow(2, "new@b.example", "New"))
	b.note(c)
	pause := uuid.New()
	b.setHook(func(what string) {
		if what == "after upload" {
			b.setHook(nil)
			b.exec(`INSERT INTO ops.pauses (id, pipeline, class, code, message) VALUES ($1, 'accounts', 'quota', 'X', 'why')`, pause)
		}
	})
	b.turns(r, 3)
	theirs := b.sealAs(updatesMail, "partners", record.ChunkFresh, 0, oneRow(1, "c1@b.example", "Theirs"))
	b.note(theirs)
	if _, err := notes.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](b, `SELECT (SELECT count(*) FROM submitter.resolutions) + (SELECT count(*) FROM submitter.unsent)`); n != 0 || b.stage(c) != StageClaimed {
		t.Fatalf("the chunk is %s and %d answers of the org are kept without the lane, want claimed and none", b.stage(c), n)
	}
	b.untilSubmitted(r, theirs)
	b.landed(theirs)
	b.outcome(theirs, "l")
	b.end(theirs)
	b.sim.Seed("Contact", map[string]string{"LastName": "Arrived", "Loyalty_Number__c": "L-7", "Email": "new@b.example"})
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) VALUES ($1, 'someone', 'repaired')`, pause)
	b.untilSubmitted(r, c)
	if got := strings.Count(b.uploaded(c), "\n"); got != 3 || len(b.unsent(c)) != 0 {
		t.Errorf("uploaded %q with %v unsent, want both rows: one came meanwhile", b.uploaded(c), b.unsent(c))
	}
}

func TestLookUpsThatFail(t *testing.T) {
	t.Run("what passes is tried again, with the lane held and nothing sent", func(t *testing.T) {
		b := newBench(t)
		b.seedContacts(1)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Query}, Times: simtest.Times(5), Effect: simtest.Effect{Kind: simtest.Status, Status: 503, Code: "SERVER_UNAVAILABLE"}})
		c := b.sealAs(updates, accounts, record.ChunkFresh, 0, oneRow(1, "L-0", "New", "1"))
		b.note(c)
		r := NewRunner(b.config)
		b.turns(r, 1)
		if b.stage(c) != StageClaimed || b.holder1(updates.space) != c.id || !strings.Contains(b.text(c, "last_error"), "SERVER_UNAVAILABLE") {
			t.Fatalf("the chunk is %s, the lane held by %v, the error %q", b.stage(c), b.holder1(updates.space), b.text(c, "last_error"))
		}
		b.untilSubmitted(r, c)
		if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 0 {
			t.Errorf("%d pauses, want none: the fault passes", n)
		}
	})
	t.Run("a query that is refused for good pauses the pipeline once, and it goes on when that is lifted", func(t *testing.T) {
		b := newBench(t)
		b.seedContacts(1)
		fault := b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Query}, Times: simtest.Times(0), Effect: simtest.Effect{
			Kind: simtest.Status, Status: http.StatusBadRequest, Code: "INVALID_FIELD", Message: "No such column 'Loyalty_Number__c' on entity 'Contact'",
		}})
		c := b.sealAs(updates, accounts, record.ChunkFresh, 0, oneRow(1, "L-0", "New", "1"))
		b.note(c)
		r := NewRunner(b.config)
		b.turns(r, 3)
		if got := ask[string](b, `SELECT class || ' ' || code FROM submitter.pauses`); got != "permission INVALID_FIELD" || len(b.sim.Jobs()) != 0 {
			t.Errorf("paused for %q with %d jobs made", got, len(b.sim.Jobs()))
		}
		b.sim.ClearFaults(fault)
		b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'someone', 'repaired' FROM submitter.pauses`)
		b.untilSubmitted(r, c)
	})
	t.Run("a field that is not there pauses the pipeline", func(t *testing.T) {
		b := newBench(t)
		s := updates
		s.key, s.space, s.header = "Gone__c", "main/Contact/Gone__c", []string{"Gone__c", "LastName"}
		c := b.sealAs(s, accounts, record.ChunkFresh, 0, oneRow(1, "L-0", "New"))
		b.note(c)
		b.turns(NewRunner(b.config), 3)
		if got := ask[string](b, `SELECT message FROM submitter.pauses`); !strings.Contains(got, "no field Gone__c") {
			t.Errorf("paused because %q", got)
		}
	})
}

// sentOnce checks what must hold when chunks whose rows are named by another field were handed over, whatever happened before: for each one job was
// closed, the one that the ledger says, which was announced before, with the ids of its rows.
func (b *bench) sentOnce(want map[string]sealed) {
	b.t.Helper()
	closed := map[string]string{}
	for _, j := range b.closedJobs() {
		upload := string(b.sim.UploadOf(j.ID))
		if _, known := want[upload]; !known || closed[upload] != "" {
			b.t.Errorf("job %s, with %q, was closed besides %q", j.ID, upload, closed[upload])
		}
		closed[upload] = j.ID
	}
	for upload, c := range want {
		if job := b.text(c, "job_id"); closed[upload] != job || !b.announced(c.id, job) {
			b.t.Errorf("for %q job %q was closed, the ledger says %s, announced: %v", upload, closed[upload], job, b.announced(c.id, job))
		}
		if n := len(b.unsent(c)); n != 1 {
			b.t.Errorf("%q: %d rows are unsent, want 1", upload, n)
		}
	}
}

// A worker that asks the org dies, or is taken over, at every place there is.
func TestAChunkThatIsAskedAboutSurvivesCrashesAndTakeovers(t *testing.T) {
	const most = 200
	for _, takeover := range []bool{false, true} {
		for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
			b := newBench(t)
			ids := b.seedContacts(most)
			places, sent := most, map[string]sealed{}
			for n := 1; n <= places; n += stride(t) {
				number := fmt.Sprintf("L-%d", n-1)
				c := b.sealAs(updates, accounts, kind, n, oneRow(1, number, kind, fmt.Sprint(n)), oneRow(2, "nobody's", "x", ""))
				b.note(c)
				first := NewRunner(b.config)
				works, err := first.Claim(t.Context(), 1)
				if err != nil || len(works) != 1 {
					t.Fatal(works, err)
				}
				second := b.config
				second.Owner = "two"
				ctx, cancel := context.WithCancel(t.Context())
				stop := &interrupter{n: n, do: func() {
					if !takeover {
						cancel()
						return
					}
					b.setHook(nil)
					b.takeOver(NewRunner(second), c)
				}}
				b.setHook(stop.at)
				first.Drive(ctx, works[0])
				b.setHook(nil)
				cancel()
				if stop.seen < n {
					places = n // every place was tried
				}
				b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
				b.untilSubmitted(NewRunner(second), c)
				sent[csvWith([]string{"Id", "LastName", "Phone"}, []string{ids[number], kind, fmt.Sprint(n)})] = c
			}
			b.sentOnce(sent)
			if places == most {
				t.Errorf("%s: more than %d places, not all were tried", kind, most)
			}
			t.Logf("%s, takeover %v: tried %d places", kind, takeover, len(sent))
		}
	}
}

func TestIDsAreFoundByTheRulesOfTheSpace(t *testing.T) {
	found := func(pairs ...string) []salesforce.Found {
		var out []salesforce.Found
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, salesforce.Found{Value: pairs[i], ID: pairs[i+1]})
		}
		return out
	}
	for _, tt := range []struct {
		name, space string
		values      []string
		found       []salesforce.Found
		want        map[string][]string
	}{
		{"case does not count", "o/C/F", []string{"Abc"}, found("aBC", "1", "abC", "2"), map[string][]string{"abc": {"1", "2"}}},
		{"case counts in an exact space", "o/C/F:exact", []string{"Abc", "abc"}, found("Abc", "1", "abc", "2"), map[string][]string{"Abc": {"1"}, "abc": {"2"}}},
		{"numbers are written anew by the org", "o/C/F", []string{"007", "1.50"}, found("7.0", "1", "1.5E0", "2"), map[string][]string{"007": {"1"}, "1.50": {"2"}}},
		{"numbers of text fields are texts", "o/C/F", []string{"007", "7"}, found("007", "1", "7", "2"), map[string][]string{"007": {"1"}, "7": {"2"}}},
		{"long numbers that differ in the last digit differ", "o/C/F", []string{"123456789012345678"}, found("123456789012345679", "1"), map[string][]string{}},
		{"a row that nobody asked for is nobody's", "o/C/F", []string{"a"}, found("b", "1"), map[string][]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := idsOf(tt.space, tt.values, tt.found); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRowsThatDoNotFitTheUploadWithTheirIDsComeBack(t *testing.T) {
	t.Parallel()
	d := decision{
		turn:  &turn{chunk: &store.Chunk{Object: "Contact", Operation: "update", KeyField: "Email"}},
		bytes: salesforce.MaxUploadBytes - 10,
	}
	if u := d.unsent(asking{row: 3, value: "a", size: 10}, []string{"003000000000001AAA"}); u != nil {
		t.Errorf("a row that fits is not sent: %+v", u)
	}
	u := d.unsent(asking{row: 3, value: "a", size: 11}, []string{"003000000000001AAA"})
	if u == nil || u.Row != 3 || u.Class != record.ClassTransient || u.Code != codeNoRoom {
		t.Errorf("got %+v", u)
	}
	if u := d.unsent(asking{value: strings.Repeat("é", 5000)}, nil); u == nil || len(u.Message) > maxUnsentText {
		t.Errorf("the message of a long value is not cut: %d bytes", len(u.Message))
	}
	if !slices.Equal([]string{anyID}, []string{strings.Repeat("0", store.IDLength)}) {
		t.Errorf("an id takes %d bytes, %q has %d", store.IDLength, anyID, len(anyID))
	}
}
