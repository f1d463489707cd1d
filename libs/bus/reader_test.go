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
)

func open(t *testing.T, conn *bus.Conn, c bus.ReaderConfig) *bus.Reader {
	t.Helper()
	r, err := bus.OpenReader(t.Context(), conn, c)
	must(t, err)
	t.Cleanup(func() { r.Close(context.WithoutCancel(t.Context())) })
	return r
}

// fetch reads until it has n messages.
func fetch(t *testing.T, r *bus.Reader, n int) []bus.Msg {
	t.Helper()
	var out []bus.Msg
	eventually(t, fmt.Sprintf("%d messages", n), func() bool {
		msgs, err := r.Fetch(t.Context(), n-len(out), 8<<20, 100*time.Millisecond)
		must(t, err)
		out = append(out, msgs...)
		return len(out) >= n
	})
	return out
}

func TestReader(t *testing.T) {
	t.Parallel()
	onBoth(t, testReader)
}

func testReader(t *testing.T, b side) {
	conn := b.conn(t)
	name := func(t *testing.T) string { return strings.Map(letters, t.Name()) }

	t.Run("gives messages in order from the place asked for", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a", "b", "c", "d")
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 1})
		for i, m := range fetch(t, r, 3) {
			if m.Seq != uint64(i+2) || string(m.Data) != "bcd"[i:i+1] || m.Subject != bus.RecordsSubject(p) || m.Time.IsZero() {
				t.Errorf("%+v", m)
			}
		}
		if r.After() != 4 || r.First() != 1 || r.Last() != 4 || r.Incarnation().IsZero() {
			t.Errorf("after %d, first %d, last %d", r.After(), r.First(), r.Last())
		}
	})
	t.Run("waits for the first message and no longer", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p)})
		if msgs, err := r.Fetch(t.Context(), 10, 0, 50*time.Millisecond); err != nil || len(msgs) != 0 {
			t.Fatalf("%v %v", msgs, err)
		}
		done := make(chan []bus.Msg)
		go func() {
			msgs, _ := r.Fetch(context.WithoutCancel(t.Context()), 10, 0, 20*time.Second)
			done <- msgs
		}()
		start := time.Now()
		publish(t, conn, p, "x")
		if msgs := <-done; len(msgs) != 1 || time.Since(start) > 10*time.Second {
			t.Errorf("%d messages after %s", len(msgs), time.Since(start))
		}
	})
	t.Run("bounds a batch by messages and by bytes", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		big := strings.Repeat("x", 900<<10)
		publish(t, conn, p, big, big, big, "s", "s", "s")
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p)})
		msgs, err := r.Fetch(t.Context(), 100, 1, time.Second)
		if err != nil || len(msgs) != 1 {
			t.Fatalf("%d messages, %v: one of the largest size must pass, two must not", len(msgs), err)
		}
		if msgs, err = r.Fetch(t.Context(), 100, 2<<20, time.Second); err != nil || len(msgs) < 1 || len(msgs) > 5 {
			t.Fatalf("%d messages, %v", len(msgs), err)
		}
		rest := 5 - len(msgs)
		if msgs, err = r.Fetch(t.Context(), rest, 8<<20, time.Second); err != nil || len(msgs) != rest {
			t.Fatalf("%d messages, %v", len(msgs), err)
		}
	})
	t.Run("goes on when the broker has forgotten its consumer", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a", "b")
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p)})
		fetch(t, r, 1)
		for _, consumer := range b.consumers(t, bus.RecordsStream(p)) {
			must(t, conn.Broker.DeleteConsumer(t.Context(), bus.RecordsStream(p), consumer))
		}
		if got := fetch(t, r, 1); got[0].Seq != 2 { // nobody is told: a reader that waits for room does not pull for minutes
			t.Errorf("%+v", got)
		}
	})
	t.Run("says when messages were purged that it had not read", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a", "b", "c", "d")
		must(t, bus.PurgeRecords(t.Context(), conn, p, 3))
		_, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 1})
		var gap *bus.GapError
		if !errors.As(err, &gap) || gap.Expected != 2 || gap.Got != 3 {
			t.Errorf("%v", err)
		}
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 2})
		if msgs := fetch(t, r, 2); msgs[0].Seq != 3 {
			t.Errorf("%+v", msgs)
		}
	})
	t.Run("says when all was purged that it had not read", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a", "b")
		must(t, bus.PurgeRecords(t.Context(), conn, p, 100))
		_, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 1})
		var gap *bus.GapError
		if !errors.As(err, &gap) {
			t.Errorf("%v", err)
		}
		if r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 2}); r.First() != 3 || r.Last() != 2 {
			t.Errorf("first %d, last %d", r.First(), r.Last())
		}
	})
	t.Run("says when a message in the middle is gone", func(t *testing.T) {
		must(t, bus.EnsureDLQ(t.Context(), conn, limits)) // RECORDS refuses to delete single messages
		for _, body := range []string{"a", "b", "c"} {
			must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: "dlq.p.data", Body: []byte(body)}))
		}
		b.lose(t, bus.StreamDLQ, 2)
		strict := open(t, conn, bus.ReaderConfig{Stream: bus.StreamDLQ})
		if msgs, err := strict.Fetch(t.Context(), 10, 0, time.Second); err != nil || len(msgs) != 1 {
			t.Fatalf("%v %v", msgs, err)
		}
		for range 2 {
			_, err := strict.Fetch(t.Context(), 10, 0, time.Second)
			var gap *bus.GapError
			if !errors.As(err, &gap) || gap.Expected != 2 || gap.Got != 3 {
				t.Fatalf("%v", err)
			}
		}
		if msgs := fetch(t, open(t, conn, bus.ReaderConfig{Stream: bus.StreamDLQ, AllowGaps: true}), 2); msgs[1].Seq != 3 {
			t.Errorf("%+v", msgs)
		}
	})
	t.Run("says when the stream was shortened", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a")
		_, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), After: 5})
		var short *bus.ShortenedError
		if !errors.As(err, &short) || short.After != 5 || short.Last != 1 {
			t.Errorf("%v", err)
		}
	})
	t.Run("says when the stream was made again in mid-run", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		publish(t, conn, p, "a")
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p)})
		fetch(t, r, 1)
		had := r.Incarnation()
		b.forget(t, bus.RecordsStream(p))
		records(t, conn, p)
		publish(t, conn, p, "x", "y")
		var again *bus.IncarnationError
		eventually(t, "the reader to notice", func() bool {
			msgs, err := r.Fetch(t.Context(), 10, 0, 100*time.Millisecond)
			if len(msgs) > 0 {
				t.Fatalf("messages of another stream: %+v", msgs)
			}
			return errors.As(err, &again)
		})
		if !again.Had.Equal(had) || again.Have.Equal(had) {
			t.Errorf("%v", again)
		}
		_, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), Incarnation: had})
		if !errors.As(err, &again) {
			t.Errorf("%v", err)
		}
	})
	t.Run("knows its stream by a time that lost its nanoseconds", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		info, err := bus.Info(t.Context(), conn, bus.RecordsStream(p))
		must(t, err)
		open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), Incarnation: info.Incarnation.Truncate(time.Microsecond)})
		open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p), Incarnation: info.Incarnation.Round(time.Microsecond)})
	})
	t.Run("says that there is no stream", func(t *testing.T) {
		_, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: "RECORDS_nobody"})
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("%v", err)
		}
	})
	t.Run("ends with its context and loses nothing by it", func(t *testing.T) {
		p := name(t)
		records(t, conn, p)
		r := open(t, conn, bus.ReaderConfig{Stream: bus.RecordsStream(p)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.Fetch(ctx, 10, 0, time.Minute)
			done <- err
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		publish(t, conn, p, "a")
		if msgs := fetch(t, r, 1); msgs[0].Seq != 1 {
			t.Errorf("%+v", msgs)
		}
	})
}

// letters keeps what can be in a pipeline's name.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r
	}
	return '-'
}

