package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	onBoth(t, testPublish)
}

func testPublish(t *testing.T, b side) {
	conn := b.conn(t)
	t.Run("a subject without a stream is refused at the publisher", func(t *testing.T) {
		err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.nobody", Body: []byte("{}")})
		if !errors.Is(err, bus.ErrNoStream) {
			t.Errorf("%v", err)
		}
		err = bus.PublishBatch(t.Context(), conn, []bus.Message{{Subject: "records.nobody"}, {Subject: "records.nobody"}})
		if !errors.Is(err, bus.ErrNoStream) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a full stream refuses, and takes again after a purge", func(t *testing.T) {
		must(t, bus.EnsureRecords(t.Context(), conn, "full", bus.Limits{MaxBytes: 1 << 20}))
		m := bus.Message{Subject: bus.RecordsSubject("full"), Body: make([]byte, 200<<10)}
		var err error
		for range 10 {
			if err = bus.Publish(t.Context(), conn, m); err != nil {
				break
			}
		}
		if !errors.Is(err, bus.ErrFull) {
			t.Fatalf("%v", err)
		}
		if err := bus.PublishBatch(t.Context(), conn, []bus.Message{m, m, m}); err == nil {
			t.Error("a batch went into a full stream")
		}
		must(t, bus.PurgeRecords(t.Context(), conn, "full", 100))
		must(t, bus.Publish(t.Context(), conn, m))
	})
	t.Run("headers cannot break out of their line", func(t *testing.T) {
		records(t, conn, "headers")
		must(t, bus.Publish(t.Context(), conn, bus.Message{
			Subject: "records.headers", MsgID: "a\r\nX-Evil: 1", Headers: map[string]string{"Bulkhead-Key": "k\r\nX-Evil: 1"},
		}))
		m, err := bus.GetMessage(t.Context(), conn, bus.RecordsStream("headers"), 1)
		must(t, err)
		if m.Header.Get("X-Evil") != "" || !strings.HasPrefix(m.Header.Get("Bulkhead-Key"), "k") {
			t.Errorf("%v", m.Header)
		}
	})
	t.Run("a batch lands whole and in order", func(t *testing.T) {
		records(t, conn, "batch")
		var batch []bus.Message
		for i := range 2500 { // three batches for the broker
			batch = append(batch, bus.Message{Subject: "records.batch", MsgID: fmt.Sprint("id-", i), Body: fmt.Appendf(nil, "%d", i)})
		}
		must(t, bus.PublishBatch(t.Context(), conn, batch))
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream("batch")})
		for i, m := range fetch(t, r, 2500) {
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, m.Data)
			}
		}
	})
	t.Run("a batch for several streams goes to each", func(t *testing.T) {
		records(t, conn, "one")
		records(t, conn, "two")
		must(t, bus.EnsureDLQ(t.Context(), conn, limits))
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{
			{Subject: "records.one"}, {Subject: "records.one"}, {Subject: "records.two"}, {Subject: "dlq.one.data"}, {Subject: "dlq.two.code"},
		}))
		for stream, want := range map[string]uint64{"RECORDS_one": 2, "RECORDS_two": 1, "DLQ": 2} {
			if info, err := bus.Info(t.Context(), conn, stream); err != nil || info.Messages != want {
				t.Errorf("%s: %+v %v", stream, info, err)
			}
		}
	})
	t.Run("of a batch with a message that is too large nothing lands", func(t *testing.T) {
		records(t, conn, "whole")
		small, large := bus.Message{Subject: "records.whole"}, bus.Message{Subject: "records.whole", Body: make([]byte, 2<<20)}
		if err := bus.PublishBatch(t.Context(), conn, []bus.Message{small, small, large, small}); err == nil {
			t.Error("it was taken")
		}
		if info, err := bus.Info(t.Context(), conn, "RECORDS_whole"); err != nil || info.Messages != 0 {
			t.Errorf("%+v %v", info, err)
		}
		must(t, bus.PublishBatch(t.Context(), conn, nil))
	})
}

func TestStreams(t *testing.T) {
	t.Parallel()
	onBoth(t, testStreams)
}

