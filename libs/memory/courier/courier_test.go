package courier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/courier"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// What package bus asks of every broker is tested there, over this one too. Here is what only a test's broker has to do: virtual time, processes
// that are killed, hooks.

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test in virtual time over a courier with FLOW, DLQ and the records of p.
func bubble(t *testing.T, name string, run func(t *testing.T, c *courier.Courier, h *courier.Handle)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := courier.Open()
			h := c.As("test")
			must(t, bus.EnsureFlow(t.Context(), h.Conn(), bus.Limits{}))
			must(t, bus.EnsureDLQ(t.Context(), h.Conn(), bus.Limits{}))
			must(t, bus.EnsureRecords(t.Context(), h.Conn(), "p", bus.Limits{MaxBytes: 1 << 20}))
			run(t, c, h)
		})
	})
}

func sealed(chunk string) bus.Message {
	return bus.FlowMessage(bus.NewEnvelope("p", 1, &flowv1.ChunkSealed{Chunk: chunk}))
}

// works runs a worker until its handle is cut or the test ends; it tells what it was given, and acknowledges unless fail.
func works(t *testing.T, h *courier.Handle, fail bool, heard chan<- string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := bus.Work(ctx, h.Conn(), bus.Worker{Durable: "w", Facts: []string{bus.FactChunkSealed}, Handler: func(_ context.Context, e *flowv1.Envelope) error {
			heard <- e.GetChunkSealed().GetChunk()
			if fail {
				return errors.New("on purpose")
			}
			return nil
		}})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestTime(t *testing.T) {
	bubble(t, "what is not acknowledged comes again after the ack wait, and no sooner", func(t *testing.T, _ *courier.Courier, h *courier.Handle) {
		heard := make(chan string, 10)
		works(t, h, true, heard)
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
		start := time.Now()
		for i := range 4 {
			<-heard
			if took, want := time.Since(start), time.Duration(i)*5*time.Second; took != want {
				t.Errorf("delivery %d after %s, want %s", i+1, took, want)
			}
		}
	})
	bubble(t, "facts go after their age, records stay", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
		must(t, bus.Publish(t.Context(), h.Conn(), bus.Message{Subject: "records.p"}))
		time.Sleep(bus.FlowMaxAge - time.Nanosecond)
		if n := len(c.Messages(bus.StreamFlow)); n != 1 {
			t.Errorf("%d facts before", n)
		}
		time.Sleep(time.Nanosecond)
		info, err := bus.Info(t.Context(), h.Conn(), bus.StreamFlow)
		if err != nil || info.Messages != 0 || info.First != 2 || info.Last != 1 || len(c.Messages("RECORDS_p")) != 1 {
			t.Errorf("%+v %v", info, err)
		}
	})
	bubble(t, "a reader that nobody uses is forgotten after a minute, and goes on all the same", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		r, err := bus.OpenReader(t.Context(), h.Conn(), bus.ReaderConfig{Stream: "RECORDS_p"})
		must(t, err)
		must(t, bus.Publish(t.Context(), h.Conn(), bus.Message{Subject: "records.p"}))
		time.Sleep(time.Minute)
		if n := len(c.Consumers("RECORDS_p")); n != 1 {
			t.Errorf("%d consumers after a minute", n)
		}
		time.Sleep(time.Nanosecond)
		if n := len(c.Consumers("RECORDS_p")); n != 0 {
			t.Errorf("%d consumers after more than a minute", n)
		}
		if msgs, err := r.Fetch(t.Context(), 1, 0, time.Second); err != nil || len(msgs) != 1 {
			t.Errorf("%v %v", msgs, err)
		}
		if n := len(c.Consumers("RECORDS_p")); n != 1 {
			t.Errorf("%d consumers after a fetch", n)
		}
	})
	bubble(t, "a fetch without messages takes as long as it may, and one with messages no time", func(t *testing.T, _ *courier.Courier, h *courier.Handle) {
		r, err := bus.OpenReader(t.Context(), h.Conn(), bus.ReaderConfig{Stream: "RECORDS_p"})
		must(t, err)
		start := time.Now()
		if msgs, err := r.Fetch(t.Context(), 5, 0, 7*time.Second); err != nil || len(msgs) != 0 || time.Since(start) != 7*time.Second {
			t.Errorf("%v %v after %s", msgs, err, time.Since(start))
		}
		must(t, bus.PublishBatch(t.Context(), h.Conn(), []bus.Message{{Subject: "records.p"}, {Subject: "records.p"}}))
		start = time.Now()
		if msgs, err := r.Fetch(t.Context(), 5, 0, 7*time.Second); err != nil || len(msgs) != 2 || time.Since(start) != 0 {
			t.Errorf("%v %v after %s", msgs, err, time.Since(start))
		}
	})
	bubble(t, "a stream that is made again at the same moment has another incarnation", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		before, err := bus.Info(t.Context(), h.Conn(), "RECORDS_p")
		must(t, err)
		c.Forget("RECORDS_p")
		must(t, bus.EnsureRecords(t.Context(), h.Conn(), "p", bus.Limits{}))
		_, err = bus.OpenReader(t.Context(), h.Conn(), bus.ReaderConfig{Stream: "RECORDS_p", Incarnation: before.Incarnation.Truncate(time.Microsecond)})
		var again *bus.IncarnationError
		if !errors.As(err, &again) {
			t.Errorf("%v", err)
		}
	})
	bubble(t, "a day of waiting costs next to nothing", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		heard := make(chan string, 10)
		works(t, h, false, heard)
		time.Sleep(24 * time.Hour)
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
		<-heard
		synctest.Wait()
		if k := c.Consumers(bus.StreamFlow); len(k) != 1 || k[0].Unacknowledged != 0 || k[0].Waiting != 1 {
			t.Errorf("%+v", k)
		}
	})
}

