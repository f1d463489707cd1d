package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	enter := func(t *testing.T, g gate, rows int) (took time.Duration, leave func()) {
		t.Helper()
		began := time.Now()
		leave, err := g.enter(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(began), leave
	}
	t.Run("a large chunk waits for the one before it, small ones for none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			_, leave := enter(t, g, largeRows)
			time.AfterFunc(10*time.Second, leave)
			if took, leave := enter(t, g, largeRows-1); took != 0 {
				t.Errorf("the small one waited for %s", took)
			} else {
				leave()
			}
			took, leave := enter(t, g, 3*largeRows)
			if took != 10*time.Second {
				t.Errorf("the second waited for %s", took)
			}
			leave()
			if took, _ := enter(t, g, largeRows); took != 0 {
				t.Errorf("the third waited for %s", took)
			}
		})
	})
	t.Run("nobody waits for long for a chunk that stands still, and it is not let in twice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			_, first := enter(t, g, largeRows)
			took, second := enter(t, g, largeRows)
			if took != gatePatience {
				t.Errorf("the second waited for %s", took)
			}
			second()
			if took, _ := enter(t, g, largeRows); took != gatePatience {
				t.Errorf("the third waited for %s", took)
			}
			first()
			if took, _ := enter(t, g, largeRows); took != 0 {
				t.Errorf("the fourth waited for %s", took)
			}
		})
	})
	t.Run("who is told to stop does not go in", func(t *testing.T) {
		g := newGate()
		_, leave := enter(t, g, largeRows)
		defer leave()
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		cancel(stopped)
		if _, err := g.enter(ctx, largeRows); !errors.Is(err, stopped) {
			t.Errorf("%v", err)
		}
	})
}
