package bulk

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestUsage(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	t.Run("a batch is taken into account for 24 hours", func(t *testing.T) {
		var u usage
		if err := u.spend(start, 100, 1, 100); err != nil {
			t.Fatal(err)
		}
		if err := u.spend(start.Add(day-1), 100, 1, 100); err == nil {
			t.Error("the limit of batches does not hold")
		}
		if err := u.spend(start.Add(day), 100, 1, 100); err != nil {
			t.Error(err)
		}
	})
	t.Run("a batch that would break the limit of rows is not counted", func(t *testing.T) {
		var u usage
		if err := u.spend(start, 101, 9, 100); err == nil || u.at(start).batches != 0 || u.rows != 0 {
			t.Errorf("got %v, %+v", err, u)
		}
	})
	t.Run("the counts are those of the last 24 hours, whatever was spent before", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var u usage
			type spent struct {
				at   time.Time
				rows int
			}
			var all []spent
			now := start
			for range rapid.IntRange(0, 40).Draw(t, "batches") {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Hour)).Draw(t, "pause")))
				rows := rapid.IntRange(1, 500).Draw(t, "rows")
				if u.spend(now, rows, 5, 1_000) == nil {
					all = append(all, spent{now, rows})
				}
				batches, sum := 0, 0
				for _, s := range all {
					if now.Sub(s.at) < day {
						batches++
						sum += s.rows
					}
				}
				if u.batches != batches || u.rows != sum || batches > 5 || sum > 1_000 {
					t.Fatalf("got %d batches and %d rows, want %d and %d", u.batches, u.rows, batches, sum)
				}
			}
		})
	})
}

func TestQueryUsage(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	t.Run("jobs and bytes count for 24 hours", func(t *testing.T) {
		var u queryUsage
		if u.begin(start, 1) != nil || u.store(start, 1_000, 10) != nil {
			t.Fatal("the limit is reached before its time")
		}
		if u.begin(start.Add(day-1), 1) == nil || u.store(start.Add(day-1), 10*kilobyte-1_000, 10) == nil {
			t.Error("the limits do not hold")
		}
		if u.begin(start.Add(day), 1) != nil || u.store(start.Add(day), 1_000, 10) != nil {
			t.Error("yesterday still counts")
		}
	})
	t.Run("a day takes no more entries than it has minutes", func(t *testing.T) {
		var u queryUsage
		for i := range 200_000 {
			u.add(start.Add(time.Duration(i)*time.Second), 1, 1)
			u.at(start.Add(time.Duration(i) * time.Second))
		}
		if len(u.minutes) > 24*60+1 || u.jobs > 86_400+60 || int64(u.jobs) != u.bytes {
			t.Errorf("%d entries, %d jobs, %d bytes", len(u.minutes), u.jobs, u.bytes)
		}
	})
}
