//go:build planted

package streams

import (
	"fmt"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/store"
)

// Bugs are the process's, so nothing here is parallel.
func TestPlantedBugSourcePurgedWhileAChunkIsOpen(t *testing.T) {
	t.Run("source_purged_while_a_chunk_is_open lets messages go that an open chunk holds", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.SourcePurgedWhileChunkOpen} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			db := testkit.NewLedger(t)
			l := fixture.New(t, db.AdminPool(t))
			l.Define()
			conn, err := bus.Connect(testkit.NATS(t).URL(), bus.ConnectOptions{Name: "test"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conn.Close)
			s := New(Config{Store: store.New(db.Pool(t, "ops")), Conn: conn, Logger: testkit.Logger(t)})
			if err := s.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.contacts", Body: fmt.Appendf(nil, `{"id":"%d"}`, i)}); err != nil {
					t.Fatal(err)
				}
			}
			info, err := bus.Info(t.Context(), conn, "RECORDS_contacts")
			if err != nil {
				t.Fatal(err)
			}
			l.Exec(`INSERT INTO extractor.readers (pipeline, incarnation) VALUES ('contacts', $1)`, info.Incarnation)
			l.Exec(`INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES ('contacts', 0, 8, 2147483647)`)
			l.Chunk("c", "", "a", "b", "c") // open, from message 1 on
			if _, err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			info, err = bus.Info(t.Context(), conn, "RECORDS_contacts")
			want := map[planted.Bug]uint64{planted.None: 1, planted.SourcePurgedWhileChunkOpen: 9}[bug]
			if err != nil || info.First != want {
				t.Errorf("with %q the stream begins at %d, want %d: %v", bug, info.First, want, err)
			}
		}
	})
}
