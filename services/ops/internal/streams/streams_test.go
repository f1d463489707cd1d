package streams

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/store"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name string
		s    State
		want Keep
	}{
		{"nothing goes before anything is decided", State{First: 1, Last: 9, Messages: 9, Bytes: 900, MaxBytes: 1000}, Keep{Needed: 1, Room: 1}},
		{"what is decided and not needed may go", State{First: 1, Last: 9, Messages: 9, Bytes: 90, MaxBytes: 1000, Undecided: 6}, Keep{Needed: 6, Room: 1}},
		{"what an open chunk holds stays", State{First: 1, Last: 9, Messages: 9, Bytes: 90, MaxBytes: 1000, Undecided: 6, OldestNeeded: 3}, Keep{Needed: 3, Room: 1}},
		{"above half of the room the oldest part goes at once", State{First: 1, Last: 10, Messages: 10, Bytes: 800, MaxBytes: 1000, Undecided: 9}, Keep{Needed: 9, Room: 5}},
		{"never more than is decided, however full", State{First: 1, Last: 10, Messages: 10, Bytes: 1000, MaxBytes: 1000, Undecided: 3}, Keep{Needed: 3, Room: 3}},
		{"an empty stream has nothing to give", State{First: 11, Last: 10, Undecided: 11}, Keep{Needed: 11, Room: 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Decide(c.s); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("never gives away what is undecided or needed", rapid.MakeCheck(func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1000).Draw(t, "messages")
		first := rapid.Uint64Range(1, 1000).Draw(t, "first")
		s := State{
			First: first, Last: first + n - 1, Messages: n, Bytes: rapid.Uint64Range(n, n*1000).Draw(t, "bytes"), MaxBytes: rapid.Int64Range(-1, 1_000_000).Draw(t, "max"),
			Undecided: rapid.Uint64Range(0, first+n).Draw(t, "undecided"), OldestNeeded: rapid.Uint64Range(0, first+n).Draw(t, "needed"),
		}
		k := Decide(s)
		for _, from := range []uint64{k.Needed, k.Room} {
			if from > s.First && (from > s.Undecided || (s.OldestNeeded > 0 && from > s.OldestNeeded) || s.Undecided == 0) {
				t.Fatalf("%+v gives %+v", s, k)
			}
		}
	}))
}

func TestSearch(t *testing.T) {
	t.Run("finds the first message inside the horizon, over holes too", rapid.MakeCheck(func(t *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(t, "messages")
		times, gone := make([]time.Time, n), rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "gone")
		at := fixture.Noon
		for i := range times {
			at = at.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "gap")) * time.Minute)
			times[i] = at
		}
		cutoff := fixture.Noon.Add(time.Duration(rapid.IntRange(-5, 200).Draw(t, "cutoff")) * time.Minute)
		got, err := search(1, uint64(n)+1, cutoff, func(seq uint64) (time.Time, bool, error) {
			for i := int(seq) - 1; i < n; i++ {
				if !gone[i] {
					return times[i], true, nil
				}
			}
			return time.Time{}, false, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range times {
			if inside := !at.Before(cutoff); !gone[i] && inside != (uint64(i)+1 >= got) {
				t.Fatalf("message %d at %s, cutoff %s, first kept %d", i+1, at, cutoff, got)
			}
		}
	}))
}

