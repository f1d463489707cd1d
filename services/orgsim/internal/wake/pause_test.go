package wake_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/services/orgsim/internal/wake"
)

func TestPause(t *testing.T) {
	t.Run("ends when its time is over, and no sooner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if err := wake.Pause(t.Context(), time.Minute); err != nil || time.Since(begun) != time.Minute {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
		})
	})
	t.Run("ends with its context, whatever time is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			if err := wake.Pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
		})
	})
	t.Run("of no time says at once whether the context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		if err := wake.Pause(ctx, 0); err != nil {
			t.Error(err)
		}
		cancel()
		if err := wake.Pause(ctx, -time.Second); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
