package calls_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/calls"
)

func TestTheLog(t *testing.T) {
	t.Run("numbers calls from one and completes them in place", func(t *testing.T) {
		var l calls.Log
		a, b := l.Begin(calls.Call{Endpoint: "create"}), l.Begin(calls.Call{Endpoint: "close"})
		l.End(a, func(c *calls.Call) { c.Status = 200 })
		got := l.List(calls.Filter{})
		if a != 1 || b != 2 || len(got) != 2 || got[0].Status != 200 || !got[0].Done || got[1].Done {
			t.Errorf("got %+v", got)
		}
		if got := l.List(calls.Filter{Done: true}); len(got) != 1 || got[0].N != 1 {
			t.Errorf("done: %+v", got)
		}
		if got := l.List(calls.Filter{Since: 1}); len(got) != 1 || got[0].N != 2 {
			t.Errorf("since: %+v", got)
		}
		if got := l.List(calls.Filter{Endpoint: "close", Limit: 1}); len(got) != 1 || got[0].N != 2 {
			t.Errorf("endpoint: %+v", got)
		}
	})
	t.Run("a reset goes on numbering, so a late end hits nobody", func(t *testing.T) {
		var l calls.Log
		old := l.Begin(calls.Call{})
		l.Reset()
		if n := l.Begin(calls.Call{}); n != old+1 {
			t.Errorf("got number %d", n)
		}
		l.End(old, func(c *calls.Call) { c.Status = 500 })
		if got := l.List(calls.Filter{}); len(got) != 1 || got[0].Done {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("keeps the newest and says how many are lost", func(t *testing.T) {
		var l calls.Log
		for range calls.Keep + calls.Keep/10 + 1 {
			l.Begin(calls.Call{})
		}
		if got := l.Lost(); got != calls.Keep/10 {
			t.Errorf("%d are lost", got)
		}
		got := l.List(calls.Filter{Since: calls.Keep})
		if got[0].N != calls.Keep+1 {
			t.Errorf("first is %d", got[0].N)
		}
	})
	t.Run("shortens a path that would fill the memory", func(t *testing.T) {
		var l calls.Log
		l.Begin(calls.Call{Path: "/" + strings.Repeat("ä", 10_000)})
		if got := l.List(calls.Filter{})[0].Path; len(got) > 600 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	})
	t.Run("lists any part of itself in both directions", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var l calls.Log
			n := rapid.IntRange(0, 20).Draw(t, "calls")
			if rapid.Bool().Draw(t, "after a reset") {
				l.Begin(calls.Call{})
				l.Reset()
			}
			var numbers []int64
			for range n {
				numbers = append(numbers, l.Begin(calls.Call{}))
			}
			f := calls.Filter{
				Since: rapid.Int64Range(0, 25).Draw(t, "since"), Before: rapid.Int64Range(0, 25).Draw(t, "before"),
				Limit: rapid.IntRange(0, 25).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest"),
			}
			var want []int64
			for _, number := range numbers {
				if number > f.Since && (f.Before == 0 || number < f.Before) {
					want = append(want, number)
				}
			}
			if f.Newest {
				slices.Reverse(want)
			}
			if f.Limit > 0 && len(want) > f.Limit {
				want = want[:f.Limit]
			}
			var got []int64
			for _, c := range l.List(f) {
				got = append(got, c.N)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: got %v, want %v", f, got, want)
			}
		})
	})
	t.Run("wakes who waits, and lets go when the time is up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l calls.Log
			got := make(chan []calls.Call)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { got <- l.Await(ctx, calls.Filter{Endpoint: "close"}) }()
			l.Begin(calls.Call{Endpoint: "create"})
			synctest.Wait()
			l.Begin(calls.Call{Endpoint: "close"})
			if list := <-got; len(list) != 1 || list[0].N != 2 {
				t.Errorf("got %+v", list)
			}
			go func() { got <- l.Await(ctx, calls.Filter{Endpoint: "abort"}) }()
			synctest.Wait()
			cancel()
			if list := <-got; len(list) != 0 {
				t.Errorf("got %+v", list)
			}
		})
	})
}

func TestWhatCallsDidIsKeptForSoManyRows(t *testing.T) {
	var l calls.Log
	const all = 2 * calls.KeepSaved / 200
	for n := range all {
		l.Save(calls.Saved{N: int64(n), Rows: make([]calls.SavedRow, 200)})
	}
	list, lost := l.Saved()
	if len(list)+int(lost) != all || len(list)*200 < calls.KeepSaved-200 || len(list)*200 > calls.KeepSaved+calls.KeepSaved/10 || list[len(list)-1].N != all-1 {
		t.Errorf("%d calls are kept, %d are lost, want the newest %d rows", len(list), lost, calls.KeepSaved)
	}
	l.Reset()
	if list, lost := l.Saved(); len(list) != 0 || lost != 0 {
		t.Errorf("behind a reset %d are kept and %d are lost", len(list), lost)
	}
}
