package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/courier"
)

// enough is how long both are tried at most.
const enough = 15 * time.Second

// TestBrokersAgree does the same to both brokers, whatever it is, and wants the same of both.
func TestBrokersAgree(t *testing.T) {
	t.Parallel()
	server := startNATS(t)
	conn := server.conn(t)
	// With an account's last stream the server removes its directory, while the next stream is made in it: one stays.
	must(t, conn.Broker.CreateStream(t.Context(), jetstream.StreamConfig{Name: "STAYS", Subjects: []string{"stays"}, Storage: jetstream.FileStorage, Replicas: 1}))
	runs, began := 0, time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; time.Since(began) > enough {
			return // a slow machine has shown its part
		}
		p := newPair(t, rt, conn, fmt.Sprint("r", runs))
		rt.Repeat(map[string]func(*rapid.T){
			"publish": p.publish, "publish a batch": p.publishBatch, "purge": p.purge, "delete": p.remove, "read": p.read, "look up": p.lookUp, "next": p.next,
			"pull": p.pull, "reopen": p.reopen, "make again": p.again, "": p.sameState,
		})
		p.close(t)
	})
}

// Streams of a pair: one that refuses when it is full, one that lets the oldest go, one with room for anything.
const (
	streamFull = iota
	streamOld
	streamWide
	streamKinds
)

// pair is both brokers, with the same streams on each. The name of the run keeps streams of one apart from those of others on the server.
type pair struct {
	name    string
	courier *courier.Courier
	sides   [2]*bus.Conn
	readers [2]*bus.Reader
}

func newPair(t *testing.T, rt *rapid.T, conn *bus.Conn, name string) *pair {
	memory := courier.Open()
	p := &pair{name: name, courier: memory, sides: [2]*bus.Conn{conn, memory.As("agree").Conn()}}
	for kind := range streamKinds {
		p.make(t, kind)
	}
	for _, c := range p.sides {
		_, err := c.Broker.EnsureConsumer(t.Context(), p.stream(streamWide), jetstream.ConsumerConfig{
			Durable: "w", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, FilterSubjects: []string{p.subject(streamWide, "a"), p.subject(streamWide, "b")},
		})
		if err != nil {
			rt.Fatal(err)
		}
	}
	p.reopen(rt)
	return p
}

func (p *pair) stream(kind int) string               { return fmt.Sprint("S", kind, p.name) }
func (p *pair) subject(kind int, last string) string { return fmt.Sprint("s", kind, p.name, ".", last) }

func (p *pair) make(t *testing.T, kind int) {
	c := jetstream.StreamConfig{
		Name: p.stream(kind), Subjects: []string{p.subject(kind, "*")}, Storage: jetstream.FileStorage, Replicas: 1, MaxMsgs: -1, MaxMsgsPerSubject: -1,
		MaxConsumers: -1, MaxMsgSize: -1, Duplicates: 100 * time.Millisecond, AllowDirect: true, AllowAtomicPublish: true, MaxBytes: 4000, Discard: jetstream.DiscardNew,
	}
	switch kind {
	case streamOld:
		c.Discard = jetstream.DiscardOld
	case streamWide:
		c.MaxBytes = 1 << 20
	}
	for _, side := range p.sides {
		must(t, side.Broker.CreateStream(t.Context(), c))
	}
}

// close gives the server its room back.
func (p *pair) close(t *testing.T) {
	for kind := range streamKinds {
		must(t, p.sides[0].JS.DeleteStream(t.Context(), p.stream(kind)))
	}
}

// both asks each side, the courier first, and fails when they differ. What an error says may differ; of what kind it is may not.
func both[T any](t *rapid.T, p *pair, ask func(c *bus.Conn) (T, error)) T {
	t.Helper()
	b, errB := ask(p.sides[1])
	a, errA := ask(p.sides[0])
	if kindOf(errA) != kindOf(errB) {
		t.Fatalf("NATS: %v, courier: %v", errA, errB)
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("NATS: %+v\ncourier: %+v", a, b)
	}
	return b
}

