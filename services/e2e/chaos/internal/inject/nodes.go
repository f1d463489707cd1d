package inject

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

const (
	// cutFor and downFor are how long a node is cut off, and two are down, where a plan does not say.
	cutFor  = 6 * time.Second
	downFor = 2 * time.Second
	// settleWithin bounds waiting until a cluster is settled again after a fault of its nodes: elections take up to nine seconds each.
	settleWithin = 45 * time.Second
)

// nodes has a turn at the broker's nodes: it waits until no other fault of them goes on, does something to them, and waits until all is as it was. A
// cluster that is not is an error: the next fault might take away what only one disk holds.
func (f *fault) nodes(ctx context.Context, do func(ctx context.Context) error) error {
	done, err := f.s.Broker().Turn(ctx)
	if err != nil {
		f.struck(false, err.Error())
		return nil // the faults are over
	}
	defer done()
	if err := do(ctx); err != nil {
		return err
	}
	if !f.s.Broker().Clustered() {
		return nil
	}
	settling, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	if err := f.s.Broker().WaitSettled(settling); err != nil {
		f.over(err.Error())
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	f.over("settled again")
	return nil
}

// broker ends the broker, all of it at once or politely one node after the other.
func (f *fault) broker(ctx context.Context) error {
	return f.nodes(ctx, func(ctx context.Context) error {
		b := f.s.Broker()
		switch {
		case f.Kind == history.NATSRestart && b.Clustered():
			return f.rolling(ctx)
		case f.Kind == history.NATSRestart:
			return f.term(ctx)
		case b.Clustered():
			done := b.Kill()
			f.struck(done, down(done))
			return nil
		default:
			return f.kill(ctx)
		}
	})
}

// rolling restarts one node after the other, each as a lame duck first, and the next one when all is settled.
func (f *fault) rolling(ctx context.Context) error {
	f.struck(true, "")
	for _, p := range f.s.Broker().Nodes() {
		began := time.Now()
		how, _ := f.s.Broker().Retire(ctx, p)
		settling, cancel := context.WithTimeout(ctx, settleWithin)
		err := f.s.Broker().WaitSettled(settling)
		cancel()
		f.s.Record(history.Event{What: "note", Fault: f.ID, Target: p.Name(), Text: fmt.Sprintf("a lame duck, then %s, in all %d ms", how, time.Since(began).Milliseconds())})
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// leaderKill kills the node that leads a stream.
func (f *fault) leaderKill(ctx context.Context) error {
	return f.nodes(ctx, func(ctx context.Context) error {
		b, stream := f.s.Broker(), f.Stream
		if all := b.Records(); stream == "RECORDS" && len(all) > 0 {
			stream = all[f.dice.IntN(len(all))]
		}
		var leader string
		err := f.eventually(ctx, func(ctx context.Context) (err error) {
			leader, err = b.Leader(ctx, stream)
			return err
		})
		p := f.s.Part(leader)
		if err != nil || p == nil {
			f.struck(false, text(err))
			return nil
		}
		done := p.Kill()
		f.struck(done, fmt.Sprintf("%s, the leader of %s %s", leader, stream, down(done)))
		return nil
	})
}

// nodeCut cuts a node off.
func (f *fault) nodeCut(ctx context.Context) error {
	return f.nodes(ctx, func(ctx context.Context) error {
		b := f.s.Broker()
		node, clients := f.anyNode(), f.dice.IntN(2) == 0
		b.CutOff(f.ID, node.Name(), clients)
		who := "the other nodes"
		if clients {
			who += " and its clients"
		}
		f.struck(true, fmt.Sprintf("%s cut off from %s", node.Name(), who))
		return f.last(ctx, f.lasting(cutFor), func(ctx context.Context) error { return b.Join(ctx, f.ID, node.Name()) })
	})
}

// nodeEmpty takes a node's disk away.
func (f *fault) nodeEmpty(ctx context.Context) error {
	return f.nodes(ctx, func(ctx context.Context) error {
		// What all but one hold must not be taken from one of them.
		settling, cancel := context.WithTimeout(ctx, settleWithin)
		defer cancel()
		if err := f.s.Broker().WaitSettled(settling); err != nil {
			f.struck(false, err.Error())
			return nil // the timeline says it
		}
		node := f.anyNode()
		err := f.s.Broker().Empty(node.Name())
		f.struck(err == nil, node.Name()+" "+text(err))
		return err
	})
}

// twoDown takes the majority away for a while: nothing is acknowledged, and nothing is lost.
func (f *fault) twoDown(ctx context.Context) error {
	return f.nodes(ctx, func(ctx context.Context) error {
		stays := f.anyNode()
		var (
			wg       sync.WaitGroup
			releases []func()
		)
		for _, p := range f.s.Broker().Nodes() {
			if p != stays {
				releases = append(releases, p.Hold())
				wg.Go(func() { p.Kill() })
			}
		}
		wg.Wait()
		f.struck(true, "all but "+stays.Name())
		return f.last(ctx, f.lasting(downFor), func(context.Context) error {
			for _, release := range releases {
				release()
			}
			return nil
		})
	})
}

// anyNode is one that the dice choose.
func (f *fault) anyNode() *stack.Part {
	all := f.s.Broker().Nodes()
	return all[f.dice.IntN(len(all))]
}
