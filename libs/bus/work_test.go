package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// notes counts what a handler was given.
type notes struct {
	mu   sync.Mutex
	seen map[string]int
}

func (n *notes) note(id string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]int{}
	}
	n.seen[id]++
	return n.seen[id]
}

func (n *notes) count(id string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[id]
}

// work runs a worker until the test ends and fails the test when it returns before, or with an error.
func work(t *testing.T, conn *bus.Conn, w bus.Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w.Logger = testkit.Logger(t)
	go func() { done <- bus.Work(ctx, conn, w) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func sealed(chunk string) bus.Message {
	return bus.FlowMessage(bus.NewEnvelope("p", 1, &flowv1.ChunkSealed{Chunk: chunk}))
}

func TestWork(t *testing.T) {
	t.Parallel()
	everywhere(t, testWork)
}

func testWork(t *testing.T, start func(t *testing.T) side) {
	sealedOnly := []string{bus.FactChunkSealed}
	byChunk := func(n *notes) bus.Handler {
		return func(_ context.Context, e *flowv1.Envelope) error {
			n.note(e.GetChunkSealed().GetChunk())
			return nil
		}
	}
	setup := func(t *testing.T) (*bus.Conn, side) {
		t.Helper()
		b := start(t)
		conn := b.conn(t)
		must(t, bus.EnsureFlow(t.Context(), conn, limits))
		return conn, b
	}

	t.Run("hands over the facts asked for and no others, once", func(t *testing.T) {
		conn, _ := setup(t)
		var n notes
		work(t, conn, bus.Worker{Durable: "w", Facts: []string{bus.FactChunkSealed, bus.FactJobFinished}, Handler: func(_ context.Context, e *flowv1.Envelope) error {
			n.note(bus.FactOf(e))
			return nil
		}})
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{
			bus.FlowMessage(bus.NewEnvelope("p", 1, &flowv1.JobBound{})), sealed("a"),
			bus.FlowMessage(bus.NewEnvelope("q", 1, &flowv1.JobFinished{})), sealed("b"),
		}))
		eventually(t, "all facts", func() bool { return n.count(bus.FactChunkSealed) == 2 && n.count(bus.FactJobFinished) == 1 })
		if n.count(bus.FactJobBound) != 0 {
			t.Error("a fact came that nobody asked for")
		}
	})
	t.Run("two instances divide the facts", func(t *testing.T) {
		conn, _ := setup(t)
		var n notes
		for range 2 {
			work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&n)})
		}
		for i := range 50 {
			must(t, bus.Publish(t.Context(), conn, sealed(fmt.Sprint(i))))
		}
		eventually(t, "fifty facts", func() bool {
			for i := range 50 {
				if n.count(fmt.Sprint(i)) == 0 {
					return false
				}
			}
			return true
		})
		for i := range 50 {
			if n.count(fmt.Sprint(i)) != 1 {
				t.Errorf("fact %d came %d times", i, n.count(fmt.Sprint(i)))
			}
		}
	})
	t.Run("brings again what the handler failed or panicked on", func(t *testing.T) {
		conn, _ := setup(t)
		var n notes
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: func(_ context.Context, e *flowv1.Envelope) error {
			chunk := e.GetChunkSealed().GetChunk()
			if n.note(chunk) == 1 {
				if chunk == "panics" {
					panic("on purpose")
				}
				return errors.New("on purpose")
			}
			return nil
		}})
		must(t, bus.PublishBatch(t.Context(), conn, []bus.Message{sealed("fails"), sealed("panics"), sealed("other")}))
		eventually(t, "the second delivery", func() bool { return n.count("fails") == 2 && n.count("panics") == 2 && n.count("other") == 2 })
	})
	t.Run("what is acknowledged does not come to the next run", func(t *testing.T) {
		conn, _ := setup(t)
		var first, second notes
		stop := work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&first)})
		must(t, bus.Publish(t.Context(), conn, sealed("a")))
		eventually(t, "the first fact", func() bool { return first.count("a") == 1 })
		stop()
		must(t, bus.Publish(t.Context(), conn, sealed("b")))
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&second)})
		eventually(t, "the second fact", func() bool { return second.count("b") == 1 })
		if second.count("a") != 0 {
			t.Error("the first fact came again")
		}
	})
	t.Run("passes over what nobody can read", func(t *testing.T) {
		conn, b := setup(t)
		var n notes
		subject := bus.FlowSubject("p", bus.FactChunkSealed)
		for _, body := range []string{"", "\xff\xff", "not protobuf"} {
			must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: subject, Body: []byte(body)}))
		}
		must(t, bus.Publish(t.Context(), conn, sealed("a")))
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&n)})
		eventually(t, "the fact behind them", func() bool { return n.count("a") == 1 })
		eventually(t, "their acknowledgement", func() bool {
			_, unacknowledged := b.consumer(t, bus.StreamFlow, "w")
			return unacknowledged == 0
		})
	})
	t.Run("waits for a FLOW that is not there yet", func(t *testing.T) {
		conn := start(t).conn(t)
		var n notes
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&n)})
		must(t, bus.EnsureFlow(t.Context(), conn, limits))
		must(t, bus.Publish(t.Context(), conn, sealed("a")))
		eventually(t, "the fact", func() bool { return n.count("a") == 1 })
	})
	t.Run("survives that FLOW is deleted and made again", func(t *testing.T) {
		conn, b := setup(t)
		var n notes
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&n)})
		must(t, bus.Publish(t.Context(), conn, sealed("a")))
		eventually(t, "a fact before", func() bool { return n.count("a") == 1 })
		b.forget(t, bus.StreamFlow)
		must(t, bus.EnsureFlow(t.Context(), conn, limits))
		must(t, bus.Publish(t.Context(), conn, sealed("b")))
		eventually(t, "a fact after", func() bool { return n.count("b") == 1 })
	})
	t.Run("survives that its consumer is deleted", func(t *testing.T) {
		conn, b := setup(t)
		var n notes
		work(t, conn, bus.Worker{Durable: "w", Facts: sealedOnly, Handler: byChunk(&n)})
		must(t, bus.Publish(t.Context(), conn, sealed("a")))
		eventually(t, "a fact before", func() bool { return n.count("a") >= 1 })
		must(t, b.conn(t).Broker.DeleteConsumer(t.Context(), bus.StreamFlow, "w"))
		must(t, bus.Publish(t.Context(), conn, sealed("b")))
		eventually(t, "a fact after", func() bool { return n.count("b") >= 1 })
	})
	t.Run("an existing consumer is given new facts", func(t *testing.T) {
		conn, b := setup(t)
		for _, facts := range [][]string{sealedOnly, {bus.FactJobBound, bus.FactChunkSealed}} {
			must(t, bus.EnsureWorker(t.Context(), conn, "w", facts))
			if filters, _ := b.consumer(t, bus.StreamFlow, "w"); len(filters) != len(facts) {
				t.Errorf("%q", filters)
			}
		}
	})
	t.Run("a worker that cannot work says so at once", func(t *testing.T) {
		conn := start(t).conn(t)
		for _, w := range []bus.Worker{
			{Durable: "w", Facts: sealedOnly},
			{Durable: "w", Handler: byChunk(&notes{})},
			{Durable: "a.b", Facts: sealedOnly, Handler: byChunk(&notes{})},
		} {
			if err := bus.Work(t.Context(), conn, w); err == nil {
				t.Errorf("%+v works", w)
			}
		}
	})
}

