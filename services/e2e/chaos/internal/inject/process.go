package inject

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// Lengths where a plan gives none.
const (
	longDown  = 2 * time.Second
	pastLease = 2600 * time.Millisecond // of two seconds
)

// kill ends a part by SIGKILL; it is started again at once.
func (f *fault) kill(ctx context.Context) error {
	p := f.part(ctx)
	if !p.Kill() {
		f.struck(false, "it was down")
		return nil
	}
	f.struck(true, "")
	f.ready(ctx, p.WaitReady)
	return nil
}

// killLong keeps it down for a while.
func (f *fault) killLong(ctx context.Context) error {
	p := f.part(ctx)
	release := p.Hold()
	done := p.Kill()
	f.struck(done, down(done))
	err := f.last(ctx, f.lasting(longDown), func(context.Context) error { release(); return nil })
	f.ready(ctx, p.WaitReady)
	return err
}

func down(killed bool) string {
	if killed {
		return ""
	}
	return "it was down"
}

// killAll ends everything but the org at the same moment.
func (f *fault) killAll(ctx context.Context) error { return f.nodes(ctx, f.everything) }

func (f *fault) everything(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, name := range Instances() {
		wg.Go(func() { f.s.Part(name).Kill() })
	}
	wg.Go(func() { f.s.Broker().Kill() })
	err := f.s.Cluster().Crash(ctx, f.lasting(0), func() { f.struck(true, "") })
	wg.Wait()
	if !f.s.Broker().Clustered() {
		f.ready(ctx, f.s.WaitReady)
	}
	return err
}

// postgres ends the server, in either way; it is started again.
func (f *fault) postgres(ctx context.Context) error {
	end := f.s.Cluster().Crash
	if f.Kind == history.PGRestart {
		end = f.s.Cluster().Restart
	}
	err := end(ctx, f.lasting(0), func() { f.struck(true, "") })
	f.over("started again")
	return err
}

// pause makes a part stand still for longer than every lease.
func (f *fault) pause(ctx context.Context) error {
	if f.Target == stack.Postgres {
		thaw, err := f.s.Cluster().Freeze()
		f.struck(err == nil, text(err))
		err = f.last(ctx, f.lasting(pastLease), func(context.Context) error { thaw(); return nil })
		f.over("")
		return err
	}
	thaw, done := f.part(ctx).Freeze()
	f.struck(done, down(done))
	if !done {
		return nil
	}
	err := f.last(ctx, f.lasting(pastLease), func(context.Context) error { thaw(); return nil })
	f.over("")
	return err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// term asks a part to end, under load; it is started again when it has.
func (f *fault) term(ctx context.Context) error {
	p := f.part(ctx)
	if !p.Alive() {
		f.struck(false, "it was down")
		return nil
	}
	f.struck(true, "")
	began := time.Now()
	how, _ := p.Terminate(ctx)
	f.ready(ctx, p.WaitReady)
	f.s.Record(history.Event{What: "note", Fault: f.ID, Target: f.Target, Text: fmt.Sprintf("after SIGTERM: %s, in %d ms", how, time.Since(began).Milliseconds())})
	return nil
}
