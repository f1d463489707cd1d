package inject

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fullFor is how long the broker has no room where a plan does not say.
	fullFor = time.Second
	// brokerWithin bounds waiting for a broker that is being started, so as to ask it something.
	brokerWithin = 5 * time.Second
)

// brokerFull makes the broker refuse to store for a while. A node that comes back meanwhile would find no room for what it lacks, so that this is a
// turn at the nodes too.
func (f *fault) brokerFull(ctx context.Context) error { return f.nodes(ctx, f.full) }

func (f *fault) full(ctx context.Context) error {
	var empty func(context.Context) error
	filled := f.eventually(ctx, func(ctx context.Context) (err error) {
		empty, err = f.s.Broker().Fill(ctx)
		return err
	})
	f.struck(filled == nil, text(filled))
	if filled != nil {
		return nil //nolint:nilerr // the timeline says that it did not strike; the run goes on
	}
	err := f.last(ctx, f.lasting(fullFor), empty)
	if !f.s.Broker().Clustered() {
		f.over("")
	}
	return err
}

// eventually tries again while the broker may be starting.
func (f *fault) eventually(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, brokerWithin)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil || !f.rest(ctx, lookEvery) {
			return err
		}
	}
}

// streamDelete deletes a stream; it is for ops to make it again.
func (f *fault) streamDelete(ctx context.Context) error {
	asked := false
	err := f.eventually(ctx, func(ctx context.Context) error {
		err := f.s.Broker().DeleteStream(ctx, f.Stream)
		if asked && errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil // an earlier try did it, and its answer was lost
		}
		asked = true
		return err
	})
	f.struck(err == nil, fmt.Sprintf("stream %s %s", f.Stream, text(err)))
	if err == nil {
		f.back(ctx, func(ctx context.Context) error { return f.s.Broker().Has(ctx, f.Stream) })
	}
	return nil
}

// consumerDelete deletes a consumer; it is for who works with it to make it again.
func (f *fault) consumerDelete(ctx context.Context) error {
	name, asked := f.Consumer, false
	err := f.eventually(ctx, func(ctx context.Context) error {
		if name == "" {
			all, err := f.s.Broker().Consumers(ctx, f.Stream)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				return fmt.Errorf("stream %s has no consumer", f.Stream)
			}
			slices.Sort(all)
			name = all[f.dice.IntN(len(all))]
		}
		err := f.s.Broker().DeleteConsumer(ctx, f.Stream, name)
		if asked && errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil // as above
		}
		asked = true
		return err
	})
	f.struck(err == nil, fmt.Sprintf("consumer %s of %s %s", name, f.Stream, text(err)))
	if err == nil {
		f.back(ctx, func(ctx context.Context) error {
			all, err := f.s.Broker().Consumers(ctx, f.Stream)
			if err == nil && !slices.Contains(all, name) {
				err = fmt.Errorf("consumer %s of %s is not there", name, f.Stream)
			}
			return err
		})
	}
	return nil
}

// back waits until what was deleted is there again.
func (f *fault) back(ctx context.Context, there func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := there(ctx)
		if err == nil {
			f.over("there again")
			return
		}
		if !f.rest(ctx, lookEvery) {
			f.over(err.Error())
			return
		}
	}
}
