package poll_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"bulkhead/libs/pg"
	"bulkhead/services/poller/internal/store"
)

// What is asked of the claim on one watch, and what came of it.
type claimOp string

const (
	opClaim  claimOp = "claim"
	opRenew  claimOp = "renew"
	opKeep   claimOp = "keep" // a look after which the watch goes on; it hands the claim back
	opGive   claimOp = "give back"
	opFinish claimOp = "finish"
)

type claimInput struct {
	op    claimOp
	epoch int64 // the claim's
	call  int64 // nanoseconds; of the database's clock only the pace matters
}

type claimOutput struct {
	did     bool
	epoch   int64 // of a claim that was given
	unknown bool  // no answer: it may have been done, or be done later
	back    int64
}

// claimState is the register that the ledger's row has to be: whose claim counts, until when at least, and whether the work is over.
type claimState struct {
	epoch int64
	until int64 // 0 = it was handed back
	over  bool
}

// claimModel is what one row under a lease does, one request after the other.
func claimModel(lease time.Duration) porcupine.Model {
	step := func(s claimState, in claimInput, out claimOutput) []claimState {
		until := in.call + lease.Nanoseconds()
		if in.op == opClaim {
			next := claimState{epoch: s.epoch + 1, until: until}
			switch {
			case out.unknown:
				return []claimState{s, next}
			case !out.did:
				return []claimState{s} // somebody else may just have had the row
			case s.over || out.epoch != s.epoch+1 || out.back < s.until:
				return nil
			}
			return []claimState{next}
		}
		hits := in.epoch == s.epoch && !s.over && (in.op != opRenew || s.until != 0) // what was handed back is not renewed
		next := s
		switch in.op {
		case opRenew:
			next.until = until
		case opKeep, opGive:
			next.until = 0
		case opFinish:
			next.over = true
		}
		switch {
		case out.unknown && hits:
			return []claimState{s, next}
		case out.unknown:
			return []claimState{s}
		case out.did != hits:
			return nil
		case hits:
			return []claimState{next}
		}
		return []claimState{s}
	}
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{claimState{}} },
		Step: func(state, in, out any) []any {
			s, okState := state.(claimState)
			i, okIn := in.(claimInput)
			o, okOut := out.(claimOutput)
			if !okState || !okIn || !okOut {
				return nil
			}
			var all []any
			for _, next := range step(s, i, o) {
				all = append(all, next)
			}
			return all
		},
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%+v: %+v", in, out)
		},
	}
	return m.ToModel()
}

// claimHistory notes what was asked and answered; it is safe for concurrent use.
type claimHistory struct {
	mu  sync.Mutex
	ops []porcupine.Operation
}

func (h *claimHistory) note(client int, op claimOp, epoch int64, do func() (int64, error)) (int64, error) {
	call := time.Now().UnixNano()
	given, err := do()
	back := time.Now().UnixNano()
	out := claimOutput{did: err == nil, epoch: given, back: back}
	if op == opClaim {
		out.did = err == nil && given != 0
	}
	if err != nil && !errors.Is(err, pg.ErrLost) {
		out.unknown = true
		back = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: claimInput{op, epoch, call}, Call: call, Output: out, Return: back})
	return given, err
}

