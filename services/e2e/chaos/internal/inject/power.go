package inject

import (
	"context"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// The least and most that the instrument's own writers keep a server at work before its power is cut.
const (
	leastAtWork = 200 * time.Millisecond
	mostAtWork  = 700 * time.Millisecond
)

// powerCut takes the power from one or several servers, and from the services where the target is the whole machine.
func (f *fault) powerCut(ctx context.Context) error {
	machine := f.Target == history.CutMachine
	both := machine || f.Target == history.CutServers
	o := stack.Outage{
		Broker: both || f.Target == history.CutNATS, Ledger: both || f.Target == history.CutLedger, Services: machine,
		Before: leastAtWork + time.Duration(f.dice.Int64N(int64(mostAtWork-leastAtWork))),
	}
	struck := false
	kept, err := f.s.PowerCut(ctx, o, func() { struck = true; f.struck(true, "") })
	if !struck {
		f.struck(false, text(err))
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the faults ended before it began
		}
	}
	if err != nil {
		return err
	}
	for _, k := range kept {
		f.s.Record(history.Event{What: "witness", Fault: f.ID, Kind: f.Kind, Target: k.Target, Acked: k.Acked, Kept: k.Kept})
	}
	f.ready(ctx, f.s.WaitReady)
	return nil
}
