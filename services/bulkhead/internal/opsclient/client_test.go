package opsclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	ops "bulkhead/services/ops/app"
)

func TestBounds(t *testing.T) {
	t.Run("a call is waited for longer than ops takes to give it up, so that ops' words arrive", func(t *testing.T) {
		c, err := New("http://127.0.0.1:1", "")
		if err != nil {
			t.Fatal(err)
		}
		if c.within <= ops.CallTimeout || c.orderWithin <= ops.OrderTimeout {
			t.Errorf("a call is waited for %s and takes ops %s, an order %s and %s", c.within, ops.CallTimeout, c.orderWithin, ops.OrderTimeout)
		}
	})
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/dead-letters:") && r.URL.Path != "/v1/dead-letters:resolve" {
			_, _ = w.Write([]byte("{}"))
			return
		}
		<-silent
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(silent) })
	c, err := New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	c.within = time.Nanosecond
	t.Run("a call that is not answered says how long it was waited for", func(t *testing.T) {
		for name, call := range map[string]func() error{
			"status":  func() error { _, _, err := c.Status(t.Context()); return err },
			"resolve": func() error { _, _, err := c.Resolve(t.Context(), &opsv1.ResolveRecordsRequest{}); return err },
		} {
			err := call()
			if _, ok := errors.AsType[*UnreachableError](err); !ok || !strings.Contains(err.Error(), "no reply within 1ns") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("an order to replay or discard letters has more time than other calls", func(t *testing.T) {
		if _, _, err := c.Replay(t.Context(), &opsv1.ReplayDeadLettersRequest{}); err != nil {
			t.Errorf("replay: %v", err)
		}
		if _, _, err := c.Discard(t.Context(), &opsv1.DiscardDeadLettersRequest{}); err != nil {
			t.Errorf("discard: %v", err)
		}
	})
	t.Run("a caller who does not wait any more is no silence of ops", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Replay(ctx, &opsv1.ReplayDeadLettersRequest{}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