func TestCut(t *testing.T) {
	bubble(t, "what a killed instance was given comes to another after the ack wait", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		victim := c.As("victim")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		taken, ended := make(chan string), make(chan struct{})
		go func() {
			defer close(ended)
			_ = bus.Work(ctx, victim.Conn(), bus.Worker{Durable: "w", Facts: []string{bus.FactChunkSealed}, Handler: func(_ context.Context, e *flowv1.Envelope) error {
				taken <- e.GetChunkSealed().GetChunk()
				return nil
			}})
		}()
		must(t, bus.PublishBatch(t.Context(), h.Conn(), []bus.Message{sealed("a"), sealed("b")}))
		start := time.Now()
		synctest.Wait() // it has a in its hands and b behind it
		victim.Cut(errors.New("killed"))
		if got := <-taken; got != "a" {
			t.Errorf("%s", got)
		}
		cancel()
		<-ended
		heard := make(chan string, 10)
		works(t, c.As("other"), false, heard)
		got := []string{<-heard, <-heard}
		slices.Sort(got)
		if time.Since(start) != 5*time.Second || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%v after %s", got, time.Since(start))
		}
	})
	bubble(t, "every call fails, one that waits too, and says whose it was", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		victim := c.As("poller-1")
		r, err := bus.OpenReader(t.Context(), victim.Conn(), bus.ReaderConfig{Stream: "RECORDS_p"})
		must(t, err)
		gone := errors.New("killed")
		read := make(chan error)
		go func() {
			_, err := r.Fetch(t.Context(), 1, 0, time.Hour)
			read <- err
		}()
		synctest.Wait()
		start := time.Now()
		victim.Cut(gone)
		for _, err := range []error{<-read, bus.Publish(t.Context(), victim.Conn(), sealed("a")), bus.EnsureFlow(t.Context(), victim.Conn(), bus.Limits{})} {
			if !errors.Is(err, gone) || !strings.Contains(err.Error(), "poller-1") {
				t.Errorf("%v", err)
			}
		}
		if victim.Connected() || !h.Connected() || time.Since(start) != 0 {
			t.Errorf("connected %v, other %v, after %s", victim.Connected(), h.Connected(), time.Since(start))
		}
	})
}

