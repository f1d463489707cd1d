package fault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/fault"
)

func TestWindows(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := fault.Set{Now: func() time.Time { return now }}
	add(t, &s, `[{"match":{"from":"1m","for":"30s"},"effect":{"kind":"org_down"}}]`)
	limits := fault.Subject{Endpoint: fault.Limits}
	for _, tc := range []struct {
		does string
		at   time.Duration
		want string
	}{
		{"sleeps before its time", 59 * time.Second, ".."},
		{"strikes every call in it", 60 * time.Second, "xx"},
		{"strikes until the last moment", 90*time.Second - 1, "xx"},
		{"is over when it is over", 90 * time.Second, ".."},
	} {
		t.Run("a rule with a window "+tc.does, func(t *testing.T) {
			start := now
			now = start.Add(tc.at)
			defer func() { now = start }()
			if got := hits(&s, limits, 2); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("a rule that begins late and has no end strikes as often as it may", func(t *testing.T) {
		start := now
		defer func() { now = start }()
		s := fault.Set{Now: func() time.Time { return now }}
		add(t, &s, `[{"match":{"from":"1h"},"times":2,"effect":{"kind":"drop_after"}}]`)
		first := hits(&s, limits, 1)
		now = now.Add(time.Hour)
		if got := first + hits(&s, limits, 3); got != ".xx." {
			t.Errorf("got %s", got)
		}
	})
}

func TestRequestKinds(t *testing.T) {
	for _, tc := range []struct{ does, rules, endpoint, method, want string }{
		{"an org that is down is down for tokens too", `[{"times":0,"effect":{"kind":"org_down"}}]`, "token", "POST", "xx"},
		{"a limit never strikes the token endpoint", `[{"times":0,"effect":{"kind":"quota"}}]`, "token", "POST", ".."},
		{"nor the free list of versions", `[{"times":0,"effect":{"kind":"quota"}}]`, "versions", "GET", ".."},
		{"a limit strikes all else", `[{"times":0,"effect":{"kind":"quota","quota":"long_txn"}}]`, "info", "GET", "xx"},
		{"a limit of jobs strikes a create", `[{"times":0,"effect":{"kind":"quota","quota":"jobs"}}]`, "create", "POST", "xx"},
		{"a limit of jobs leaves the rest alone", `[{"times":0,"effect":{"kind":"quota","quota":"jobs"}}]`, "close", "PATCH", ".."},
		{"a method tells calls to one endpoint apart", `[{"match":{"method":"PATCH"},"times":0,"effect":{"kind":"drop_after"}}]`, "record", "PATCH", "xx"},
		{"another method is left alone", `[{"match":{"method":"PATCH"},"times":0,"effect":{"kind":"drop_after"}}]`, "record", "GET", ".."},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var s fault.Set
			add(t, &s, tc.rules)
			if got := hits(&s, fault.Subject{Endpoint: fault.Endpoint(tc.endpoint), Method: tc.method}, 2); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("a session that ends goes together with what follows it", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"effect":{"kind":"expire_token"}},{"effect":{"kind":"drop_after"}},{"effect":{"kind":"drop_before"}}]`)
		got := s.Request(fault.Subject{Endpoint: fault.Info})
		if len(got) != 2 || got[0].Effect.Kind != fault.ExpireToken || got[1].Effect.Kind != fault.DropAfter {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLockStorms(t *testing.T) {
	sub := fault.Subject{Object: "Contact", Job: "750000000000001AAA"}
	child := func(key string, parents ...string) fault.Line {
		return fault.Line{Key: key, Names: func() []string { return []string{key} }, Cell: func(string) (string, bool) { return "", false }, Parents: func() []string { return parents }}
	}
	t.Run("the error names the parent as Salesforce does", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"times":0,"effect":{"kind":"lock_storm"}}]`)
		const want = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001000000000001:--"
		if got := s.Rows(sub).Error(child("a", "001000000000001", "001000000000002")); got != want {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a row without parents is named by nothing", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"times":0,"effect":{"kind":"lock_storm"}}]`)
		for _, line := range []fault.Line{child("a"), {Key: "a", Names: child("a").Names}} {
			if got := s.Rows(sub).Error(line); got != "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--" {
				t.Errorf("got %q", got)
			}
		}
	})
	t.Run("all children of a parent meet the same, and a fraction of the parents is struck", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"match":{"fraction":0.4,"seed":9},"times":0,"effect":{"kind":"lock_storm"}}]`)
		rows, struck := s.Rows(sub), 0
		for p := range 200 {
			parent := fmt.Sprintf("001%012d", p)
			first := rows.Error(child("first of "+parent, parent))
			if second := rows.Error(child("second of "+parent, parent)); second != first {
				t.Fatalf("children of %s: %q and %q", parent, first, second)
			}
			if first != "" {
				struck++
			}
		}
		if struck < 50 || struck > 110 {
			t.Errorf("%d of 200 parents were struck", struck)
		}
	})
	t.Run("a storm that strikes each row once is healed by a retry", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"times_per_key":1,"effect":{"kind":"lock_storm"}}]`)
		if first, again := s.Rows(sub).Error(child("a", "001000000000001")), s.Rows(sub).Error(child("a", "001000000000001")); first == "" || again != "" {
			t.Errorf("got %q, then %q", first, again)
		}
	})
	t.Run("a storm is over after its rows", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"times":3,"effect":{"kind":"lock_storm"}}]`)
		struck := 0
		for i := range 10 {
			if s.Rows(sub).Error(child(fmt.Sprint(i))) != "" {
				struck++
			}
		}
		if struck != 3 {
			t.Errorf("%d rows were struck", struck)
		}
	})
}

func TestResultsAreDistorted(t *testing.T) {
	sub := fault.Subject{Object: "Contact", Job: "750000000000001AAA"}
	line := fault.Line{Key: "a", Names: func() []string { return []string{"a"} }}
	t.Run("a row is rewritten and doubled, and the earlier rule has the say over a column", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"effect":{"kind":"rewrite_rows","columns":{"sf__Id":"1"}}},{"effect":{"kind":"double_rows"}},
			{"effect":{"kind":"rewrite_rows","columns":{"sf__Id":"2","Name":"n"}}}]`)
		got := s.Rows(sub).Result(line)
		if !got.Doubled || got.Lost || len(got.Rewrite) != 2 || got.Rewrite["sf__Id"] != "1" || got.Rewrite["Name"] != "n" {
			t.Errorf("got %+v", got)
		}
		if again := s.Rows(sub).Result(line); again.Doubled || again.Rewrite != nil {
			t.Errorf("then %+v", again)
		}
	})
	t.Run("a row that is lost is nothing else", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"effect":{"kind":"double_rows"}},{"effect":{"kind":"lose_rows"}}]`)
		if got := s.Rows(sub).Result(line); !got.Lost || got.Doubled {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("foreign rows come with the texts that were chosen", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"effect":{"kind":"foreign_rows","rows":2}},{"effect":{"kind":"foreign_rows","columns":{"sf__Id":"x"}}}]`)
		got := s.Foreign(sub)
		if len(got) != 3 || got[0] != nil || got[1] != nil || got[2]["sf__Id"] != "x" || s.Foreign(sub) != nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestEveryKindIsTakenWithItsLeast(t *testing.T) {
	least := map[fault.Kind]string{
		fault.Status: `"status":500`, fault.Latency: `"duration":"1s"`, fault.Slow: `"bytes_per_second":1`,
		fault.RowError: `"error":"A_CODE:text:--"`, fault.RewriteRows: `"columns":{"sf__Id":""}`,
	}
	for _, kind := range fault.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			times, more := "", ""
			if kind == fault.LockStorm {
				times = `"times":1,`
			}
			if text, ok := least[kind]; ok {
				more = "," + text
			}
			var s fault.Set
			ids := add(t, &s, fmt.Sprintf(`[{%s"effect":{"kind":%q%s}}]`, times, kind, more))
			if got := s.List()[0]; got.ID != ids[0] || *got.Times != 1 {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("and the refusal of another one names them all", func(t *testing.T) {
		var s fault.Set
		_, err := s.Add([]fault.Rule{{Effect: fault.Effect{Kind: "nope"}}})
		if err == nil || slices.ContainsFunc(fault.Kinds(), func(k fault.Kind) bool { return !strings.Contains(err.Error(), string(k)) }) {
			t.Errorf("got %v", err)
		}
	})
}
