package submit

import (
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"

	"github.com/google/uuid"
)

func newNotes(t *testing.T, b *bench) (*Notes, *int, *int) {
	var woken, changed int
	return &Notes{
		Store: b.store, Logger: testLogger(t), Lease: time.Hour,
		Wake: func() { woken++ }, DefinitionChanged: func() { changed++ },
	}, &woken, &changed
}

func TestFactsAreNotedOnceHoweverOftenTheyCome(t *testing.T) {
	b := newBench(t)
	notes, woken, changed := newNotes(t, b)
	c := b.seal(record.ChunkFresh, 3, accountRows("a", 1)...)
	handle := func(f bus.Fact) {
		t.Helper()
		if err := notes.Handle(t.Context(), bus.NewEnvelope(accounts, 1, f)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		handle(&flowv1.ChunkSealed{Chunk: c.id.String()})
	}
	if got := b.stage(c); got != StageClaimed || *woken != 3 {
		t.Fatalf("the chunk is %s, woken %d times; want claimed and 3", got, *woken)
	}
	handle(&flowv1.ChunkSealed{Chunk: uuid.NewString()}) // no view shows it
	handle(&flowv1.ChunkSealed{Chunk: "x"})
	handle(&flowv1.ChunkReconciled{Chunk: c.id.String()}) // too early: there is no outcome
	if got := b.stage(c); got != StageClaimed {
		t.Errorf("a fact alone moved the chunk to %s", got)
	}
	b.untilSubmitted(NewRunner(b.config), c)
	b.outcome(c, "l")
	for range 3 {
		handle(&flowv1.ChunkReconciled{Chunk: c.id.String()})
	}
	if got := b.stage(c); got != StageReconciled {
		t.Errorf("the chunk is %s, want reconciled", got)
	}
	handle(&flowv1.ChunkSealed{Chunk: c.id.String()}) // a late repeat
	if n := ask[int](b, `SELECT count(*) FROM submitter.submissions`); n != 1 {
		t.Errorf("%d submissions, want 1", n)
	}
	handle(&flowv1.DefinitionChanged{})
	if *changed != 1 {
		t.Errorf("definitions were read anew %d times, want once", *changed)
	}
}

func TestTheSweepFindsWhatNoFactToldOf(t *testing.T) {
	b := newBench(t)
	notes, _, _ := newNotes(t, b)
	fresh := b.seal(record.ChunkFresh, 0, accountRows("a", 1)...)
	resend := b.seal(record.ChunkResend, 1, accountRows("b", 1)...)
	done := b.seal(record.ChunkFresh, 2, accountRows("c", 1)...)
	b.exec(`UPDATE extractor.chunks SET reconciled_at = now() WHERE chunk = $1`, done.id)
	if n, err := notes.Sweep(t.Context()); err != nil || n != 2 {
		t.Fatalf("swept %d (%v), want 2", n, err)
	}
	r := NewRunner(b.config)
	b.untilSubmitted(r, fresh)
	b.untilSubmitted(r, resend)
	b.outcome(fresh, "l")
	b.outcome(resend, "l")
	if n, err := notes.Sweep(t.Context()); err != nil || n != 2 {
		t.Fatalf("swept %d outcomes (%v), want 2", n, err)
	}
	if b.stage(fresh) != StageReconciled || b.stage(resend) != StageReconciled || b.holder(0).Valid || b.holder(1).Valid {
		t.Errorf("%s and %s, want both reconciled and their lanes free", b.stage(fresh), b.stage(resend))
	}
	if n, err := notes.Sweep(t.Context()); err != nil || n != 0 {
		t.Errorf("swept %d (%v) where nothing is open", n, err)
	}
}

func TestALeaseIsRenewedWhileTheWorkGoesOnAndLostToAnother(t *testing.T) {
	b := newBench(t)
	b.config.Lease = time.Second
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 1)...)
	b.note(c)
	r := NewRunner(b.config)
	works, err := r.Claim(t.Context(), 1)
	if err != nil || len(works) != 1 {
		t.Fatal(works, err)
	}
	renewed := make(chan struct{})
	stopped := make(chan struct{})
	first := ask[time.Time](b, `SELECT lease_until FROM submitter.submissions WHERE chunk = $1`, c.id)
	b.setHook(func(what string) {
		switch what {
		case "before create": // hold the worker until the lease was renewed twice its length
			for ask[time.Time](b, `SELECT lease_until FROM submitter.submissions WHERE chunk = $1`, c.id).Sub(first) < 2*b.config.Lease {
				<-time.After(10 * time.Millisecond)
			}
			close(renewed)
			b.setHook(nil)
			// Another one takes over while this one is in its call.
			b.exec(`UPDATE submitter.submissions SET epoch = epoch + 1, owner = 'two', lease_until = now() + interval '1 hour' WHERE chunk = $1`, c.id)
		}
	})
	go func() {
		defer close(stopped)
		r.Drive(t.Context(), works[0])
	}()
	<-renewed
	<-stopped
	if got := b.stage(c); got != StageClaimed {
		t.Errorf("the chunk is %s, want claimed: the first may not write any more", got)
	}
	if got := b.text(c, "owner"); got != "two" {
		t.Errorf("the owner is %q, want two", got)
	}
}

func TestFailuresGrowTheWaitAndStandInTheLedger(t *testing.T) {
	b := newBench(t)
	b.config.Backoff = Backoff{Base: time.Minute, Max: 4 * time.Minute}
	b.config.Random = func() float64 { return 0 }
	b.config.Orgs = noOrgs{}
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 1)...)
	b.note(c)
	r := NewRunner(b.config)
	for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 2 * time.Minute} {
		b.turns(r, 3)
		wait := ask[float64](b, `SELECT extract(epoch FROM next_try_at - now())::float8 FROM submitter.submissions WHERE chunk = $1`, c.id)
		if got := time.Duration(wait * float64(time.Second)); got > want || got < want-10*time.Second {
			t.Errorf("after failure %d the wait is %s, want %s", i+1, got, want)
		}
		if got := b.text(c, "last_error"); got == "" {
			t.Error("the ledger does not say what failed")
		}
		b.exec(`UPDATE submitter.submissions SET next_try_at = '-infinity'`)
	}
	if n := ask[int](b, `SELECT tries FROM submitter_pub.submissions WHERE chunk = $1`, c.id); n != 4 {
		t.Errorf("%d tries, want 4", n)
	}
}

func TestEveryStageOfTheLedgerIsAWordOfTheProtocol(t *testing.T) {
	b := newBench(t)
	known := map[string]bool{}
	for _, s := range Stages() {
		known[string(s)] = true
		b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state) VALUES (gen_random_uuid(), 'p', 1, 'fresh', 'o', 's', 0, 1, $1)`, string(s))
	}
	if len(known) != 7 {
		t.Errorf("%d stages, want 7", len(known))
	}
	check := ask[string](b, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'submissions_state_check'`)
	for _, word := range quoted(check) {
		if !known[word] {
			t.Errorf("the table allows %q, which is no stage", word)
		}
	}
}
