package submit

import (
	"testing"
	"time"

	"bulkhead/libs/record"

	"github.com/google/uuid"
)

func TestFreshChunksOfALaneGoInTheOrderOfSealing(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	second := b.seal(record.ChunkFresh, 0, accountRows("b", 5)...)
	third := b.seal(record.ChunkFresh, 0, accountRows("c", 5)...)
	b.note(third, second, first) // facts come in any order
	r := NewRunner(b.config)
	b.turns(r, 10)

	if got := b.stage(first); got != StageSubmitted {
		t.Errorf("the head is %s, want submitted", got)
	}
	if got, waits := b.stage(second), b.text(second, "waiting_for"); got != StageCreated || waits == "" {
		t.Errorf("the next is %s waiting for %q, want created (uploaded ahead) and waiting", got, waits)
	}
	if got := b.stage(third); got != StageClaimed {
		t.Errorf("the third is %s, want claimed: only one is uploaded ahead", got)
	}
	if n := len(b.closedJobs()); n != 1 {
		t.Errorf("%d jobs were closed, want 1", n)
	}
	b.reconcile(first)
	b.turns(r, 10)
	if got := b.stage(second); got != StageSubmitted {
		t.Errorf("after the outcome of the head the next is %s, want submitted", got)
	}
	if n := len(b.sim.Jobs()); n != 3 {
		t.Errorf("%d jobs, want 3: what was uploaded ahead is not uploaded again", n)
	}
}

func TestAFreshChunkWaitsForAnEarlierOneThatIsNotNotedYet(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	second := b.seal(record.ChunkFresh, 0, accountRows("b", 5)...)
	b.note(second)
	r := NewRunner(b.config)
	b.turns(r, 5)
	if got := b.stage(second); got != StageCreated {
		t.Fatalf("the later chunk is %s, want created: the earlier one has no outcome", got)
	}
	b.note(first)
	b.untilSubmitted(r, first)
	b.reconcile(first)
	b.untilSubmitted(r, second)
}

func TestChunksOfOtherLanesDoNotWait(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	other := b.seal(record.ChunkFresh, 1, accountRows("b", 5)...)
	b.note(first, other)
	r := NewRunner(b.config)
	b.untilSubmitted(r, first)
	b.untilSubmitted(r, other)
}

func TestAResendGoesBeforeFreshChunks(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	second := b.seal(record.ChunkFresh, 0, accountRows("b", 5)...)
	b.note(first, second)
	r := NewRunner(b.config)
	b.turns(r, 10) // the first is in flight, the second uploaded and waiting
	resend := b.seal(record.ChunkResend, 0, accountRows("c", 5)...)
	b.note(resend)
	b.turns(r, 10)
	if got := b.stage(resend); got != StageClaimed {
		t.Fatalf("while the lane is held the resend is %s, want claimed: it takes the lane before anything else", got)
	}
	b.reconcile(first)
	b.turns(r, 20)
	if b.stage(resend) != StageSubmitted || b.stage(second) != StageCreated {
		t.Fatalf("resend %s, fresh %s: want submitted and waiting", b.stage(resend), b.stage(second))
	}
	b.reconcile(resend)
	b.untilSubmitted(r, second)
}

// The record that a replay sends may be newer than those of a fresh chunk that waits: the fresh one goes without a look for newer versions.
func TestAReplayGoesBetweenTheFreshChunksSealedBeforeAndAfterIt(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	older := b.seal(record.ChunkFresh, 0, oneRow(1, "e", "old name", "111"))
	b.accept(older.id, oneRow(1, "e", "old name", "111"))
	replay := b.seal(record.ChunkReplay, 0, oneRow(2, "e", "new name", ""))
	b.accept(replay.id, oneRow(2, "e", "new name", ""))
	after := b.seal(record.ChunkFresh, 0, accountRows("z", 3)...)
	b.note(replay, after)
	b.turns(r, 10)
	if b.stage(replay) != StageClaimed || b.stage(after) != StageCreated {
		t.Fatalf("before the older chunk is noted the replay is %s and the fresh one %s, want both waiting", b.stage(replay), b.stage(after))
	}
	b.note(older)
	b.untilSubmitted(r, older)
	b.turns(r, 10)
	if got := b.stage(replay); got != StageClaimed {
		t.Fatalf("the replay is %s while the older chunk is in flight, want claimed", got)
	}
	b.reconcile(older)
	b.untilSubmitted(r, replay)
	if got := b.stage(after); got != StageCreated {
		t.Errorf("the fresh chunk sealed after the replay is %s, want created and waiting", got)
	}
	b.reconcile(replay)
	b.untilSubmitted(r, after)
	for _, j := range b.closedJobs() {
		b.sim.AwaitJob(j.ID, "finished")
	}
	if got, ok := b.sim.Record("Account", "e"); !ok || got.Fields["Name"] != "new name" || got.Fields["Phone"] != "111" {
		t.Errorf("the org holds %v, want the newer name and the older phone", got.Fields)
	}
}

