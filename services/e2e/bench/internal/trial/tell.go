package trial

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/bench/internal/people"
)

// tell fills in what can be asked when the clock has stopped.
func (r *run) tell(ctx context.Context) (err error) {
	if r.out.FailedAtFirst, err = r.parts.Org.Hits(ctx); err != nil {
		return err
	}
	if r.out.Chunks, err = r.ledger.chunks(ctx); err != nil {
		return err
	}
	if err := r.calls(ctx); err != nil {
		return err
	}
	return r.streams(ctx)
}

// collectionCalls is what the simulator names a call of sObject Collections.
const collectionCalls = "collection"

func (r *run) calls(ctx context.Context) error {
	jobs, err := r.ledger.jobs(ctx)
	if err != nil {
		return err
	}
	all, err := r.parts.Org.Calls(ctx)
	if err != nil {
		return err
	}
	c := &r.out.Calls
	if c.Abandoned, err = r.ledger.count(ctx, "abandoned"); err != nil {
		return err
	}
	collections, err := r.ledger.collections(ctx)
	if err != nil {
		return err
	}
	c.By = map[string]int64{}
	made := map[string]bool{}
	for _, call := range all {
		if !call.Counted() {
			continue
		}
		c.Total++
		c.By[call.Endpoint]++
		if call.Job != "" {
			made[call.Job] = true
			r.out.Bytes.Uploaded += call.Received
			r.out.Bytes.Downloaded += call.Sent
		}
		switch kind := jobs[call.Job]; {
		case call.Job == "":
			c.Other++
		case kind == "fresh":
			c.Fresh++
		default:
			c.Again++
		}
	}
	c.Jobs = int64(len(made))
	// A call of collections names no job. Those that were made again, after an answer that was lost, stay with what is about no chunk.
	c.Collections = c.By[collectionCalls]
	fresh := min(collections["fresh"], c.Collections)
	again := min(collections["resend"]+collections["replay"], c.Collections-fresh)
	c.Fresh, c.Again, c.Other = c.Fresh+fresh, c.Again+again, c.Other-fresh-again
	return nil
}

// streams asks the broker what it holds.
func (r *run) streams(ctx context.Context) error {
	nc, err := nats.Connect(r.parts.NATSURL, nats.Name("bench"))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for name, into := range map[string]*int64{
		bus.RecordsStream(people.Pipeline): &r.out.Bytes.Records, bus.StreamFlow: &r.out.Bytes.Flow, bus.StreamDLQ: &r.out.Bytes.DLQ,
	} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("broker: stream %s: %w", name, err)
		}
		*into = int64(s.CachedInfo().State.Bytes) //nolint:gosec // no disk holds more
	}
	return nil
}
