// Package pump publishes the records of a measured run, in frames by libs/publish, several of them on their way at a time.
//
// A publisher has one frame in flight, so that versions of an entity keep their order; here every record is an entity of its own, and several
// publishers share the records frame by frame. Every frame is acknowledged when Run returns, and a full stream is waited for.
package pump

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/publish"
	"bulkhead/services/e2e/bench/internal/people"
)

// Options say what is published.
type Options struct {
	URL        string
	Records    int64
	Frame      int // records in a frame
	Publishers int // frames that are on their way at a time
	Keys       bool
	Rate       int64 // records a second; 0 = as fast as they are taken
}

// Result is what was published.
type Result struct {
	First   int64 `json:"first"` // Unix time in nanoseconds, before the first frame was sent
	Last    int64 `json:"last"`  // when the last acknowledgement had come
	Records int64 `json:"records"`
	Frames  int64 `json:"frames"`
	Bytes   int64 `json:"bytes"`
	Again   int64 `json:"again"`
}

// Run publishes records 0 to Records-1.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Records < 1 || o.Frame < 1 || o.Publishers < 1 {
		return Result{}, fmt.Errorf("records, frame and publishers must be at least 1: %d, %d, %d", o.Records, o.Frame, o.Publishers)
	}
	if o.Rate < 0 {
		return Result{}, fmt.Errorf("a rate of %d records a second: 0 is as fast as they are taken", o.Rate)
	}
	nc, err := nats.Connect(o.URL, nats.Name("bench-publisher"), nats.MaxReconnects(-1))
	if err != nil {
		return Result{}, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	publishers := make([]*publish.Publisher, o.Publishers)
	for i := range publishers {
		// The bytes are no bound here: a frame is full when it has its records.
		if publishers[i], err = publish.New(nc, people.Pipeline, publish.WithFrame(800<<10, o.Frame), publish.WaitWhenFull(nil)); err != nil {
			return Result{}, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	out := Result{First: began.UnixNano(), Records: o.Records}
	var next atomic.Int64
	var all sync.WaitGroup
	for _, p := range publishers {
		all.Go(func() {
			if err := o.frames(ctx, p, &next, began); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	out.Last = time.Now().UnixNano()
	for _, p := range publishers {
		s := p.Stats()
		out.Frames, out.Bytes, out.Again = out.Frames+int64(s.Frames), out.Bytes+int64(s.Bytes), out.Again+int64(s.Again) //nolint:gosec // counts of this process
	}
	return out, nil
}

// frames publishes one frame after the other, as long as there are records that nobody took.
func (o Options) frames(ctx context.Context, p *publish.Publisher, next *atomic.Int64, began time.Time) error {
	var body []byte
	for {
		from := next.Add(int64(o.Frame)) - int64(o.Frame)
		if from >= o.Records {
			return p.Close(ctx)
		}
		if err := o.await(ctx, began, from); err != nil {
			return err
		}
		for i := from; i < min(from+int64(o.Frame), o.Records); i++ {
			body = people.AppendJSON(body[:0], i)
			r := publish.Record{Body: body}
			if o.Keys {
				r.Key = people.Key(i)
			}
			if err := p.Add(ctx, r); err != nil {
				return err
			}
		}
		if err := p.Flush(ctx); err != nil {
			return err
		}
	}
}

// await waits until it is the turn of a record by the rate.
func (o Options) await(ctx context.Context, began time.Time, record int64) error {
	if o.Rate == 0 {
		return nil
	}
	turn := time.NewTimer(time.Until(began.Add(time.Duration(float64(record) / float64(o.Rate) * float64(time.Second)))))
	defer turn.Stop()
	select {
	case <-turn.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
