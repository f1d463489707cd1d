package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// backWithin bounds the time from a kill to the part's being ready again: several times what a start takes, recovery of the ledger included.
const backWithin = 2 * time.Minute

// Kill is one that happened.
type Kill struct {
	At     float64 `json:"at_seconds"`
	Target string  `json:"target"` // a service, the broker or the ledger
	Part   string  `json:"part"`   // of a service the instance
	// Back is how long after it the part was ready again, in seconds; 0 = the run had ended first.
	Back float64 `json:"back_seconds"`
}

// Targets are what is killed in turn.
func Targets() []string { return append(slices.Clone(pg.Services), stack.NATS, stack.Postgres) }

// turns deals what is killed next: each target once a round, in an order that a seed decides.
type turns struct {
	chance *rand.PCG
	left   []string
}

func newTurns(seed uint64) *turns {
	const salt = 0x736f616b // parts them from what else comes of the same seed
	return &turns{chance: rand.NewPCG(seed, salt)}
}

// below draws a number from 0 up to, not including, n. The numbers of PCG are specified, so a seed means the same for ever.
func (t *turns) below(n int) int { return int(t.chance.Uint64() % uint64(n)) } //nolint:gosec // small numbers

// next gives a target, and the part that is killed: of a service one of its instances.
func (t *turns) next() (target, part string) {
	if len(t.left) == 0 {
		t.left = Targets()
	}
	i := t.below(len(t.left))
	target = t.left[i]
	t.left = slices.Delete(t.left, i, i+1)
	if !slices.Contains(pg.Services, target) {
		return target, target
	}
	instances := slices.DeleteFunc(stack.Instances(), func(name string) bool { return serviceOf(name) != target })
	return target, instances[t.below(len(instances))]
}

// kill kills at intervals until ctx ends, and waits each time until the part is ready again.
func (r *run) kill(ctx context.Context) error {
	next := newTurns(r.Seed)
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		target, part := next.next()
		k := Kill{At: r.since().Seconds(), Target: target, Part: part}
		r.timeline(history.Event{What: "fault", Kind: history.Kill, Target: part, Done: true})
		began := time.Now()
		if err := r.strike(ctx, part); err != nil && ctx.Err() == nil {
			return fmt.Errorf("kill %s: %w", part, err)
		}
		if ctx.Err() == nil {
			k.Back = time.Since(began).Seconds()
		}
		r.killed(k)
	}
}

// strike kills a part and waits until it is ready again.
func (r *run) strike(ctx context.Context, part string) error {
	waiting, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	if part == stack.Postgres {
		return r.stack.Cluster().Kill(waiting, 0, func() {})
	}
	p := r.stack.Part(part)
	if !p.Kill() {
		r.timeline(history.Event{What: "note", Target: part, Text: "it was down"})
	}
	return p.WaitReady(waiting)
}
