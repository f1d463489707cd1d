package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	connectTime = 3 * time.Second
	fetchTime   = 2 * time.Second
	fetchBatch  = 500
	deadLetters = "DLQ"
	facts       = "FLOW"
)

// settled is how long the stream and the API may still differ at rest: letters are taken out of the stream, and read from it, behind what
// decided about them. What still differs then is for the judge.
const settled = 4 * time.Second

// letters notes which are open and which lie in the stream.
func (c *collector) letters(ctx context.Context) error {
	for end := time.Now().Add(settled); ; {
		if err := atOnce(func() error { return c.open(ctx) }, func() error { return c.left(ctx) }); err != nil {
			return err
		}
		if c.agree() || time.Now().After(end) {
			return nil
		}
		timer := time.NewTimer(2 * pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("letters: %w", context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// agree says whether the letters that are open are those that lie in the stream, and nothing is missing that a service would make again.
func (c *collector) agree() bool {
	if len(c.final.Holes) > 0 {
		return false
	}
	open, left := map[string]bool{}, map[string]bool{}
	for _, o := range c.final.Open {
		open[o.ID] = true
	}
	for _, id := range c.final.Left {
		left[id] = true
	}
	return maps.Equal(open, left)
}

// left notes which letters lie in the stream, and which streams and consumers are missing.
func (c *collector) left(ctx context.Context) error {
	return again(ctx, func(int) (err error) {
		if c.target.Left == nil {
			return c.readLeft(ctx)
		}
		c.final.Left, c.final.Holes, err = c.target.Left(ctx)
		return err
	})
}

func (c *collector) readLeft(ctx context.Context) error {
	conn, err := nats.Connect(c.target.PlainNATSURL, nats.Timeout(connectTime), nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	c.final.Holes, c.final.Left = nil, []string{}
	names := []string{facts, deadLetters}
	for _, p := range c.pipelines {
		names = append(names, "RECORDS_"+p.Name)
	}
	for _, name := range names {
		stream, err := js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			c.final.Holes = append(c.final.Holes, name)
		case err != nil:
			return fmt.Errorf("stream %s: %w", name, err)
		case name == facts:
			if err := c.consumers(ctx, stream); err != nil {
				return fmt.Errorf("stream %s: %w", name, err)
			}
		case name == deadLetters:
			if err := c.readLetters(ctx, stream); err != nil {
				return fmt.Errorf("stream %s: %w", name, err)
			}
		}
	}
	return nil
}

// listeners are the services, each of which has a consumer of the facts under its own name.
var listeners = []string{"extractor", "submitter", "poller", "reconciler", "retrier", "ops"}

// consumers notes which services have no consumer of the facts.
func (c *collector) consumers(ctx context.Context, stream jetstream.Stream) error {
	for _, service := range listeners {
		_, err := stream.Consumer(ctx, service)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			c.final.Holes = append(c.final.Holes, facts+"/"+service)
		case err != nil:
			return fmt.Errorf("consumer %s: %w", service, err)
		}
	}
	return nil
}

// readLetters reads as many messages as there are. A letter may lie there twice, after its stream was made again.
func (c *collector) readLetters(ctx context.Context, stream jetstream.Stream) error {
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.Msgs == 0 {
		return nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	for last := uint64(0); last < info.State.LastSeq; {
		batch, err := consumer.Fetch(fetchBatch, jetstream.FetchMaxWait(fetchTime))
		if err != nil {
			return err
		}
		got := false
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			got, last = true, meta.Sequence.Stream
			var letter struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(m.Data(), &letter); err != nil {
				return fmt.Errorf("letter at %d: %w", last, err)
			}
			c.final.Left = append(c.final.Left, letter.ID)
			if meta.NumPending == 0 {
				return nil // what the last sequences held is deleted; the rest of the batch would only be waited for
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, jetstream.ErrNoMessages) {
			return err
		}
		if !got {
			return fmt.Errorf("no more letters came after sequence %d of %d", last, info.State.LastSeq)
		}
	}
	return nil
}