func testStreams(t *testing.T, b side) {
	conn := b.conn(t)
	t.Run("applying them twice changes nothing, and other limits are applied", func(t *testing.T) {
		for range 2 {
			must(t, bus.EnsureFlow(t.Context(), conn, limits))
			must(t, bus.EnsureDLQ(t.Context(), conn, limits))
			records(t, conn, "p")
		}
		publish(t, conn, "p", "a")
		must(t, bus.EnsureRecords(t.Context(), conn, "p", bus.Limits{MaxBytes: 32 << 20}))
		info, err := bus.Info(t.Context(), conn, "RECORDS_p")
		if err != nil || info.MaxBytes != 32<<20 || info.Messages != 1 {
			t.Errorf("%+v %v", info, err)
		}
	})
	t.Run("records and letters refuse when full, facts make room", func(t *testing.T) {
		for stream, discard := range map[string]jetstream.DiscardPolicy{
			"FLOW": jetstream.DiscardOld, "DLQ": jetstream.DiscardNew, "RECORDS_p": jetstream.DiscardNew,
		} {
			s, err := conn.Broker.Stream(t.Context(), stream)
			must(t, err)
			c := s.Config
			if c.Discard != discard || c.Storage != jetstream.FileStorage || c.Retention != jetstream.LimitsPolicy || !c.AllowDirect || !c.AllowAtomicPublish {
				t.Errorf("%+v", c)
			}
			if (c.MaxAge != 0) != (stream == "FLOW") || stream == "FLOW" && c.MaxAge < 8*24*time.Hour {
				t.Errorf("%s is kept for %s", stream, c.MaxAge)
			}
		}
	})
	t.Run("single records cannot be deleted", func(t *testing.T) {
		if err := conn.Broker.DeleteMessage(t.Context(), "RECORDS_p", 1); err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a stream that loses its messages with the server is refused", func(t *testing.T) {
		must(t, conn.Broker.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "RECORDS_lazy", Subjects: []string{"records.lazy"}, Storage: jetstream.MemoryStorage,
		}))
		if err := bus.EnsureRecords(t.Context(), conn, "lazy", limits); err == nil || !strings.Contains(err.Error(), "RECORDS_lazy") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a name that would widen the subject is refused", func(t *testing.T) {
		for _, name := range []string{"", "a.b", "*", ">", "a b", "a\n"} {
			if err := bus.EnsureRecords(t.Context(), conn, name, limits); err == nil {
				t.Errorf("%q is taken", name)
			}
		}
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b side) {
		t.Run("what was acknowledged is there after a restart, in the same incarnation", func(t *testing.T) {
			conn := b.conn(t)
			records(t, conn, "p")
			publish(t, conn, "p", "a", "b")
			before, err := bus.Info(t.Context(), conn, "RECORDS_p")
			must(t, err)
			b.stop(t)
			if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.p"}); err == nil {
				t.Error("something took a message while the broker was away")
			}
			eventually(t, "the loss of the connection", func() bool { return !conn.Connected() })
			b.start(t)
			r := open(t, b.conn(t), bus.ReaderConfig{Stream: "RECORDS_p", Incarnation: before.Incarnation})
			if msgs := fetch(t, r, 2); string(msgs[1].Data) != "b" {
				t.Errorf("%+v", msgs)
			}
		})
	})
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	onBoth(t, testReconnect)
}

func testReconnect(t *testing.T, b side) {
	conn := b.conn(t)
	must(t, bus.EnsureFlow(t.Context(), conn, limits))
	records(t, conn, "p")
	publish(t, conn, "p", "a")
	r := open(t, conn, bus.ReaderConfig{Stream: "RECORDS_p"})
	fetch(t, r, 1)
	var n notes
	work(t, conn, bus.Worker{Durable: "w", Facts: []string{bus.FactChunkSealed}, Handler: func(_ context.Context, e *flowv1.Envelope) error {
		n.note(e.GetChunkSealed().GetChunk())
		return nil
	}})
	must(t, bus.Publish(t.Context(), conn, sealed("before")))
	eventually(t, "a fact before", func() bool { return n.count("before") > 0 })
	b.stop(t)
	b.start(t)
	eventually(t, "the connection", func() bool {
		return bus.Publish(t.Context(), conn, bus.Message{Subject: "records.p", Body: []byte("b")}) == nil
	})
	t.Run("a worker goes on after the broker was restarted", func(t *testing.T) {
		must(t, bus.Publish(t.Context(), conn, sealed("after")))
		eventually(t, "a fact after", func() bool { return n.count("after") > 0 })
	})
	t.Run("a reader goes on after the broker was restarted", func(t *testing.T) {
		var got []bus.Msg
		eventually(t, "a message after", func() bool {
			msgs, _ := r.Fetch(t.Context(), 10, 0, 100*time.Millisecond) // its consumer was in memory: an error once
			got = append(got, msgs...)
			return len(got) > 0
		})
		if got[0].Seq != 2 {
			t.Errorf("%+v", got)
		}
	})
}