func kindOf(err error) string {
	for name, is := range map[string]error{
		"full": bus.ErrFull, "no stream": bus.ErrNoStream, "not found": jetstream.ErrStreamNotFound, "no message": jetstream.ErrMsgNotFound,
		"gone": bus.ErrNoMessage, "too large": nats.ErrMaxPayload,
	} {
		if errors.Is(err, is) {
			return name
		}
	}
	var (
		gap  *bus.GapError
		made *bus.IncarnationError
		cut  *bus.ShortenedError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &gap):
		return fmt.Sprint("gap ", gap.Expected, gap.Got)
	case errors.As(err, &made):
		return "made again"
	case errors.As(err, &cut):
		return fmt.Sprint("shortened ", cut.After, cut.Last)
	}
	return "other"
}

func (p *pair) message(t *rapid.T, kind int) bus.Message {
	m := bus.Message{
		Subject: p.subject(kind, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "subject")),
		Body:    bytes.Repeat([]byte("x"), rapid.IntRange(0, 1500).Draw(t, "bytes")),
	}
	if rapid.Bool().Draw(t, "with a header") {
		m.Headers = map[string]string{"Bulkhead-Run": rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "run")}
	}
	return m
}

func (p *pair) publish(t *rapid.T) {
	m := p.message(t, rapid.IntRange(0, streamKinds).Draw(t, "stream")) // the last one is not there
	both(t, p, func(c *bus.Conn) (struct{}, error) { return struct{}{}, bus.Publish(context.Background(), c, m) })
}

// publishBatch goes to the stream with room only: NATS stores the headers of a batch with its messages, and counts them.
func (p *pair) publishBatch(t *rapid.T) {
	msgs := make([]bus.Message, rapid.IntRange(2, 5).Draw(t, "messages"))
	for i := range msgs {
		msgs[i] = p.message(t, streamWide)
	}
	both(t, p, func(c *bus.Conn) (struct{}, error) {
		return struct{}{}, bus.PublishBatch(context.Background(), c, msgs)
	})
}

func (p *pair) purge(t *rapid.T) {
	kind, keep := rapid.IntRange(0, streamKinds).Draw(t, "stream"), rapid.Uint64Range(2, 30).Draw(t, "keep")
	both(t, p, func(c *bus.Conn) (struct{}, error) {
		return struct{}{}, c.Broker.Purge(context.Background(), p.stream(kind), keep)
	})
}

func (p *pair) remove(t *rapid.T) {
	kind, seq := rapid.IntRange(0, streamKinds-1).Draw(t, "stream"), rapid.Uint64Range(1, 30).Draw(t, "sequence")
	both(t, p, func(c *bus.Conn) (struct{}, error) {
		return struct{}{}, c.Broker.DeleteMessage(context.Background(), p.stream(kind), seq)
	})
}

// stored is a message without what must differ.
type stored struct {
	Seq     uint64
	Subject string
	Run     string
	Bytes   int
}

func storedOf(msgs ...bus.Msg) []stored {
	var out []stored
	for _, m := range msgs {
		out = append(out, stored{m.Seq, m.Subject, bus.Run(m.Header), len(m.Data)})
	}
	return out
}

func (p *pair) read(t *rapid.T) {
	most, room := rapid.IntRange(1, 6).Draw(t, "messages"), rapid.SampledFrom([]int{0, 1 << 20}).Draw(t, "bytes")
	wait := brief
	both(t, p, func(c *bus.Conn) ([]stored, error) {
		r := p.readers[0]
		if c == p.sides[1] {
			r = p.readers[1]
		}
		msgs, err := r.Fetch(context.Background(), most, room, wait)
		if len(msgs) > 0 {
			wait = long
		}
		return storedOf(msgs...), err
	})
}

// Waits for messages: where the courier had none, none are expected of the server, and where it had some the server may take its time.
const (
	brief = 5 * time.Millisecond
	long  = 5 * time.Second
)

