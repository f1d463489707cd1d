package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

func TestClock(t *testing.T) {
	t.Parallel()
	db := testkit.NewLedger(t).Pool(t, "poller")
	clock := pg.ClockOf(db)
	t.Run("it is the ledger's, in UTC, and goes on", func(t *testing.T) {
		var before, after time.Time
		ask := func(at *time.Time) {
			t.Helper()
			if err := db.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(at); err != nil {
				t.Fatal(err)
			}
		}
		ask(&before)
		at, err := clock(t.Context())
		ask(&after)
		if err != nil || at.Before(before) || at.After(after) || at.Location() != time.UTC {
			t.Errorf("%s (%v), want between %s and %s", at, err, before, after)
		}
	})
	t.Run("a ledger that cannot be asked gives no time", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if at, err := clock(ctx); !errors.Is(err, context.Canceled) || !at.IsZero() {
			t.Errorf("%s, %v", at, err)
		}
	})
}
