package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func TestBroker(t *testing.T) {
	t.Parallel()
	onBoth(t, testBroker)
}

// testBroker asks for what services rest on and no other test here asks for.
func testBroker(t *testing.T, b side) {
	conn := b.conn(t)
	must(t, bus.EnsureFlow(t.Context(), conn, bus.Limits{MaxBytes: 1 << 20}))
	must(t, bus.EnsureDLQ(t.Context(), conn, limits))
	records(t, conn, "p")
	held := func(t *testing.T, stream string) uint64 {
		t.Helper()
		info, err := bus.Info(t.Context(), conn, stream)
		must(t, err)
		return info.Messages
	}

	t.Run("an id that comes again at once is stored once", func(t *testing.T) {
		records(t, conn, "twice")
		m := bus.Message{Subject: bus.RecordsSubject("twice"), MsgID: "a", Body: []byte("{}")}
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{m}))
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{m}))
		if n := held(t, bus.RecordsStream("twice")); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("an id that comes again after the broker's window is stored again", func(t *testing.T) {
		records(t, conn, "later")
		m := bus.Message{Subject: bus.RecordsSubject("later"), MsgID: "a", Body: []byte("{}")}
		eventually(t, "a second copy", func() bool {
			must(t, bus.Publish(t.Context(), conn, m))
			return held(t, bus.RecordsStream("later")) > 1
		})
	})
	t.Run("of a batch with an id that was just seen nothing is stored", func(t *testing.T) {
		m := func(id string) bus.Message {
			return bus.Message{Subject: bus.RecordsSubject("p"), MsgID: id, Body: []byte("{}")}
		}
		before := held(t, bus.RecordsStream("p"))
		if err := bus.PublishBatch(t.Context(), conn, []bus.Message{m("x"), m("y"), m("x")}); err == nil {
			t.Error("it was taken")
		}
		if n := held(t, bus.RecordsStream("p")); n != before {
			t.Errorf("%d messages, %d before", n, before)
		}
	})
	t.Run("a full stream of facts lets the oldest go", func(t *testing.T) {
		for range 20 {
			m := sealed(strings.Repeat("c", 100<<10)) // each has an id of its own
			must(t, bus.Publish(t.Context(), conn, m))
		}
		info, err := bus.Info(t.Context(), conn, bus.StreamFlow)
		must(t, err)
		if info.Last != 20 || info.Messages > 10 || info.First != info.Last-info.Messages+1 || info.Bytes > 1<<20 {
			t.Errorf("%+v", info)
		}
	})
	t.Run("a batch that a full stream has no room for is refused whole", func(t *testing.T) {
		must(t, bus.EnsureRecords(t.Context(), conn, "small", bus.Limits{MaxBytes: 1 << 20}))
		m := bus.Message{Subject: bus.RecordsSubject("small"), Body: make([]byte, 400<<10)}
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{m, m}))
		if err := bus.PublishBatch(t.Context(), conn, []bus.Message{m, m}); !errors.Is(err, bus.ErrFull) {
			t.Errorf("%v", err)
		}
		if n := held(t, bus.RecordsStream("small")); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("a message beyond the broker's size is refused", func(t *testing.T) {
		err := bus.Publish(t.Context(), conn, bus.Message{Subject: bus.RecordsSubject("p"), Body: make([]byte, bus.MaxMessageBytes+1)})
		if !errors.Is(err, nats.ErrMaxPayload) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a letter is deleted once, and is no error when it is gone", func(t *testing.T) {
		for range 3 {
			must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: "dlq.p.data", Body: []byte("{}")}))
		}
		for range 2 {
			must(t, bus.DeleteLetter(t.Context(), conn, 2))
		}
		must(t, bus.DeleteLetter(t.Context(), conn, 100))
		if err := conn.Broker.DeleteMessage(t.Context(), bus.StreamDLQ, 2); !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Errorf("%v", err)
		}
		info, err := bus.Info(t.Context(), conn, bus.StreamDLQ)
		if err != nil || info.Messages != 2 || info.First != 1 || info.Last != 3 {
			t.Errorf("%+v %v", info, err)
		}
		must(t, bus.DeleteLetter(t.Context(), conn, 1))
		if info, err = bus.Info(t.Context(), conn, bus.StreamDLQ); err != nil || info.First != 3 {
			t.Errorf("%+v %v", info, err)
		}
	})
	t.Run("two streams do not share a subject", func(t *testing.T) {
		err := conn.Broker.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"dlq.>"}, Storage: jetstream.FileStorage})
		if err == nil {
			t.Error("it was made")
		}
	})
	t.Run("what is asked of a stream or a consumer that is not there fails by name", func(t *testing.T) {
		ctx := t.Context()
		_, infoErr := bus.Info(ctx, conn, "NONE")
		_, consumerErr := conn.Broker.EnsureConsumer(ctx, "NONE", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
		for _, err := range []error{infoErr, consumerErr, conn.Broker.Purge(ctx, "NONE", 3), conn.Broker.UpdateStream(ctx, jetstream.StreamConfig{Name: "NONE", Subjects: []string{"none"}})} {
			if !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Errorf("%v", err)
			}
		}
		if err := conn.Broker.DeleteConsumer(ctx, bus.StreamDLQ, "none"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
			t.Errorf("%v", err)
		}
		if err := conn.Broker.Pull(ctx, bus.StreamDLQ, "none", bus.PullRequest{Batch: 1, Expires: time.Second}, nil); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a consumer gives no more than may be unacknowledged, and what is deleted does not count", func(t *testing.T) {
		_, err := conn.Broker.EnsureConsumer(t.Context(), bus.StreamDLQ, jetstream.ConsumerConfig{Durable: "few", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1})
		must(t, err)
		var seqs []uint64
		take := func() int {
			seqs = nil
			must(t, conn.Broker.Pull(t.Context(), bus.StreamDLQ, "few", bus.PullRequest{Batch: 5, Expires: 100 * time.Millisecond}, func(d bus.Delivery) error {
				seqs = append(seqs, d.Seq)
				return nil
			}))
			return len(seqs)
		}
		for range 2 {
			must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: "dlq.p.data", Body: []byte("{}")}))
		}
		if n := take(); n != 1 {
			t.Fatalf("%d messages at first", n)
		}
		first := seqs[0]
		if n := take(); n != 0 {
			t.Errorf("%d messages while one is not acknowledged", n)
		}
		must(t, bus.DeleteLetter(t.Context(), conn, first))
		eventually(t, "the next message", func() bool { return take() == 1 && seqs[0] > first })
	})
	t.Run("a pull ends with the error of who handles, and the message comes again", func(t *testing.T) {
		facts := []string{bus.FactJobBound}
		must(t, bus.EnsureWorker(t.Context(), conn, "heir", facts))
		must(t, bus.Publish(t.Context(), conn, bus.FlowMessage(bus.NewEnvelope("p", 1, &flowv1.JobBound{}))))
		dies := errors.New("dies with the fact in its hands")
		dead := b.conn(t)
		var took bus.Delivery
		err := dead.Broker.Pull(t.Context(), bus.StreamFlow, "heir", bus.PullRequest{Batch: 8, Expires: 20 * time.Second}, func(d bus.Delivery) error {
			took = d
			return dies
		})
		if !errors.Is(err, dies) || took.Seq == 0 {
			t.Fatalf("%v %d", err, took.Seq)
		}
		dead.Close()
		var n notes
		work(t, conn, bus.Worker{Durable: "heir", Facts: facts, Handler: func(_ context.Context, e *flowv1.Envelope) error {
			n.note(e.GetId())
			return nil
		}})
		e, err := bus.ParseEnvelope(took.Data)
		must(t, err)
		eventually(t, "the fact at its heir", func() bool { return n.count(e.GetId()) == 1 })
		if err := took.Ack(); err == nil {
			t.Error("an acknowledgement went out over a connection that is closed")
		}
	})
}