func TestAPausedResendGivesItsLaneToOtherPipelinesAndBeginsAnew(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	notes := &Notes{Store: b.store, Logger: testLogger(t), Lease: time.Hour, Wake: func() {}, DefinitionChanged: func() {}}
	sweep := func() {
		t.Helper()
		if _, err := notes.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	old := []row{oneRow(1, "e1", "old", "111"), oneRow(2, "e2", "old", "111"), oneRow(3, "e3", "old", "111")}
	newer := oneRow(11, "e1", "new", "222")
	landed := b.seal(record.ChunkFresh, 1, newer)
	b.accept(landed.id, newer)
	b.outcome(landed, "l")
	resend := b.seal(record.ChunkResend, 0, old...)
	b.note(resend)
	pause := uuid.New()
	b.setHook(func(what string) {
		if what == "after upload" {
			b.setHook(nil)
			b.exec(`INSERT INTO ops.pauses (id, pipeline, class, code, message) VALUES ($1, 'accounts', 'quota', 'X', 'why')`, pause)
		}
	})
	b.turns(r, 3)
	if got := b.stage(resend); got != StageCreated {
		t.Fatalf("paused between upload and bind the resend is %s, want created", got)
	}
	sweep()
	if got := b.holder(0); got.UUID != resend.id {
		t.Errorf("the lane is held by %v, want the resend: nobody else waits for it", got)
	}
	left := b.text(resend, "job_id")
	theirs := b.sealFor("partners", record.ChunkFresh, 0, accountRows("b", 5)...)
	b.note(theirs)
	sweep()
	b.untilSubmitted(r, theirs)
	if got := ask[string](b, `SELECT state FROM submitter.jobs WHERE job_id = $1`, left); got != "abandoned" {
		t.Errorf("the job of the resend is %s, want abandoned", got)
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.superseded`); n != 0 {
		t.Errorf("%d records are said to be superseded by a check that holds no more, want none", n)
	}
	sweep() // its lane is another one's now, there is nothing to take back
	b.reconcile(theirs)

	// Meanwhile a newer version of another row landed: the new check sees it.
	newest := oneRow(12, "e2", "new", "222")
	second := b.seal(record.ChunkFresh, 1, newest)
	b.accept(second.id, newest)
	b.outcome(second, "l")
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) VALUES ($1, 'someone', 'repaired')`, pause)
	b.untilSubmitted(r, resend)
	if got, want := string(b.sim.UploadOf(b.text(resend, "job_id"))), csvOf([]string{"e3", "old", "111"}); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	if got := b.text(resend, "job_id"); got == left {
		t.Errorf("job %s was bound although it was left behind", got)
	}
	sweep()
	if got := b.holder(0); got.UUID != resend.id {
		t.Errorf("the lane is held by %v, want the resend, which is bound", got)
	}
}

func TestALaneIsHeldUntilTheOutcomeIsThere(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(first)
	r := NewRunner(b.config)
	b.untilSubmitted(r, first)
	if ended := b.end(first); len(ended) != 0 {
		t.Errorf("ended %v although there is no outcome: a fact frees nothing", ended)
	}
	if got := b.holder(0); got.UUID != first.id {
		t.Errorf("the lane is held by %v, want the chunk", got)
	}
	b.reconcile(first)
	if got := b.holder(0); got.Valid {
		t.Errorf("the lane is held by %v after the outcome, want nobody", got)
	}
	if got := b.stage(first); got != StageReconciled {
		t.Errorf("the submission is %s, want reconciled", got)
	}
	if ended := b.end(first); len(ended) != 0 {
		t.Errorf("ended twice: %v", ended)
	}
}

func TestAPauseStopsClaimsAndBindsUntilItIsLifted(t *testing.T) {
	for _, schema := range []string{"submitter", "reconciler", "retrier", "ops"} {
		t.Run("stated by "+schema, func(t *testing.T) {
			b := newBench(t)
			id := uuid.New()
			pause := func() {
				b.exec(`INSERT INTO `+schema+`.pauses (id, pipeline, class, code, message) VALUES ($1, 'accounts', 'permission', 'X', 'why')`, id)
			}
			uploaded := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
			b.note(uploaded)
			r := NewRunner(b.config)
			paused := false
			b.setHook(func(what string) {
				if what == "after upload" && !paused {
					paused = true
					pause()
				}
			})
			b.turns(r, 3)
			b.setHook(nil)
			if got := b.stage(uploaded); got != StageCreated {
				t.Fatalf("paused between upload and bind the chunk is %s, want created", got)
			}
			fresh := b.seal(record.ChunkFresh, 1, accountRows("b", 5)...)
			resend := b.seal(record.ChunkResend, 2, accountRows("c", 5)...)
			b.note(fresh, resend)
			if n := b.turns(r, 3); n != 0 {
				t.Errorf("%d submissions of a paused pipeline were claimed, want none", n)
			}
			b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) VALUES ($1, 'someone', 'repaired')`, id)
			for _, c := range []sealed{uploaded, fresh, resend} {
				b.untilSubmitted(r, c)
			}
		})
	}
}

func TestFromTheBindOnAChunkIsDrivenToItsEndThoughPaused(t *testing.T) {
	b := newBench(t)
	b.refuse = errNoBroker
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	r := NewRunner(b.config)
	b.turns(r, 3)
	if got := b.stage(c); got != StageBound {
		t.Fatalf("the chunk is %s, want bound", got)
	}
	b.exec(`INSERT INTO ops.pauses (id, pipeline, class, code, message) VALUES ($1, 'accounts', 'quota', 'X', 'why')`, uuid.New())
	b.refuse = nil
	b.untilSubmitted(r, c)
	b.landedOnce(c)
}

func TestAJobThatGrewOldAtTheGateIsReplaced(t *testing.T) {
	b := newBench(t)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	second := b.seal(record.ChunkFresh, 0, accountRows("b", 5)...)
	b.note(first, second)
	r := NewRunner(b.config)
	b.untilSubmitted(r, first)
	b.turns(r, 5)
	old := b.text(second, "job_id")
	b.exec(`UPDATE submitter.submissions SET job_created_at = now() - interval '61 minutes', uploaded_at = now() - interval '58 minutes' WHERE chunk = $1`, second.id)
	b.turns(r, 3)
	if got := b.text(second, "job_id"); got != old {
		t.Error("an old job was replaced while the gate is closed: it would only grow old again")
	}
	b.reconcile(first)
	b.untilSubmitted(r, second)
	if got := b.text(second, "job_id"); got == old {
		t.Errorf("job %s was bound although it is older than %s", old, time.Hour)
	}
	if got := ask[string](b, `SELECT state FROM submitter.jobs WHERE job_id = $1`, old); got != "abandoned" {
		t.Errorf("the old job is %s, want abandoned", got)
	}
}

func TestPipelinesThatShareASpaceShareItsLanes(t *testing.T) {
	b := newBench(t)
	mine := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	theirs := b.sealFor("partners", record.ChunkFresh, 0, accountRows("b", 5)...)
	b.note(mine, theirs)
	r := NewRunner(b.config)
	b.turns(r, 10)
	head, tail := mine, theirs
	if b.stage(head) != StageSubmitted {
		head, tail = tail, head
	}
	if b.stage(head) != StageSubmitted || b.stage(tail) != StageCreated {
		t.Fatalf("%s and %s, want one submitted and one waiting", b.stage(mine), b.stage(theirs))
	}
	b.reconcile(head)
	b.untilSubmitted(r, tail)
}

func TestAnUploadThatTakesLongerThanAJobMayAgeIsBoundAllTheSame(t *testing.T) {
	b := newBench(t)
	b.config.BindMaxAge = 100 * time.Millisecond
	began := time.Now()
	calls := 0
	b.config.Now = func() time.Time { // as if create and upload had taken ten seconds
		calls++
		return began.Add(time.Duration(calls) * 10 * time.Second)
	}
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	b.landedOnce(c)
	if n := len(b.sim.Jobs()); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}