func TestHooks(t *testing.T) {
	on := func(op string, err error) func(context.Context, string) error {
		return func(_ context.Context, is string) error {
			if is == op {
				return err
			}
			return nil
		}
	}
	lost := errors.New("lost")
	bubble(t, "a call that is refused does nothing, one whose answer is lost is done", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		m := bus.Message{Subject: "records.p"}
		h.SetHooks(courier.Hooks{Before: on("publish records.p", lost)})
		if err := bus.Publish(t.Context(), h.Conn(), m); !errors.Is(err, lost) || len(c.Messages("RECORDS_p")) != 0 {
			t.Errorf("%v, %d messages", err, len(c.Messages("RECORDS_p")))
		}
		h.SetHooks(courier.Hooks{After: on("publish_batch records.p", lost)})
		if err := bus.PublishBatch(t.Context(), h.Conn(), []bus.Message{m, m}); !errors.Is(err, lost) || len(c.Messages("RECORDS_p")) != 2 {
			t.Errorf("%v, %d messages", err, len(c.Messages("RECORDS_p")))
		}
		h.SetHooks(courier.Hooks{})
		must(t, bus.Publish(t.Context(), h.Conn(), m))
	})
	bubble(t, "an acknowledgement that is lost brings the message again", func(t *testing.T, _ *courier.Courier, h *courier.Handle) {
		losses := 0
		h.SetHooks(courier.Hooks{Before: func(_ context.Context, op string) error {
			if op == "ack FLOW" && losses == 0 {
				losses++
				return lost
			}
			return nil
		}})
		heard := make(chan string, 10)
		works(t, h, false, heard)
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
		start := time.Now()
		<-heard
		<-heard
		if time.Since(start) != 5*time.Second {
			t.Errorf("after %s", time.Since(start))
		}
		time.Sleep(time.Minute)
		if len(heard) != 0 {
			t.Error("a third time")
		}
	})
	bubble(t, "a pull whose answer is lost brings its messages again", func(t *testing.T, _ *courier.Courier, h *courier.Handle) {
		must(t, bus.EnsureWorker(t.Context(), h.Conn(), "w", []string{bus.FactChunkSealed}))
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
		h.SetHooks(courier.Hooks{After: on("pull FLOW", lost)})
		given := 0
		pull := func() error {
			return h.Pull(t.Context(), bus.StreamFlow, "w", bus.PullRequest{Batch: 1, Expires: 10 * time.Second}, func(d bus.Delivery) error {
				given++
				return d.Ack()
			})
		}
		if err := pull(); !errors.Is(err, lost) || given != 0 {
			t.Errorf("%v, %d given", err, given)
		}
		h.SetHooks(courier.Hooks{})
		start := time.Now()
		if err := pull(); err != nil || given != 1 || time.Since(start) != 5*time.Second {
			t.Errorf("%v, %d given after %s", err, given, time.Since(start))
		}
	})
	bubble(t, "a slow broker is waited for as long as a request may take", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		h.SetHooks(courier.Hooks{After: func(context.Context, string) error { time.Sleep(time.Minute); return nil }})
		err := bus.Publish(t.Context(), h.Conn(), bus.Message{Subject: "records.p"})
		if !errors.Is(err, context.DeadlineExceeded) || len(c.Messages("RECORDS_p")) != 1 {
			t.Errorf("%v", err)
		}
	})
}

func TestOutages(t *testing.T) {
	bubble(t, "a disk that is full refuses everything until there is room", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		c.Full(true)
		var refused *jetstream.APIError
		if err := bus.Publish(t.Context(), h.Conn(), sealed("a")); !errors.As(err, &refused) {
			t.Errorf("%v", err)
		}
		if err := bus.PublishBatch(t.Context(), h.Conn(), []bus.Message{sealed("a"), sealed("b")}); !errors.As(err, &refused) {
			t.Errorf("%v", err)
		}
		c.Full(false)
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("a")))
	})
	bubble(t, "a worker goes on when the broker is back", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		heard := make(chan string, 10)
		works(t, h, false, heard)
		synctest.Wait()
		c.Down()
		if err := bus.Publish(t.Context(), h.Conn(), sealed("a")); !errors.Is(err, nats.ErrConnectionReconnecting) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour)
		c.Up()
		must(t, bus.Publish(t.Context(), h.Conn(), sealed("b")))
		if got := <-heard; got != "b" {
			t.Errorf("%s", got)
		}
	})
	bubble(t, "what a test looks at is its own copy", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		body := []byte("body")
		must(t, bus.Publish(t.Context(), h.Conn(), bus.Message{Subject: "records.p", Body: body, Headers: map[string]string{"A": "b"}}))
		body[0] = 'x'
		m := c.Messages("RECORDS_p")[0]
		m.Data[1], m.Header["A"][0] = 'x', "x"
		if m = c.Messages("RECORDS_p")[0]; string(m.Data) != "body" || m.Header.Get("A") != "b" {
			t.Errorf("%s %v", m.Data, m.Header)
		}
	})
	bubble(t, "instances that wait are served in the order in which they asked", func(t *testing.T, c *courier.Courier, h *courier.Handle) {
		must(t, bus.EnsureWorker(t.Context(), h.Conn(), "w", []string{bus.FactChunkSealed}))
		got := make(chan string, 10)
		for i := range 3 {
			go func() {
				_ = c.As(fmt.Sprint(i)).Pull(t.Context(), bus.StreamFlow, "w", bus.PullRequest{Batch: 2, Expires: time.Second}, func(d bus.Delivery) error {
					got <- fmt.Sprint(i, ":", d.Seq)
					return d.Ack()
				})
			}()
			synctest.Wait()
		}
		var facts []bus.Message
		for i := range 6 {
			facts = append(facts, sealed(fmt.Sprint(i)))
		}
		must(t, bus.PublishBatch(t.Context(), h.Conn(), facts))
		synctest.Wait()
		var all []string
		for range 6 {
			all = append(all, <-got)
		}
		slices.Sort(all)
		if want := []string{"0:1", "0:4", "1:2", "1:5", "2:3", "2:6"}; !slices.Equal(all, want) {
			t.Errorf("%v", all)
		}
	})
}
