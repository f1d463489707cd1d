package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/publish"
	"bulkhead/libs/testkit"
)

func TestAFullStream(t *testing.T) {
	t.Run("refuses, and what was refused goes first when there is room", func(t *testing.T) {
		b := start(t, 64<<10)
		p := b.publisher(t, publish.WithFrame(8<<10, 0))
		next, err := 0, error(nil)
		for ; err == nil && next < 1000; next++ {
			err = p.Add(t.Context(), publish.Record{Key: fmt.Sprint(next), Body: bytes.Repeat([]byte("x"), 1000)})
		}
		next-- // its Add failed: it was not taken
		if !errors.Is(err, publish.ErrFull) {
			t.Fatalf("after %d records: %v", next, err)
		}
		if err := p.Add(t.Context(), publish.Record{Key: "again", Body: []byte("{}")}); err != nil && !errors.Is(err, publish.ErrFull) {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); !errors.Is(err, publish.ErrFull) {
			t.Fatalf("%v", err)
		}
		_, before := b.records(t)
		s, err := b.js.Stream(t.Context(), "RECORDS_p")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, after := b.records(t)
		for i, k := range append(before, after...)[:next] {
			if k != fmt.Sprint(i) {
				t.Fatalf("record %d has the key %s", i, k)
			}
		}
	})
	t.Run("is waited for when that is wanted", func(t *testing.T) {
		b := start(t, 64<<10)
		waits := make(chan publish.Wait, 1)
		p := b.publisher(t, publish.WithFrame(8<<10, 0), publish.WaitWhenFull(func(w publish.Wait) {
			select {
			case waits <- w:
			default:
			}
		}))
		done := make(chan error, 1)
		const n = 300
		go func() {
			for i := range n {
				if err := p.Add(t.Context(), publish.Record{Key: fmt.Sprint(i), Body: bytes.Repeat([]byte("x"), 1000)}); err != nil {
					done <- err
					return
				}
			}
			done <- p.Close(t.Context())
		}()
		s, err := b.js.Stream(t.Context(), "RECORDS_p")
		if err != nil {
			t.Fatal(err)
		}
		late := time.After(patience)
		for running := true; running; {
			select {
			case w := <-waits:
				if !errors.Is(w.Err, publish.ErrFull) || w.Since.IsZero() || w.Pause <= 0 {
					t.Fatalf("%+v", w)
				}
				if err := s.Purge(t.Context()); err != nil {
					t.Fatal(err)
				}
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			case <-late:
				t.Fatal("it waits for ever")
			}
		}
		if got := p.Stats().Records; got != n {
			t.Errorf("%d records are stored, want %d", got, n)
		}
	})
	t.Run("ends the wait with the context", func(t *testing.T) {
		b := start(t, 64<<10)
		p := b.publisher(t, publish.WaitWhenFull(nil))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var err error
		for err == nil {
			err = p.Add(ctx, publish.Record{Body: bytes.Repeat([]byte("x"), 10_000)})
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, publish.ErrFull) {
			t.Errorf("%v", err)
		}
	})
}

func TestAServerThatGoesAway(t *testing.T) {
	dir := t.TempDir()
	server := testkit.NATSIn(t, dir)
	url := server.URL()
	b := connect(t, url)
	if err := bus.EnsureRecords(t.Context(), b.bus, "p", bus.Limits{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	var (
		mu      sync.Mutex
		retries int
		acked   int
	)
	p := b.publisher(t, publish.WithFrame(2<<10, 0), publish.WithAckTimeout(2*time.Second),
		publish.WithAck(func(a publish.Ack) { mu.Lock(); acked += a.Records; mu.Unlock() }),
		publish.WithRetry(func(publish.Wait) { mu.Lock(); retries++; mu.Unlock() }))
	const n = 20_000
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if err := p.Add(t.Context(), publish.Record{Key: fmt.Sprint(i), Body: body(i)}); err != nil {
				done <- err
				return
			}
		}
		done <- p.Close(t.Context())
	}()
	count := func() int { mu.Lock(); defer mu.Unlock(); return acked }
	for restart := 1; restart <= 3; restart++ {
		at := restart * n / 5
		eventually(t, func() bool { return count() >= at })
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		server = restarted(t, dir, url)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("%d of %d records after a minute", count(), n)
	}
	// Order: a record may come twice, with the frame that was sent again; what is new comes in order, and all of it.
	_, keys := connect(t, url).records(t)
	next, twice := 0, 0
	for _, k := range keys {
		switch {
		case k == fmt.Sprint(next):
			next++
		default:
			twice++
		}
	}
	if next != n {
		t.Errorf("the order breaks at record %d of %d", next, n)
	}
	if retries == 0 {
		t.Error("no restart was noticed: the test tests nothing")
	}
	t.Logf("%d retries, %d records stored twice, stats %+v", retries, twice, p.Stats())
}

// restarted starts a server on the same streams and the same address.
func restarted(t *testing.T, dir, url string) *local.NATS {
	t.Helper()
	var port int
	if _, err := fmt.Sscanf(url[strings.LastIndex(url, ":")+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	server, err := local.StartNATS(t.Context(), local.NATSOptions{Dir: dir, Port: port, Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	return server
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it does not happen")
		}
	}
}
