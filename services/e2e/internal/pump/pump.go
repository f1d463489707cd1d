// Package pump publishes the records of a run, in frames by libs/publish, several of them on their way at a time.
//
// A publisher has one frame in flight, so that versions of an entity keep their order; several publishers share the records frame by frame, in turn:
// frame f is the publisher's whose number is f modulo how many there are. So records keep their order among each other whose numbers lie a multiple of
// [Options.Stride] apart, and no others. Every frame is acknowledged when Run returns, and a full stream is waited for.
package pump

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/publish"
)

// Options say what is published.
type Options struct {
	URL      string
	Pipeline string
	Records  int64
	// Record gives record i; body is empty, and may be grown for the record's. It is called by several publishers at a time.
	Record     func(body []byte, i int64) publish.Record
	Frame      int   // records in a frame
	Publishers int   // frames that are on their way at a time
	Rate       int64 // records a second; 0 = as fast as they are taken
	// Acked is told of records that the broker has stored, by several publishers at a time; nil = nobody is.
	Acked func(records int)
}

// Stride is how many records are published by all publishers before it is the first one's turn again.
func (o Options) Stride() int64 { return int64(o.Frame) * int64(o.Publishers) }

// Result is what was published.
type Result struct {
	First   int64 `json:"first"` // Unix time in nanoseconds, before the first frame was sent
	Last    int64 `json:"last"`  // when the last acknowledgement had come
	Records int64 `json:"records"`
	Frames  int64 `json:"frames"`
	Bytes   int64 `json:"bytes"`
	Again   int64 `json:"again"`
}

// bytesMost is no bound of a frame here: it is full when it has its records.
const bytesMost = 800 << 10

// Run publishes records 0 to Records-1.
func Run(ctx context.Context, o Options) (Result, error) {
	switch {
	case o.Records < 1 || o.Frame < 1 || o.Publishers < 1:
		return Result{}, fmt.Errorf("records, frame and publishers must be at least 1: %d, %d, %d", o.Records, o.Frame, o.Publishers)
	case o.Rate < 0:
		return Result{}, fmt.Errorf("a rate of %d records a second: 0 is as fast as they are taken", o.Rate)
	case o.Record == nil:
		return Result{}, errors.New("nothing says what the records are")
	}
	nc, err := nats.Connect(o.URL, nats.Name("publisher of the run"), nats.MaxReconnects(-1))
	if err != nil {
		return Result{}, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	options := []publish.Option{publish.WithFrame(bytesMost, o.Frame), publish.WaitWhenFull(nil)}
	if o.Acked != nil {
		options = append(options, publish.WithAck(func(a publish.Ack) { o.Acked(a.Records) }))
	}
	publishers := make([]*publish.Publisher, o.Publishers)
	for i := range publishers {
		if publishers[i], err = publish.New(nc, o.Pipeline, options...); err != nil {
			return Result{}, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	out := Result{First: began.UnixNano(), Records: o.Records}
	var all sync.WaitGroup
	for n, p := range publishers {
		all.Go(func() {
			if err := o.frames(ctx, p, int64(n), began); err != nil {
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

// frames publishes the frames of publisher n, one after the other.
func (o Options) frames(ctx context.Context, p *publish.Publisher, n int64, began time.Time) error {
	var body []byte
	for from := n * int64(o.Frame); from < o.Records; from += o.Stride() {
		if err := o.await(ctx, began, from); err != nil {
			return err
		}
		for i := from; i < min(from+int64(o.Frame), o.Records); i++ {
			r := o.Record(body[:0], i)
			body = r.Body
			if err := p.Add(ctx, r); err != nil {
				return err
			}
		}
		if err := p.Flush(ctx); err != nil {
			return err
		}
	}
	return p.Close(ctx)
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
