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
		for _, name := range []string{"landed", "size", "jobs", "abandoned", "chunks", "outcomes", "collections", "full", "backends", "safety", "weakened"} {
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

func TestAlwaysSyncs(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		always bool
		says   string
	}{
		"is true for a broker that says so":              {`{"jetstream":{"config":{"sync_always":true}}}`, true, ""},
		"is false for one with an interval":              {`{"jetstream":{"config":{"sync_interval":120000000000}}}`, false, ""},
		"is unknown of a broker without streams":         {`{"jetstream":{}}`, false, "does not tell of streams"},
		"is unknown of what does not look like a broker": {`hello`, false, "monitor"},
		"is unknown where the answer is of another kind": {`{"jetstream":{"config":{"sync_always":"yes"}}}`, false, "monitor"},
	} {
		t.Run(name, func(t *testing.T) {
			always, err := alwaysSyncs([]byte(c.text))
			if always != c.always || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%t, %v", always, err)
			}
		})
	}
}

func TestFlow(t *testing.T) {
	t.Run("of no records is no speed", func(t *testing.T) {
		if f := (Flow{}); f.PerSecond() != 0 {
			t.Error(f.PerSecond())
		}
	})
	t.Run("is records by time", func(t *testing.T) {
		if f := (Flow{Records: 100, Seconds: 4}); f.PerSecond() != 25 {
			t.Error(f.PerSecond())
		}
	})
}

func TestWorker(t *testing.T) {
	for title, want := range map[string]string{
		"postgres: bulkhead: autovacuum worker ledger":          "autovacuum worker",
		"postgres: bulkhead: parallel worker for PID 42":        "parallel worker",
		"postgres: bulkhead: admin ledger 127.0.0.1(4711) idle": endedBackends,
		"": endedBackends,
	} {
		t.Run("of "+title+" is "+want, func(t *testing.T) {
			if got := worker(title); got != want {
				t.Error(got)
			}
		})
	}
}
