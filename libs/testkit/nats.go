package testkit

import (
	"context"
	"testing"
	"time"

	"bulkhead/libs/local"
)

// NATS starts a NATS server with JetStream for one test; it ends with the test, and what it stored goes.
func NATS(t testing.TB) *local.NATS {
	t.Helper()
	return NATSIn(t, "")
}

// NATSIn is NATS with its streams under dir, so that a test may stop the server and start another one on the same
// streams. Empty is a temporary directory.
func NATSIn(t testing.TB, dir string) *local.NATS {
	t.Helper()
	n, err := local.StartNATS(t.Context(), local.NATSOptions{Dir: dir, Logger: Logger(t), StartTimeout: time.Minute})
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Errorf("testkit: %v", err)
		}
	})
	return n
}