// reopen reads the stream that lets the oldest go from some place on, with holes allowed or not.
func (p *pair) reopen(t *rapid.T) {
	config := bus.ReaderConfig{
		Stream: p.stream(streamOld), After: rapid.Uint64Range(0, 12).Draw(t, "after"), AllowGaps: rapid.Bool().Draw(t, "holes are no loss"),
	}
	var opened [2]*bus.Reader
	both(t, p, func(c *bus.Conn) (uint64, error) {
		r, err := bus.OpenReader(context.Background(), c, config)
		if err != nil {
			return 0, err
		}
		if c == p.sides[0] {
			opened[0] = r
		} else {
			opened[1] = r
		}
		return r.First(), nil
	})
	if opened[0] == nil {
		config.After, config.AllowGaps = 0, true
		for i, c := range p.sides {
			r, err := bus.OpenReader(context.Background(), c, config)
			if err != nil {
				t.Fatal(err)
			}
			opened[i] = r
		}
	}
	for i, r := range p.readers {
		if r != nil {
			r.Close(context.Background())
		}
		p.readers[i] = opened[i]
	}
}

func (p *pair) lookUp(t *rapid.T) {
	kind := rapid.IntRange(0, streamKinds-1).Draw(t, "stream")
	seqs := rapid.SliceOfN(rapid.Uint64Range(0, 40), 1, 6).Draw(t, "sequences")
	both(t, p, func(c *bus.Conn) (map[uint64]stored, error) {
		found, err := bus.GetMany(context.Background(), c, p.stream(kind), seqs)
		out := map[uint64]stored{}
		for seq, m := range found {
			out[seq] = storedOf(m)[0]
		}
		return out, err
	})
}

func (p *pair) next(t *rapid.T) {
	kind := rapid.IntRange(0, streamKinds).Draw(t, "stream") // the last one is not there
	first := rapid.Uint64Range(0, 40).Draw(t, "sequence")
	subject := rapid.SampledFrom([]string{">", "*.b", p.subject(kind, "*"), p.subject(kind, "a")}).Draw(t, "subject")
	both(t, p, func(c *bus.Conn) ([]stored, error) {
		m, err := bus.NextMessage(context.Background(), c, p.stream(kind), subject, first)
		if err != nil {
			return nil, err
		}
		return storedOf(m), nil
	})
}

// pull takes some facts and acknowledges some of them; the ack wait is beyond the test.
func (p *pair) pull(t *rapid.T) {
	request := bus.PullRequest{Batch: rapid.IntRange(1, 4).Draw(t, "messages"), NoWait: true, Expires: brief}
	acks := rapid.SliceOfN(rapid.Bool(), 4, 4).Draw(t, "acknowledged")
	both(t, p, func(c *bus.Conn) ([]stored, error) {
		var out []stored
		err := c.Broker.Pull(context.Background(), p.stream(streamWide), "w", request, func(d bus.Delivery) error {
			out = append(out, storedOf(d.Msg)...)
			if acks[len(out)-1] {
				return d.Ack()
			}
			return nil
		})
		if len(out) > 0 {
			request.Expires = long
		}
		return out, err
	})
}

// again deletes the stream that refuses and makes it anew.
func (p *pair) again(t *rapid.T) {
	if !rapid.Bool().Draw(t, "really") {
		return
	}
	both(t, p, func(c *bus.Conn) (bool, error) {
		before, err := bus.Info(context.Background(), c, p.stream(streamFull))
		if err != nil {
			return false, err
		}
		info, err := c.Broker.Stream(context.Background(), p.stream(streamFull))
		if err != nil {
			return false, err
		}
		config := info.Config
		if c.JS == nil {
			p.courier.Forget(p.stream(streamFull))
		} else if err := c.JS.DeleteStream(context.Background(), p.stream(streamFull)); err != nil {
			return false, err
		}
		if err := c.Broker.CreateStream(context.Background(), config); err != nil {
			return false, err
		}
		after, err := bus.Info(context.Background(), c, p.stream(streamFull))
		return after.Incarnation.After(before.Incarnation), err
	})
}

// sameState compares what the streams hold.
func (p *pair) sameState(t *rapid.T) {
	for kind := range streamKinds {
		both(t, p, func(c *bus.Conn) (bus.StreamInfo, error) {
			info, err := bus.Info(context.Background(), c, p.stream(kind))
			if err == nil && time.Since(info.At).Abs() > time.Minute {
				return info, fmt.Errorf("the broker says that it is %s", info.At)
			}
			info.Incarnation, info.At = time.Time{}, time.Time{}
			if kind == streamWide {
				info.Bytes = 0
			}
			return info, err
		})
	}
}
