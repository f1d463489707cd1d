package submit

import (
	"strings"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

func csvOf(rows ...[]string) string {
	out := rowfile.AppendRow(nil, testHeader)
	for _, r := range rows {
		out = rowfile.AppendRow(out, r)
	}
	return string(out)
}

func TestAResendLeavesOutWhatNewerVersionsCover(t *testing.T) {
	b := newBench(t)
	// Entity e1: the newer version names all; e2: it names the phone; e3: there is none; e4: a newer version that was refused before
	// Salesforce (no chunk); e5: another spelling of the same entity, for Salesforce and for us.
	old := []row{
		oneRow(1, "e1", "old", "111"), oneRow(2, "e2", "old", "111"), oneRow(3, "e3", "old", "111"), oneRow(4, "e4", "old", "111"), oneRow(5, "e5", "old", "111"),
	}
	newer := b.seal(record.ChunkFresh, 0, oneRow(11, "e1", "new", "222"), oneRow(12, "e2", "", "222"), oneRow(15, "E5", "new", "222"))
	b.accept(newer.id, oneRow(11, "e1", "new", "222"), oneRow(12, "e2", "", "222"), oneRow(15, "E5", "new", "222"))
	b.outcome(newer, "lll")
	b.accept(uuid.New(), oneRow(14, "e4", "bad", "bad"))
	b.exec(`UPDATE extractor.records SET chunk = NULL, row = NULL WHERE seq = 14`)
	resend := b.seal(record.ChunkResend, 0, old...)
	b.accept(resend.id, old...)
	b.note(resend)
	b.untilSubmitted(NewRunner(b.config), resend)

	want := csvOf([]string{"e2", "old", ""}, []string{"e3", "old", "111"}, []string{"e4", "old", "111"})
	if got := string(b.sim.UploadOf(b.text(resend, "job_id"))); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	if n := ask[int](b, `SELECT upload_rows FROM submitter.submissions WHERE chunk = $1`, resend.id); n != 3 {
		t.Errorf("upload_rows is %d, want 3", n)
	}
	for at, seq := range map[int]int64{0: 11, 4: 15} {
		if got := ask[int64](b, `SELECT successor_seq FROM submitter_pub.superseded WHERE chunk = $1 AND row = $2 AND run = 'run-1'`, resend.id, at); got != seq {
			t.Errorf("row %d names the record at %d as successor, want %d", at, got, seq)
		}
	}
	if got := ask[[]byte](b, `SELECT columns FROM submitter_pub.reduced WHERE chunk = $1 AND row = 1`, resend.id); !record.Bitmap(got).Equal(columns(2)) {
		t.Errorf("row 1 is reduced by columns %v, want the phone", record.Bitmap(got).Ordinals())
	}
	if n := ask[int](b, `SELECT (SELECT count(*) FROM submitter.superseded) + (SELECT count(*) FROM submitter.reduced)`); n != 3 {
		t.Errorf("%d rows say what was left out, want 3", n)
	}
}

func TestAResendThatIsCoveredWhollySendsNothing(t *testing.T) {
	b := newBench(t)
	old := []row{oneRow(1, "e1", "old", "111"), oneRow(2, "e2", "old", "")}
	newRows := []row{oneRow(11, "e1", "new", "222"), oneRow(12, "e2", "new", "")}
	fresh := b.seal(record.ChunkFresh, 0, newRows...)
	b.accept(fresh.id, newRows...)
	resend := b.seal(record.ChunkResend, 0, old...)
	b.note(resend)
	r := NewRunner(b.config)
	b.turns(r, 5)
	if got := b.stage(resend); got != StageNothingSent {
		t.Fatalf("the resend is %s, want nothing_sent", got)
	}
	if n := len(b.sim.Jobs()); n != 0 {
		t.Errorf("%d jobs were created, want none", n)
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.outbox WHERE subject = 'flow.accounts.chunk_answered'`); n != 1 {
		t.Errorf("chunk_answered stands %d times in the outbox, want once", n)
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.superseded WHERE chunk = $1`, resend.id); n != 2 {
		t.Errorf("%d superseded records, want 2", n)
	}
	if got := b.holder(0); got.UUID != resend.id {
		t.Errorf("the lane is held by %v, want the resend until its outcome is there", got)
	}
	b.outcome(resend, "ss")
	b.end(resend)
	if got := b.stage(resend); got != StageNothingSent {
		t.Errorf("after the outcome the resend is %s, want nothing_sent", got)
	}
	b.note(fresh)
	b.untilSubmitted(r, fresh)
}

func TestOfNewerVersionsThatSayTheSameOnlyTheLastIsTold(t *testing.T) {
	b := newBench(t)
	own := oneRow(5, "e", "own", "")
	chunk := uuid.New()
	for seq := uint64(2); seq <= 40; seq += 2 {
		b.accept(chunk, oneRow(seq, "e", "name", ""))
	}
	b.accept(chunk, oneRow(7, "e", "", "555"), own)
	newer, err := b.store.Newer(t.Context(), accounts, []store.Asked{{
		Row: 3, Entity: record.HashEntity(testSpace, "e"), Own: []store.Order{placed(5, 0), placed(40, 0)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[uint64]bool{}
	for _, n := range newer {
		got[n.Order.At.Seq] = n.Row == 3
	}
	if len(newer) != 2 || !got[38] || !got[7] {
		t.Errorf("told %v, want the last of each kind that is none of the row's own: 38 and 7", newer)
	}
}

// A newer version that is dead may never be sent: were the older one left out for it, what both said would be lost.
func TestADeadNewerVersionCoversNothing(t *testing.T) {
	for _, tt := range []struct {
		name, letter string
		sends        bool
	}{
		{"its letter has not arrived at ops", "", true},
		{"its letter waits for a person", "open", true},
		{"its letter was discarded", "discarded", true},
		{"it was ordered to be sent again", "replaying", false},
		{"it landed when it was sent again", "landed", false},
	} {
		for _, decider := range []string{"reconciler", "retrier"} {
			t.Run(tt.name+", decided by the "+decider, func(t *testing.T) {
				b := newBench(t)
				v1, v2 := oneRow(1, "e", "old", "111"), oneRow(2, "e", "new", "222")
				fresh := b.seal(record.ChunkFresh, 0, v2)
				b.accept(fresh.id, v2)
				b.outcome(fresh, "f")
				letter, key := uuid.New(), uuid.UUID(v2.records[0].KeyHash)
				if decider == "reconciler" {
					b.insert("reconciler", "failures", map[string]any{"chunk": fresh.id, "pipeline": accounts, "key_hash": key, "disposition": "dead", "letter_id": letter})
				} else {
					b.insert("retrier", "dead", map[string]any{"letter_id": letter, "failure_id": 1, "pipeline": accounts, "key_hash": key})
				}
				if tt.letter != "" {
					b.insert("ops", "letters", map[string]any{"letter_id": letter, "pipeline": accounts, "key_hash": key, "state": tt.letter})
				}
				resend := b.seal(record.ChunkResend, 0, v1)
				b.note(resend)
				b.turns(NewRunner(b.config), 5)
				want := StageNothingSent
				if tt.sends {
					want = StageSubmitted
				}
				if got := b.stage(resend); got != want {
					t.Errorf("the older version is %s, want %s", got, want)
				}
			})
		}
	}
}

// The older version fails once and is sent again around the newer one, in every order that matters: the org ends with the newest and no
// field is lost.
func TestTwoVersionsEndInTheNewestWithNoFieldLost(t *testing.T) {
	v1, v2 := oneRow(1, "e", "old name", "111"), oneRow(2, "e", "new name", "")
	check := func(t *testing.T, b *bench) {
		t.Helper()
		for _, j := range b.closedJobs() {
			b.sim.AwaitJob(j.ID, "finished")
		}
		got, ok := b.sim.Record("Account", "e")
		if !ok || got.Fields["Name"] != "new name" || got.Fields["Phone"] != "111" {
			t.Errorf("the org holds %v, want the new name and the phone of the old version", got.Fields)
		}
	}
	start := func(t *testing.T) (*bench, *Runner, sealed, sealed) {
		b := newBench(t)
		first := b.seal(record.ChunkFresh, 0, v1)
		b.accept(first.id, v1)
		b.note(first)
		// The first try of the old version fails for a lock.
		b.sim.AddFault(faultOnRow("e"))
		r := NewRunner(b.config)
		b.untilSubmitted(r, first)
		b.sim.AwaitJob(b.text(first, "job_id"), "finished")
		b.outcome(first, "f")
		b.end(first)
		return b, r, first, b.seal(record.ChunkResend, 0, v1)
	}
	newVersion := func(b *bench) sealed {
		c := b.seal(record.ChunkFresh, 0, v2)
		b.accept(c.id, v2)
		b.note(c)
		return c
	}
	t.Run("the resend goes before the newer version is accepted", func(t *testing.T) {
		b, r, _, resend := start(t)
		b.note(resend)
		b.untilSubmitted(r, resend)
		b.reconcile(resend)
		fresh := newVersion(b)
		b.untilSubmitted(r, fresh)
		check(t, b)
	})
	t.Run("the newer version is accepted, and the resend goes first", func(t *testing.T) {
		b, r, _, resend := start(t)
		b.note(resend)
		fresh := newVersion(b)
		b.untilSubmitted(r, resend)
		b.reconcile(resend)
		b.untilSubmitted(r, fresh)
		check(t, b)
		if got := string(b.sim.UploadOf(b.text(resend, "job_id"))); !strings.Contains(got, "old name") {
			t.Errorf("the resend sends %q, want it whole: a new row without its required name would be refused", got)
		}
	})
	t.Run("the newer version lands before the resend is sealed", func(t *testing.T) {
		b, r, _, resend := start(t)
		fresh := newVersion(b)
		b.untilSubmitted(r, fresh)
		b.reconcile(fresh)
		b.note(resend)
		b.untilSubmitted(r, resend)
		check(t, b)
	})
	t.Run("the newer version landed in a resend of its own", func(t *testing.T) {
		b, r, _, resend := start(t)
		fresh := newVersion(b)
		b.sim.AddFault(faultOnRow("e"))
		b.untilSubmitted(r, fresh)
		b.sim.AwaitJob(b.text(fresh, "job_id"), "finished")
		b.outcome(fresh, "f")
		b.end(fresh)
		again := b.seal(record.ChunkReplay, 0, v2)
		b.insert("retrier", "resent", map[string]any{
			"chunk": again.id, "row": 0, "failure_id": 1, "pipeline": accounts, "key_hash": uuid.UUID(v2.records[0].KeyHash),
		})
		b.note(again)
		b.untilSubmitted(r, again)
		b.reconcile(again)
		b.note(resend)
		b.untilSubmitted(r, resend)
		check(t, b)
		if got := string(b.sim.UploadOf(b.text(resend, "job_id"))); strings.Contains(got, "old name") {
			t.Errorf("the resend sends %q, want it without what has landed since", got)
		}
	})
	t.Run("the newer version is in flight when the resend comes", func(t *testing.T) {
		b, r, _, resend := start(t)
		fresh := newVersion(b)
		b.untilSubmitted(r, fresh)
		b.note(resend)
		b.turns(r, 5)
		if got := b.stage(resend); got != StageClaimed {
			t.Fatalf("the resend is %s while the lane is held, want claimed", got)
		}
		b.reconcile(fresh)
		b.untilSubmitted(r, resend)
		check(t, b)
	})
	t.Run("the newer version is uploaded ahead when the resend comes", func(t *testing.T) {
		b, r, _, resend := start(t)
		blocker := b.seal(record.ChunkFresh, 0, accountRows("x", 1)...)
		b.note(blocker)
		b.untilSubmitted(r, blocker)
		fresh := newVersion(b)
		b.turns(r, 5)
		b.note(resend)
		b.reconcile(blocker)
		b.untilSubmitted(r, resend)
		b.reconcile(resend)
		b.untilSubmitted(r, fresh)
		check(t, b)
	})
	t.Run("the newer version is accepted after the resend was checked", func(t *testing.T) {
		b, r, _, resend := start(t)
		b.note(resend)
		var fresh sealed
		accepted := false
		b.setHook(func(what string) {
			if what == "before create" && !accepted {
				accepted = true
				fresh = newVersion(b)
			}
		})
		b.untilSubmitted(r, resend)
		b.setHook(nil)
		b.turns(r, 5)
		if got := b.stage(fresh); got != StageCreated {
			t.Fatalf("the newer version is %s while the resend is in flight, want created and waiting", got)
		}
		b.reconcile(resend)
		b.untilSubmitted(r, fresh)
		check(t, b)
	})
}

func TestAnUploadThatDiffersFromWhatWasDecidedIsNeverBound(t *testing.T) {
	b := newBench(t)
	c := b.seal(record.ChunkResend, 0, accountRows("a", 5)...)
	b.note(c)
	r := NewRunner(b.config)
	changed := false
	b.setHook(func(what string) {
		if what == "before create" && !changed { // after the check
			changed = true
			b.exec(`UPDATE submitter.submissions SET upload_sha256 = '\x00' WHERE chunk = $1`, c.id)
		}
	})
	works, err := r.Claim(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Drive(t.Context(), works[0]) // this turn knows the right hash
	b.setHook(nil)
	if got := b.stage(c); got != StageSubmitted {
		t.Fatalf("the chunk is %s, want submitted", got)
	}
	other := b.seal(record.ChunkResend, 1, accountRows("b", 5)...)
	b.note(other)
	b.setHook(func(what string) {
		if what == "before create" {
			b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity', epoch = epoch + 1, upload_sha256 = '\x00' WHERE chunk = $1`, other.id)
			b.setHook(nil)
		}
	})
	b.turns(r, 4)
	if got, words := b.stage(other), b.text(other, "last_error"); got != StageCreated || !strings.Contains(words, "expected") {
		t.Errorf("the chunk is %s with error %q, want created and a word on the difference", got, words)
	}
}
