package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

func TestPartitions(t *testing.T) {
	t.Parallel()
	t.Run("records have a partition for each month, made ahead; a month that began in the default one stays there", func(t *testing.T) {
		t.Parallel()
		db := testkit.NewLedger(t)
		admin, s := db.AdminPool(t), store.New(db.Pool(t, "extractor"))
		for range 2 {
			if err := s.EnsurePartitions(t.Context(), time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
		}
		insert := `INSERT INTO extractor.records (pipeline_id, generation, idx, seq, accepted_at, key_hash, content_hash, columns)
			VALUES (1, 0, 0, 1, $1, gen_random_uuid(), gen_random_uuid(), '')`
		for _, at := range []string{"2027-01-31 23:59:59Z", "2027-02-28 12:00:00Z", "2027-03-01 00:00:00Z"} {
			if _, err := admin.Exec(t.Context(), insert, at); err != nil {
				t.Fatal(err)
			}
		}
		var january, february, rest int
		err := admin.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM extractor.records_2027_01)::int,
			(SELECT count(*) FROM extractor.records_2027_02)::int, (SELECT count(*) FROM extractor.records_default)::int`).Scan(&january, &february, &rest)
		if err != nil || january != 1 || february != 1 || rest != 1 {
			t.Fatalf("%d, %d and %d rows: %v", january, february, rest, err)
		}
		if err := s.EnsurePartitions(t.Context(), time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Errorf("a month that stays in the default partition is an error: %v", err)
		}
	})
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	t.Run("numbers of pipelines and ordinals of columns only grow, also when two instances ask at once", func(t *testing.T) {
		t.Parallel()
		s := store.New(testkit.NewLedger(t).Pool(t, "extractor"))
		type answer struct {
			id       int16
			ordinals map[string]int
			err      error
		}
		answers := make(chan answer, 8)
		for i := range 8 {
			go func() {
				columns := []string{"Id__c", "A"}
				if i%2 == 1 {
					columns = append(columns, "B")
				}
				id, ordinals, err := s.Pipeline(t.Context(), "contacts", columns)
				answers <- answer{id, ordinals, err}
			}()
		}
		seen := map[string]int{}
		for range 8 {
			a := <-answers
			if a.err != nil || a.id != 1 {
				t.Fatalf("pipeline %d: %v", a.id, a.err)
			}
			for name, n := range a.ordinals {
				if had, ok := seen[name]; ok && had != n {
					t.Errorf("column %s has ordinals %d and %d", name, had, n)
				}
				seen[name] = n
			}
		}
		if len(seen) != 3 {
			t.Errorf("columns %v", seen)
		}
	})
}

func TestLease(t *testing.T) {
	t.Parallel()
	t.Run("a reader's state is told while nobody holds its lease, as between two orders to resume it", func(t *testing.T) {
		t.Parallel()
		s := store.New(testkit.NewLedger(t).Pool(t, "extractor"))
		held, ok, err := s.Acquire(t.Context(), "contacts", "one", time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := s.Release(t.Context(), held.Fence); err != nil {
			t.Fatal(err)
		}
		if _, known, err := s.Status(t.Context(), "contacts"); err != nil || !known {
			t.Errorf("known: %v, %v", known, err)
		}
		if _, err := s.Resume(t.Context(), "contacts", store.Resumption{Incarnation: time.Now(), After: 1}); !errors.Is(err, store.ErrNotStopped) {
			t.Errorf("resume: %v, want %v", err, store.ErrNotStopped)
		}
	})
	t.Run("neither a renewal nor a commit that comes after the lease was given back takes it again", func(t *testing.T) {
		t.Parallel()
		s := store.New(testkit.NewLedger(t).Pool(t, "extractor"))
		held, ok, err := s.Acquire(t.Context(), "contacts", "one", time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := s.Renew(t.Context(), held.Fence, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context(), held.Fence); err != nil {
			t.Fatal(err)
		}
		if err := s.Renew(t.Context(), held.Fence, time.Hour); !errors.Is(err, pg.ErrLost) {
			t.Errorf("renew: %v, want %v", err, pg.ErrLost)
		}
		commit := decide.Commit{At: time.Now(), Repeats: map[string]int64{"": 1}}
		if err := s.Commit(t.Context(), held.Fence, time.Hour, store.Target{Pipeline: "contacts"}, commit, nil); !errors.Is(err, pg.ErrLost) {
			t.Errorf("commit: %v, want %v", err, pg.ErrLost)
		}
		if _, ok, err := s.Acquire(t.Context(), "contacts", "two", time.Hour); err != nil || !ok {
			t.Errorf("another one takes the lease: %v, %v; want it at once", ok, err)
		}
	})
}

func TestACommitThatOutlastsTheLeaseKeepsIt(t *testing.T) {
	t.Parallel()
	const lease = 300 * time.Millisecond
	db := testkit.NewLedger(t)
	admin, s := db.AdminPool(t), store.New(db.Pool(t, "extractor"))
	held, ok, err := s.Acquire(t.Context(), "contacts", "one", lease)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	// The row of repeats that the commit adds to is somebody else's for a while.
	slow, err := admin.BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(t.Context(), `INSERT INTO extractor.repeats (pipeline, run, n) VALUES ('contacts', '', 1)`); err != nil {
		t.Fatal(err)
	}
	committed := make(chan error, 1)
	go func() {
		commit := decide.Commit{At: time.Now(), Repeats: map[string]int64{"": 1}}
		committed <- s.Commit(t.Context(), held.Fence, lease, store.Target{Pipeline: "contacts"}, commit, nil)
	}()
	// until asks again and again, until the answer is yes.
	until := func(question string, args ...any) {
		t.Helper()
		for yes := false; !yes; {
			if err := admin.QueryRow(t.Context(), question, args...).Scan(&yes); err != nil {
				t.Fatal(err)
			}
		}
	}
	var began, ended, kept time.Time
	until(`SELECT count(*) = 0 FROM (SELECT 1 FROM extractor.readers FOR UPDATE SKIP LOCKED) free`)
	if err := admin.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&began); err != nil {
		t.Fatal(err)
	}
	until(`SELECT clock_timestamp() > $1::timestamptz`, began.Add(lease))
	if err := admin.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&ended); err != nil {
		t.Fatal(err)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if err := admin.QueryRow(t.Context(), `SELECT lease_until FROM extractor.readers`).Scan(&kept); err != nil || kept.Before(ended.Add(lease)) {
		t.Errorf("the lease lasts until %s, %v; the commit ended after %s", kept, err, ended)
	}
}

// TestFollowers: what is said of records that follow others holds as long as all who held the lease kept it.
func TestFollowers(t *testing.T) {
	t.Parallel()
	db := testkit.NewLedger(t)
	admin, s := db.AdminPool(t), store.New(db.Pool(t, "extractor"))
	want := func(t *testing.T, seq int64) { // -1 = nobody knows
		t.Helper()
		var got int64
		if err := admin.QueryRow(t.Context(), `SELECT coalesce(follower_seq, -1)::bigint FROM extractor_pub.readers`).Scan(&got); err != nil || got != seq {
			t.Errorf("it is said up to %d, %v; want %d", got, err, seq)
		}
	}
	acquire := func(t *testing.T) store.Fence {
		t.Helper()
		held, ok, err := s.Acquire(t.Context(), "contacts", "one", time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return held.Fence
	}
	commit := func(t *testing.T, f store.Fence, follower uint64) {
		t.Helper()
		if err := s.Commit(t.Context(), f, time.Hour, store.Target{Pipeline: "contacts"}, decide.Commit{At: time.Now(), Follower: follower}, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a new pipeline has none, and commits only raise it", func(t *testing.T) {
		f := acquire(t)
		want(t, 0)
		for _, seq := range []uint64{0, 7, 5} {
			commit(t, f, seq)
		}
		want(t, 7)
	})
	t.Run("the next holder of the lease goes on from there", func(t *testing.T) {
		f := acquire(t)
		want(t, 7)
		commit(t, f, 8)
		want(t, 8)
	})
	t.Run("where somebody held the lease who does not keep it nobody knows any more, whoever holds it then", func(t *testing.T) {
		if _, err := admin.Exec(t.Context(), `UPDATE extractor.readers SET epoch = epoch + 1`); err != nil {
			t.Fatal(err)
		}
		want(t, -1)
		f := acquire(t)
		want(t, -1)
		commit(t, f, 9)
		want(t, -1)
	})
}
