package acceptance

import (
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/inprocess"
)

// TestNothingIsAskedOfTheLedgerAtRest: services wait for events. What they ask the ledger without one are their sweeps, of which each has few.
func TestNothingIsAskedOfTheLedgerAtRest(t *testing.T) {
	t.Parallel()
	const sweep = 30 * time.Second // the default of every service
	s := newStack(t, func(o *inprocess.Options) { o.Sweep = sweep })
	s.publish("contacts", "", frame("C", 100), true)
	if b := s.settle("contacts", 100); b.Landed != 100 {
		t.Fatalf("%+v", b)
	}
	t.Run("a run without a failure makes no retry, no waiting record and no dead letter", func(t *testing.T) {
		info, err := bus.Info(t.Context(), s.Conn, bus.StreamDLQ)
		if err != nil || info.Last != 0 {
			t.Errorf("%d messages were ever in the DLQ stream, %v", info.Last, err)
		}
		if n := s.number(`SELECT (SELECT count(*) FROM retrier.chunks) + (SELECT count(*) FROM retrier.waiting) + (SELECT count(*) FROM reconciler.failures)`); n != 0 {
			t.Errorf("%d rows", n)
		}
		if jobs := s.Sim.Jobs(); len(jobs) > 2 {
			t.Errorf("%d jobs for two lanes", len(jobs))
		}
	})
	t.Run("the ledger comes to rest: what is left are the sweeps, so many a second whatever was carried", func(t *testing.T) {
		transactions := func() int64 {
			return s.number(`SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`)
		}
		// PostgreSQL tells of a session's transactions up to ten seconds late: what it says first is still of the work.
		window := time.NewTicker(2 * time.Second)
		defer window.Stop()
		for range 12 {
			before, begin := transactions(), time.Now()
			<-window.C
			per := float64(transactions()-before) / time.Since(begin).Seconds()
			if per <= atRest {
				t.Logf("%.1f transactions a second at rest", per)
				return
			}
			t.Logf("%.1f transactions a second", per)
		}
		t.Errorf("never less than %d transactions a second: somebody polls the ledger", atRest)
	})
}

// atRest bounds what all services ask of the ledger each second while nothing happens: each of the six relays sweeps once a second, and the
// two dozen sweeps of this stack come every few seconds instead of every half minute.
const atRest = 20