func TestStreams(t *testing.T) {
	setup := func(t *testing.T, horizon time.Duration) (*Streams, *fixture.Ledger, *bus.Conn) {
		t.Helper()
		db := testkit.NewLedger(t)
		l := fixture.New(t, db.AdminPool(t))
		l.Define()
		conn, err := bus.Connect(testkit.NATS(t).URL(), bus.ConnectOptions{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		s := New(Config{Store: store.New(db.Pool(t, "ops")), Conn: conn, Logger: testkit.Logger(t), Horizon: horizon})
		for range 2 { // the second time there is nothing to do
			if err := s.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return s, l, conn
	}
	publish := func(t *testing.T, conn *bus.Conn, n int) {
		t.Helper()
		for i := range n {
			if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.contacts", Body: fmt.Appendf(nil, `{"id":"%d"}`, i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(l *fixture.Ledger, conn *bus.Conn, t *testing.T, marks ...int64) {
		t.Helper()
		info, err := bus.Info(t.Context(), conn, "RECORDS_contacts")
		if err != nil {
			t.Fatal(err)
		}
		l.Exec(`INSERT INTO extractor.readers (pipeline, incarnation) VALUES ('contacts', $1) ON CONFLICT (pipeline) DO UPDATE SET incarnation = $1`, info.Incarnation)
		for lane, seq := range marks {
			l.Exec(`INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES ('contacts', $1, $2, 2147483647)`, lane, seq)
		}
	}
	first := func(t *testing.T, conn *bus.Conn) uint64 {
		t.Helper()
		info, err := bus.Info(t.Context(), conn, "RECORDS_contacts")
		if err != nil {
			t.Fatal(err)
		}
		return info.First
	}
	t.Run("makes FLOW, DLQ and the stream of each pipeline with its backlog, and makes again what was deleted", func(t *testing.T) {
		s, _, conn := setup(t, 0)
		info, err := bus.Info(t.Context(), conn, "RECORDS_contacts")
		if err != nil || info.MaxBytes != 4<<20 {
			t.Fatalf("%+v, %v", info, err)
		}
		if err := conn.JS.DeleteStream(t.Context(), bus.StreamFlow); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{bus.StreamFlow, bus.StreamDLQ} {
			if _, err := bus.Info(t.Context(), conn, name); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("lets go what every lane has decided and no open chunk needs", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 10)
		if n, err := s.Purge(t.Context()); n != 0 || err != nil {
			t.Fatalf("purged %d before anything was read: %v", n, err)
		}
		read(l, conn, t, 8, 6)
		chunk := l.Chunk("c", "", "a", "b", "c") // from message 1 on
		if n, err := s.Purge(t.Context()); n != 0 || err != nil || first(t, conn) != 1 {
			t.Fatalf("purged %d under an open chunk: %v", n, err)
		}
		l.Outcome(chunk, "", "lll", fixture.Transfers{Landed: 3})
		if n, err := s.Purge(t.Context()); n != 1 || err != nil || first(t, conn) != 7 {
			t.Fatalf("purged %d, first %d: %v", n, first(t, conn), err)
		}
	})
	t.Run("keeps what an unresolved record, a part that is read again and the records found by it need", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 10)
		read(l, conn, t, 10)
		purged := func(situation string, want uint64) {
			t.Helper()
			if _, err := s.Purge(t.Context()); err != nil || first(t, conn) != want {
				t.Errorf("%s: first %d, want %d: %v", situation, first(t, conn), want, err)
			}
		}
		l.Outcome(l.Chunk("c0", "", "z"), "", "l", fixture.Transfers{Landed: 1})
		chunk := l.Chunk("c1", "", "a", "b") // from message 2 on
		l.Outcome(chunk, "", "mm", fixture.Transfers{Unresolved: 2})
		a := l.Fail(chunk, fixture.Failure{Key: "a", Class: "unresolved", Disposition: "unresolved"})
		b := l.Fail(chunk, fixture.Failure{Key: "b", Row: 1, Class: "unresolved", Disposition: "unresolved"})
		purged("unresolved", 2)
		l.Resolve(a, "landed", "003xx00000zzzzzAAA")
		purged("one of two decided", 2)
		reread := l.Reread("c2", "", "c") // message 4
		l.Exec(`INSERT INTO ops.rereads (id, pipeline, from_seq, to_seq) VALUES ($1, 'contacts', 3, 9)`, fixture.ID("reread"))
		l.Resolve(b, "not_landed", "")
		purged("decided, and ordered to be read again", 3)
		l.Exec(`INSERT INTO extractor.rereads (id, pipeline, read_seq) VALUES ($1, 'contacts', 6)`, fixture.ID("reread"))
		purged("a record of it is in a chunk", 4)
		l.Outcome(reread, "", "l", fixture.Transfers{Landed: 1})
		purged("read up to message 6", 7)
		l.Exec(`UPDATE extractor.rereads SET done_at = now()`)
		purged("done", 11)
	})
	t.Run("keeps the horizon, and shows it", func(t *testing.T) {
		s, l, conn := setup(t, time.Hour)
		publish(t, conn, 5)
		read(l, conn, t, 5)
		if n, err := s.Purge(t.Context()); n != 0 || err != nil {
			t.Fatalf("purged %d: %v", n, err)
		}
		if _, ok := s.Horizons()["contacts"]; !ok {
			t.Error("the horizon is not shown")
		}
		s.c.Horizon = time.Nanosecond // as if it had gone by
		if n, err := s.Purge(t.Context()); n != 1 || err != nil || first(t, conn) != 6 {
			t.Fatalf("purged %d, first %d: %v", n, first(t, conn), err)
		}
	})
	t.Run("touches nothing of a stream that stopped its reader, or that was made again", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 5)
		read(l, conn, t, 5)
		l.Exec(`UPDATE extractor.readers SET stopped_code = 'RECORDS_SHORTENED'`)
		if n, err := s.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("purged %d: %v", n, err)
		}
		l.Exec(`UPDATE extractor.readers SET stopped_code = '', incarnation = incarnation - interval '1 day'`)
		if n, err := s.Purge(t.Context()); n != 0 || err != nil || first(t, conn) != 1 {
			t.Errorf("purged %d: %v", n, err)
		}
	})
	t.Run("touches nothing of a stream that was put back to an earlier state, before its reader notices", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 5)
		read(l, conn, t, 5)
		m, err := bus.GetMessage(t.Context(), conn, "RECORDS_contacts", 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range []int{5, 8} { // another message stands there, and none
			l.Exec(`UPDATE extractor.readers SET witness_seq = $1, witness_stored_at = $2`, seq, m.Time.Add(-time.Hour))
			if n, err := s.Purge(t.Context()); n != 0 || err != nil || first(t, conn) != 1 {
				t.Errorf("witness %d: purged %d: %v", seq, n, err)
			}
		}
		l.Exec(`UPDATE extractor.readers SET witness_seq = 5, witness_stored_at = $1`, m.Time.Truncate(time.Microsecond))
		if n, err := s.Purge(t.Context()); n != 1 || err != nil || first(t, conn) != 6 {
			t.Errorf("purged %d, first %d: %v", n, first(t, conn), err)
		}
	})
	t.Run("makes a stream that was read before behind what was read", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 3)
		read(l, conn, t, 3, 2)
		l.Exec(`UPDATE extractor.readers SET witness_seq = 7, witness_stored_at = now()`)
		if err := conn.JS.DeleteStream(t.Context(), "RECORDS_contacts"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		publish(t, conn, 1)
		if got := first(t, conn); got != 8 {
			t.Errorf("its first message is %d, want 8", got)
		}
	})
	t.Run("leaves a stream as it is whose reader has stopped, for a person may be storing messages of it again", func(t *testing.T) {
		s, l, conn := setup(t, 0)
		publish(t, conn, 3)
		read(l, conn, t, 3)
		l.Exec(`UPDATE extractor.readers SET stopped_code = 'STREAM_SHORTENED'`)
		_, err := bus.StoreAgain(t.Context(), conn, "contacts", func(info bus.StreamInfo) (bus.Again, error) {
			return bus.Again{From: 2, Through: info.Last, Behind: 5}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		takes := func() bool {
			return bus.Publish(t.Context(), conn, bus.Message{Subject: "records.contacts", Body: []byte(`{"id":"x"}`)}) == nil
		}
		if err := s.Apply(t.Context()); err != nil || takes() {
			t.Errorf("publishers are let in meanwhile (%v)", err)
		}
		l.Exec(`UPDATE extractor.readers SET stopped_code = ''`)
		if err := s.Apply(t.Context()); err != nil || !takes() {
			t.Errorf("publishers are not let in afterwards (%v)", err)
		}
		if info, err := bus.Info(t.Context(), conn, "RECORDS_contacts"); err != nil || info.Last != 8 || info.MaxBytes != 4<<20 {
			t.Errorf("%+v, %v", info, err)
		}
	})
}