func TestConcurrentClaimsAreOneRegister(t *testing.T) {
	const (
		workers = 4
		turns   = 30
		lease   = 60 * time.Millisecond
	)
	b := setup(t)
	chunk := b.submitted("7505e00000AAAAAAAA", 10, "submitted")
	if _, err := b.store.Watch(t.Context(), store.Job{
		Chunk: chunk, Pipeline: "contacts", Org: "main", JobID: "7505e00000AAAAAAAA", Rows: 10, SubmittedAt: b.now,
	}, b.now); err != nil {
		t.Fatal(err)
	}
	h := &claimHistory{}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			w := claimWorker{h: h, store: b.store, client: i, lease: lease, chunk: chunk, due: b.now.Add(time.Hour), rnd: rand.New(rand.NewPCG(7, uint64(i)))}
			for turn := range turns {
				w.turn(t, turn == turns-1)
			}
		})
	}
	all.Wait()
	verdict, info := porcupine.CheckOperationsVerbose(claimModel(lease), h.ops, 20*time.Second)
	count := map[claimOp][2]int{} // lost, done
	for _, op := range h.ops {
		in, okIn := op.Input.(claimInput)
		out, okOut := op.Output.(claimOutput)
		if !okIn || !okOut {
			t.Fatalf("history holds %+v", op)
		}
		n := count[in.op]
		if out.did {
			n[1]++
		} else {
			n[0]++
		}
		count[in.op] = n
	}
	t.Logf("%d operations, each lost and done: %v", len(h.ops), count)
	if verdict != porcupine.Ok {
		t.Errorf("the history is %s: no order of the operations explains what the ledger answered", verdict)
		_ = info
		for _, op := range h.ops {
			t.Logf("%d %v–%v %+v %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
	}
	if count[opClaim][1] < 5 || count[opKeep][0]+count[opFinish][0]+count[opGive][0] == 0 {
		t.Errorf("counts are %v: want claims, and writes that came too late", count)
	}
}

// claimWorker is an instance that claims the watch, holds it for a while or sleeps past its lease, and writes.
type claimWorker struct {
	h      *claimHistory
	store  *store.Store
	client int
	lease  time.Duration
	chunk  uuid.UUID
	due    time.Time
	rnd    *rand.Rand
}

func (w *claimWorker) turn(t *testing.T, last bool) {
	ctx := t.Context()
	owner := fmt.Sprintf("instance-%d", w.client)
	epoch, err := w.h.note(w.client, opClaim, 0, func() (int64, error) {
		rows, err := w.store.ClaimDue(ctx, owner, w.due, w.lease, 1)
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		return rows[0].Epoch, nil
	})
	if err != nil {
		t.Errorf("claim: %v", err)
	}
	if epoch == 0 {
		pass(ctx, w.lease/4)
		return
	}
	claim := store.Claim{Chunk: w.chunk, Epoch: epoch, Owner: owner}
	if w.rnd.IntN(3) == 0 {
		pass(ctx, w.lease+w.lease/2) // stopped past the lease, and unaware of it
	} else {
		held, release := pg.Hold(ctx, w.lease, func(ctx context.Context) error {
			_, err := w.h.note(w.client+100, opRenew, epoch, func() (int64, error) { return 0, w.store.Renew(ctx, claim, w.lease) })
			return err
		})
		pass(held, time.Duration(w.rnd.Int64N(int64(w.lease))))
		release()
	}
	op, do := opKeep, func() error {
		return w.store.Keep(ctx, claim, store.Look{NextLookAt: w.due.Add(-time.Minute), JobState: "InProgress"})
	}
	switch {
	case last && w.client == 0:
		op, do = opFinish, func() error {
			return w.store.Finish(ctx, claim, store.Look{NextLookAt: w.due, JobState: "JobComplete"})
		}
	case w.rnd.IntN(3) == 0:
		op, do = opGive, func() error { return w.store.Release(ctx, claim) }
	}
	if _, err := w.h.note(w.client, op, epoch, func() (int64, error) { return 0, do() }); err != nil && !errors.Is(err, pg.ErrLost) {
		t.Errorf("%s: %v", op, err)
	}
	if w.rnd.IntN(3) == 0 { // a renewal that was on its way all the time
		_, err := w.h.note(w.client, opRenew, epoch, func() (int64, error) { return 0, w.store.Renew(ctx, claim, w.lease) })
		if err != nil && !errors.Is(err, pg.ErrLost) {
			t.Errorf("late renewal: %v", err)
		}
	}
}

// pass waits, but not longer than ctx.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func TestTheRegisterRefusesHistoriesThatMustNotBe(t *testing.T) {
	const lease = 100 * time.Nanosecond
	op := func(client int, op claimOp, epoch, call, back int64, did bool, given int64) porcupine.Operation {
		return porcupine.Operation{
			ClientId: client, Input: claimInput{op, epoch, call}, Call: call, Output: claimOutput{did: did, epoch: given, back: back}, Return: back,
		}
	}
	tests := []struct {
		name string
		ops  []porcupine.Operation
		want bool
	}{
		{"a claim, its end, and a late write that hits nothing", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(1, opClaim, 0, 150, 151, true, 2), op(0, opKeep, 1, 160, 161, false, 0), op(1, opFinish, 2, 170, 171, true, 0),
		}, true},
		{"two holders of one epoch", []porcupine.Operation{op(0, opClaim, 0, 0, 1, true, 1), op(1, opClaim, 0, 150, 151, true, 1)}, false},
		{"a claim while the lease lasts", []porcupine.Operation{op(0, opClaim, 0, 0, 1, true, 1), op(1, opClaim, 0, 50, 51, true, 2)}, false},
		{"a claim while a renewed lease lasts", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(0, opRenew, 1, 80, 81, true, 0), op(1, opClaim, 0, 150, 151, true, 2),
		}, false},
		{"a write of a former holder", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(1, opClaim, 0, 150, 151, true, 2), op(0, opFinish, 1, 160, 161, true, 0),
		}, false},
		{"a renewal of what was handed back", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(0, opKeep, 1, 10, 11, true, 0), op(0, opRenew, 1, 20, 21, true, 0),
		}, false},
		{"two ends", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(0, opFinish, 1, 10, 11, true, 0), op(0, opFinish, 1, 20, 21, true, 0),
		}, false},
		{"a claim on what is over", []porcupine.Operation{
			op(0, opClaim, 0, 0, 1, true, 1), op(0, opFinish, 1, 10, 11, true, 0), op(1, opClaim, 0, 500, 501, true, 2),
		}, false},
		{"a holder that is told that it is none", []porcupine.Operation{op(0, opClaim, 0, 0, 1, true, 1), op(0, opKeep, 1, 10, 11, false, 0)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperations(claimModel(lease), tt.ops); got != tt.want {
				t.Errorf("linearizable is %v, want %v", got, tt.want)
			}
		})
	}
}