func TestEnvelope(t *testing.T) {
	facts := []bus.Fact{
		&flowv1.ChunkSealed{}, &flowv1.ChunkAnswered{}, &flowv1.JobBound{}, &flowv1.JobSubmitted{},
		&flowv1.JobFinished{}, &flowv1.ChunkReconciled{}, &flowv1.RowsResolved{}, &flowv1.ReplayOrdered{}, &flowv1.DefinitionChanged{},
	}
	t.Run("every fact of the envelope has its subject and comes back", func(t *testing.T) {
		for i, fact := range facts {
			e := bus.NewEnvelope("contacts", 3, fact)
			m := bus.FlowMessage(e)
			got, err := bus.ParseEnvelope(m.Body)
			must(t, err)
			if m.Subject != "flow.contacts."+bus.Facts()[i] || m.MsgID != e.GetId() || bus.FactOf(got) != bus.Facts()[i] || got.GetRevision() != 3 {
				t.Errorf("%T: %s", fact, m.Subject)
			}
		}
		oneof := (&flowv1.Envelope{}).ProtoReflect().Descriptor().Oneofs().ByName("fact")
		if oneof.Fields().Len() != len(facts) {
			t.Errorf("the envelope has %d facts, %d are known here", oneof.Fields().Len(), len(facts))
		}
	})
	t.Run("an envelope without fact or pipeline is refused", func(t *testing.T) {
		if _, err := bus.ParseEnvelope(nil); err == nil {
			t.Error("an empty body is a fact")
		}
		e := bus.NewEnvelope("p", 1, &flowv1.JobBound{})
		m := bus.FlowMessage(e)
		if _, err := bus.ParseEnvelope(m.Body[:len(m.Body)/2]); err == nil {
			t.Error("half an envelope is a fact")
		}
	})
}
