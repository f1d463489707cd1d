package trial

import (
	"strings"
	"testing"
	"time"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

func TestComplaint(t *testing.T) {
	good := func() *opsv1.GetBalanceResponse {
		return &opsv1.GetBalanceResponse{AddsUp: true, Balance: &opsv1.Balance{Accepted: 10, Landed: 10}}
	}
	t.Run("finds nothing when all have landed", func(t *testing.T) {
		if said := complaint(good(), 10); said != "" {
			t.Error(said)
		}
	})
	for name, spoil := range map[string]func(*opsv1.GetBalanceResponse){
		"a balance that does not add up": func(b *opsv1.GetBalanceResponse) { b.AddsUp = false },
		"one record that is dead":        func(b *opsv1.GetBalanceResponse) { b.Balance.Landed, b.Balance.Dead = 9, 1 },
		"one record too few":             func(b *opsv1.GetBalanceResponse) { b.Balance.Accepted, b.Balance.Landed = 9, 9 },
		"a repeat":                       func(b *opsv1.GetBalanceResponse) { b.Repeats = 1 },
		"what is unread":                 func(b *opsv1.GetBalanceResponse) { b.Unread = &opsv1.Unread{Messages: 1} },
	} {
		t.Run("finds "+name, func(t *testing.T) {
			b := good()
			spoil(b)
			if complaint(b, 10) == "" {
				t.Errorf("nothing was found in %v", b)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	t.Run("are found by name", func(t *testing.T) {
		for _, name := range []string{"landed", "size", "jobs", "abandoned", "chunks", "outcomes"} {
			if !strings.HasPrefix(queries[name], "SELECT") {
				t.Errorf("%s: %q", name, queries[name])
			}
		}
	})
}

func TestLatency(t *testing.T) {
	t.Run("is read off the sorted row", func(t *testing.T) {
		var all []time.Duration
		for i := range 100 {
			all = append(all, time.Duration(100-i)*time.Second)
		}
		if l := latency(all); l.P50 != 51 || l.P95 != 96 || l.P99 != 100 || l.Max != 100 {
			t.Errorf("%+v", l)
		}
	})
	t.Run("of one record is that record's", func(t *testing.T) {
		if l := latency([]time.Duration{time.Second}); l.P50 != 1 || l.P99 != 1 || l.Max != 1 {
			t.Errorf("%+v", l)
		}
	})
}
