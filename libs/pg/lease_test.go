package pg_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/libs/pg"
)

func TestHold(t *testing.T) {
	t.Parallel()
	const lease = 9 * time.Second
	errAway := errors.New("the ledger is away")

	// ended waits for the end of a claim and tells after how long it came and why.
	ended := func(t *testing.T, held context.Context) (time.Duration, error) {
		t.Helper()
		began := time.Now()
		select {
		case <-held.Done():
		case <-time.After(time.Hour):
			t.Fatal("the claim did not end")
		}
		return time.Since(began), context.Cause(held)
	}
	in := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}

	in("a claim that is renewed lasts until it is released, and then nobody renews it", func(t *testing.T) {
		var renewals atomic.Int32
		held, release := pg.Hold(t.Context(), lease, func(context.Context) error { renewals.Add(1); return nil })
		time.Sleep(10*lease + time.Second)
		if n := renewals.Load(); held.Err() != nil || n != 30 {
			t.Fatalf("after ten leases: %v and %d renewals, want no end and 30", context.Cause(held), n)
		}
		release()
		time.Sleep(lease)
		if n := renewals.Load(); n != 30 || !errors.Is(context.Cause(held), context.Canceled) {
			t.Fatalf("%d renewals, ended by %v: want no more renewals, and no loss", n, context.Cause(held))
		}
	})
	in("a claim that somebody else took ends at the next renewal", func(t *testing.T) {
		held, release := pg.Hold(t.Context(), lease, func(context.Context) error { return pg.ErrLost })
		defer release()
		if after, err := ended(t, held); after != lease/3 || !errors.Is(err, pg.ErrLost) || errors.Is(err, pg.ErrLeaseOver) {
			t.Fatalf("ended after %s: %v", after, err)
		}
	})
	in("a claim that cannot be renewed ends when the lease is over that the ledger wrote last", func(t *testing.T) {
		first := true
		held, release := pg.Hold(t.Context(), lease, func(context.Context) error {
			if first {
				first = false
				time.Sleep(time.Second) // a slow answer: the lease may run since it was asked for
				return nil
			}
			return errAway
		})
		defer release()
		if after, err := ended(t, held); after != lease/3+lease || !errors.Is(err, pg.ErrLeaseOver) || errors.Is(err, pg.ErrLost) {
			t.Fatalf("ended after %s, want %s: %v", after, lease/3+lease, err)
		}
	})
	in("a claim whose renewals hang ends with its lease too", func(t *testing.T) {
		held, release := pg.Hold(t.Context(), lease, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		defer release()
		if after, err := ended(t, held); after != lease || !errors.Is(err, pg.ErrLeaseOver) {
			t.Fatalf("ended after %s: %v", after, err)
		}
	})
	in("a holder that was stopped past its lease ends with the first renewal that fails, and is given no lease more", func(t *testing.T) {
		// Two renewals succeed and one hangs past the lease without hearing its end, as everything does in a stopped process.
		renewals := 0
		held, release := pg.Hold(t.Context(), lease, func(context.Context) error {
			if renewals++; renewals < 3 {
				return nil
			}
			time.Sleep(5 * lease)
			return errAway
		})
		defer release()
		if after, err := ended(t, held); after != 2*lease/3+lease || !errors.Is(err, pg.ErrLeaseOver) {
			t.Fatalf("ended after %s, want %s: %v", after, 2*lease/3+lease, err)
		}
	})
	in("a renewal that succeeds when the lease was over already gives nothing back", func(t *testing.T) {
		held, release := pg.Hold(t.Context(), lease, func(context.Context) error { time.Sleep(2 * lease); return nil })
		defer release()
		time.Sleep(3 * lease)
		if !errors.Is(context.Cause(held), pg.ErrLeaseOver) {
			t.Fatalf("ended by %v, want %v", context.Cause(held), pg.ErrLeaseOver)
		}
	})
	in("a claim ends with the context that it was made under", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		held, release := pg.Hold(ctx, lease, func(context.Context) error { return nil })
		cancel()
		if _, err := ended(t, held); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		release()
	})
}
