package service_test

import (
	"testing"
	"time"

	"bulkhead/libs/service"
)

func TestChance(t *testing.T) {
	t.Run("is drawn from the environment's own source", func(t *testing.T) {
		draws := []float64{0, 0.25, 0.999999}
		env := service.Env{Random: func() float64 { d := draws[0]; draws = draws[1:]; return d }}
		for _, want := range []time.Duration{0, 25, 100} {
			if got := env.Spread(100); got != want {
				t.Errorf("%d, not %d", got, want)
			}
		}
	})
	t.Run("spreads over the whole of a time where nobody gives a source", func(t *testing.T) {
		var env service.Env
		seen := map[time.Duration]bool{}
		for range 1000 {
			d := env.Spread(3)
			if d < 0 || d > 3 {
				t.Fatalf("%d is not in [0,3]", d)
			}
			seen[d] = true
		}
		if len(seen) != 4 {
			t.Errorf("of four times %d were drawn", len(seen))
		}
	})
	t.Run("spreads nothing over no time", func(t *testing.T) {
		if d := (service.Env{}).Spread(-time.Second); d != 0 {
			t.Errorf("%s", d)
		}
	})
}
