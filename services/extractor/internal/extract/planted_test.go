//go:build planted && fault

package extract

import (
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
)

// plant switches a bug on for one test. Bugs are the process's, so nothing here is parallel.
func plant(t *testing.T, bug planted.Bug) {
	t.Helper()
	if err := planted.Set(bug); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = planted.Set(planted.None) })
}

func TestPlantedBugsOfTheReader(t *testing.T) {
	t.Run("ack_before_commit loses what was read when it dies between its two transactions", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.AckBeforeCommit} {
			plant(t, bug)
			b := newBench(t, definition(defaultMap, defaultChunk))
			b.frame("", contacts(5, "n")...)
			if err := fault.Set("extractor.seal.after_commit=error@1"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fault.Set("") })
			r := b.reader("one")
			for i := 0; i < 200 && !b.decided(b.last()); i++ {
				_, _ = r.Pass(t.Context())
				b.advance(5 * time.Second)
			}
			want := map[planted.Bug]int{planted.None: 5, planted.AckBeforeCommit: 0}[bug]
			if n := b.count("SELECT count(*)::int FROM extractor.records"); n != want || !b.decided(b.last()) {
				t.Errorf("with %q the ledger holds %d records, want %d; decided: %v", bug, n, want, b.decided(b.last()))
			}
		}
	})
	t.Run("checkpoint_without_the_streams_incarnation reads on at the old place of another stream", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.CheckpointWithoutIncarnation} {
			plant(t, bug)
			b := newBench(t, definition(defaultMap, defaultChunk))
			r := b.reader("one")
			b.single("", contact("a", "A"))
			b.settle(r)
			b.must(r.Close(t.Context()))
			b.must(b.conn.JS.DeleteStream(t.Context(), bus.RecordsStream(testPipeline)))
			b.must(bus.EnsureRecords(t.Context(), b.conn, testPipeline, bus.Limits{}))
			b.single("", contact("lost", "L"))
			b.single("", contact("b", "B"))
			r = b.reader("two")
			for range 5 {
				_, _ = r.Pass(t.Context())
				b.advance(11 * time.Second)
			}
			st, _, err := b.store.Status(t.Context(), testPipeline)
			b.must(err)
			if on := bug != planted.None; (st.StoppedCode == "") != on || (b.count("SELECT count(*)::int FROM extractor.records") == 2) != on {
				t.Errorf("with %q it is stopped by %q and holds %d records", bug, st.StoppedCode, b.count("SELECT count(*)::int FROM extractor.records"))
			}
		}
	})
}
