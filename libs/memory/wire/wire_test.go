package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/libs/memory/wire"
)

// served runs a test in a bubble over a network whose server answers with what it is sent, and at /slow an hour later.
func served(t *testing.T, name string, run func(t *testing.T, n *wire.Net)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := wire.Open("org")
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					w.WriteHeader(http.StatusOK)
					_ = http.NewResponseController(w).Flush()
					time.Sleep(time.Hour)
				}
				_, _ = io.Copy(w, r.Body)
			})}
			ended := make(chan error, 1)
			go func() { ended <- server.Serve(n) }()
			run(t, n)
			if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			// A network that the test closed itself ends the server before it is asked to end.
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	})
}

func send(t *testing.T, c *wire.Caller, path, body string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Transport().RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return string(got), err
}

func TestWire(t *testing.T) {
	served(t, "carries requests and replies", func(t *testing.T, n *wire.Net) {
		c := n.As("poller-1")
		defer c.Close()
		for _, body := range []string{"", "a", strings.Repeat("long", 1<<18)} {
			if got, err := send(t, c, "/", body); err != nil || got != body {
				t.Errorf("%d bytes came back as %d: %v", len(body), len(got), err)
			}
		}
	})
	served(t, "a caller that is cut off loses its request at once, and says whose it was", func(t *testing.T, n *wire.Net) {
		c, other := n.As("poller-1"), n.As("poller-2")
		defer other.Close()
		gone := errors.New("killed")
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			c.Cut(gone)
		}()
		if _, err := send(t, c, "/slow", "x"); err == nil || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if _, err := send(t, c, "/", "x"); !errors.Is(err, gone) || !strings.Contains(err.Error(), "poller-1") {
			t.Errorf("%v", err)
		}
		if got, err := send(t, other, "/", "x"); err != nil || got != "x" {
			t.Errorf("%q %v", got, err)
		}
	})
	served(t, "a connection that breaks is made again", func(t *testing.T, n *wire.Net) {
		c := n.As("poller-1")
		defer c.Close()
		for range 3 {
			if got, err := send(t, c, "/", "x"); err != nil || got != "x" {
				t.Errorf("%q %v", got, err)
			}
			c.Break()
			synctest.Wait()
		}
	})
	served(t, "a server that is gone is not reached", func(t *testing.T, n *wire.Net) {
		c := n.As("poller-1")
		defer c.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if _, err := send(t, c, "/", "x"); !errors.Is(err, wire.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}