func TestGetMany(t *testing.T) {
	t.Parallel()
	onBoth(t, testGetMany)
}

func testGetMany(t *testing.T, b side) {
	conn := b.conn(t)
	records(t, conn, "p")
	var batch []bus.Message
	for i := range 700 {
		batch = append(batch, bus.Message{
			Subject: bus.RecordsSubject("p"), Body: fmt.Appendf(nil, "%d", i+1), Headers: map[string]string{"Bulkhead-Run": "r"},
		})
	}
	must(t, bus.PublishBatch(t.Context(), conn, batch))

	t.Run("finds what is near and what is far", func(t *testing.T) {
		seqs := []uint64{700, 1, 2, 3, 9, 300, 301, 302, 650, 650, 0}
		got, err := bus.GetMany(t.Context(), conn, bus.RecordsStream("p"), seqs)
		must(t, err)
		if len(got) != 9 {
			t.Errorf("%d messages", len(got))
		}
		for _, seq := range seqs {
			m := got[seq]
			if seq > 0 && (m.Seq != seq || string(m.Data) != fmt.Sprint(seq) || m.Subject != "records.p" || bus.Run(m.Header) != "r" || m.Time.IsZero()) {
				t.Errorf("%d: %+v", seq, m)
			}
		}
	})
	t.Run("reads a long range in several batches", func(t *testing.T) {
		var all []uint64
		for seq := range uint64(700) {
			all = append(all, seq+1)
		}
		got, err := bus.GetMany(t.Context(), conn, bus.RecordsStream("p"), all)
		must(t, err)
		if len(got) != 700 {
			t.Errorf("%d messages", len(got))
		}
	})
	t.Run("leaves out what is not there", func(t *testing.T) {
		must(t, bus.PurgeRecords(t.Context(), conn, "p", 100))
		got, err := bus.GetMany(t.Context(), conn, bus.RecordsStream("p"), []uint64{98, 99, 100, 701, 5000})
		must(t, err)
		if len(got) != 1 || got[100].Seq != 100 {
			t.Errorf("%v", got)
		}
		if _, err := bus.GetMessage(t.Context(), conn, bus.RecordsStream("p"), 99); !errors.Is(err, bus.ErrNoMessage) {
			t.Errorf("%v", err)
		}
	})
	t.Run("goes on behind the broker's bound of bytes", func(t *testing.T) {
		records(t, conn, "big")
		body := strings.Repeat("x", 900<<10)
		var seqs []uint64
		for seq := range uint64(40) {
			publish(t, conn, "big", body)
			seqs = append(seqs, seq+1)
		}
		got, err := bus.GetMany(t.Context(), conn, bus.RecordsStream("big"), seqs)
		must(t, err)
		if len(got) != 40 {
			t.Errorf("%d messages", len(got))
		}
	})
	t.Run("says that there is no stream", func(t *testing.T) {
		if _, err := bus.GetMessage(t.Context(), conn, "RECORDS_nobody", 1); err == nil || errors.Is(err, bus.ErrNoMessage) {
			t.Errorf("%v", err)
		}
	})
}
