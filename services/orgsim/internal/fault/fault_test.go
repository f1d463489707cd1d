package fault_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/fault"
)

func add(t *testing.T, s *fault.Set, text string) []string {
	t.Helper()
	var rules []fault.Rule
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	ids, err := s.Add(rules)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func hits(s *fault.Set, sub fault.Subject, times int) string {
	var b strings.Builder
	for range times {
		if len(s.Request(sub)) > 0 {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func TestRequestRulesStrikeWhenTheySay(t *testing.T) {
	upload := fault.Subject{Endpoint: fault.Upload, Object: "Contact", Operation: "upsert", Job: "750000000000001AAA"}
	for _, tc := range []struct{ does, rules, want string }{
		{"strikes once by default", `[{"effect":{"kind":"drop_after"}}]`, "x....."},
		{"strikes as often as told", `[{"times":3,"effect":{"kind":"drop_after"}}]`, "xxx..."},
		{"strikes for ever with times 0", `[{"times":0,"effect":{"kind":"drop_after"}}]`, "xxxxxx"},
		{"strikes the nth only", `[{"match":{"nth":3},"effect":{"kind":"drop_after"}}]`, "..x..."},
		{"strikes behind the first ones", `[{"match":{"after":2},"times":0,"effect":{"kind":"drop_after"}}]`, "..xxxx"},
		{"matches the endpoint", `[{"match":{"endpoint":"upload"},"effect":{"kind":"drop_after"}}]`, "x....."},
		{"leaves other endpoints alone", `[{"match":{"endpoint":"close"},"effect":{"kind":"drop_after"}}]`, "......"},
		{"matches the object without regard to case", `[{"match":{"object":"contact"},"effect":{"kind":"drop_after"}}]`, "x....."},
		{"leaves other objects alone", `[{"match":{"object":"Account"},"effect":{"kind":"drop_after"}}]`, "......"},
		{"leaves other operations alone", `[{"match":{"operation":"insert"},"effect":{"kind":"drop_after"}}]`, "......"},
		{"matches a job by its short id", `[{"match":{"job":"750000000000001"},"effect":{"kind":"drop_after"}}]`, "x....."},
		{"goes on to the next rule when one is used up", `[{"effect":{"kind":"drop_after"}},{"effect":{"kind":"drop_before"}}]`, "xx...."},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var s fault.Set
			add(t, &s, tc.rules)
			if got := hits(&s, upload, len(tc.want)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("a wait goes together with what follows it", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"effect":{"kind":"latency","duration":"1s"}},{"effect":{"kind":"status","status":503}},{"effect":{"kind":"drop_after"}}]`)
		if got := s.Request(upload); len(got) != 2 || got[1].Effect.Kind != fault.Status {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a fraction strikes the same calls for the same seed", func(t *testing.T) {
		var runs []string
		for range 2 {
			var s fault.Set
			add(t, &s, `[{"match":{"fraction":0.3,"seed":7},"times":0,"effect":{"kind":"drop_after"}}]`)
			runs = append(runs, hits(&s, upload, 1000))
		}
		if n := strings.Count(runs[0], "x"); runs[0] != runs[1] || n < 240 || n > 360 {
			t.Errorf("%d of 1000 struck, equal %v", n, runs[0] == runs[1])
		}
	})
	t.Run("cleared rules strike no more", func(t *testing.T) {
		var s fault.Set
		ids := add(t, &s, `[{"times":0,"effect":{"kind":"drop_after"}},{"times":0,"effect":{"kind":"drop_after"}}]`)
		if s.Clear(ids[0]) != 1 || len(s.List()) != 1 || s.Clear() != 1 || hits(&s, upload, 2) != ".." {
			t.Errorf("rules are left: %+v", s.List())
		}
	})
}

func TestRowRules(t *testing.T) {
	sub := fault.Subject{Object: "Contact", Job: "750000000000001AAA"}
	line := func(key string) fault.Line {
		return fault.Line{
			Key:   key,
			Names: func() []string { return []string{key, "other-" + key} },
			Cell:  func(name string) (string, bool) { return key + "@x", name == "Email" },
		}
	}
	errorsOf := func(t *testing.T, rules string, keys ...string) string {
		t.Helper()
		var s fault.Set
		add(t, &s, rules)
		var out []string
		for _, k := range keys {
			code, _, _ := strings.Cut(s.Rows(sub).Error(line(k)), ":")
			out = append(out, code)
		}
		return strings.Join(out, " ")
	}
	for _, tc := range []struct{ does, rules, want string }{
		{"names rows by key, as often as they come", `[{"where":{"keys":["A"]},"effect":{"kind":"row_error","error":"E_A:x:--"}}]`, "E_A  E_A"},
		{"names rows by another name that the org knows for them", `[{"where":{"keys":["OTHER-b"]},"effect":{"kind":"row_error","error":"E_B:x:--"}}]`, " E_B "},
		{"names rows by a field", `[{"where":{"field":"Email","in":["b@x"]},"effect":{"kind":"row_error","error":"E_B:x:--"}}]`, " E_B "},
		{"heals after times_per_key", `[{"times_per_key":1,"effect":{"kind":"row_error","error":"E_A:x:--"}}]`, "E_A E_A "},
		{"strikes one row when nothing says which", `[{"effect":{"kind":"row_error","error":"E_A:x:--"}}]`, "E_A  "},
		{"never strikes a field that the upload lacks", `[{"where":{"field":"Phone","in":["1"]},"effect":{"kind":"row_error","error":"E_B:x:--"}}]`, "  "},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := errorsOf(t, tc.rules, "a", "b", "a"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	t.Run("a fraction strikes the same keys in every order", func(t *testing.T) {
		const rule = `[{"match":{"fraction":0.5,"seed":3},"effect":{"kind":"row_error","error":"EE:x:--"}}]`
		var s1, s2 fault.Set
		add(t, &s1, rule)
		add(t, &s2, rule)
		struck := 0
		for i := range 200 {
			s1.Rows(sub).Error(line(strconv.Itoa(199 - i)))
		}
		for i := range 200 {
			again, first := s1.Rows(sub).Error(line(strconv.Itoa(i))), s2.Rows(sub).Error(line(strconv.Itoa(i)))
			if again != first {
				t.Fatalf("key %d differs", i)
			}
			if first != "" {
				struck++
			}
		}
		if struck < 60 || struck > 140 {
			t.Errorf("struck %d of 200", struck)
		}
	})
	t.Run("results lose exactly as many rows as told", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"times":5,"effect":{"kind":"lose_rows"}},{"times":2,"effect":{"kind":"double_rows"}}]`)
		var lost, doubled int
		for i := range 20 {
			got := s.Rows(sub).Result(line(strconv.Itoa(i)))
			if got.Lost {
				lost++
			}
			if got.Doubled {
				doubled++
			}
		}
		if lost != 5 || doubled != 2 {
			t.Errorf("lost %d, doubled %d", lost, doubled)
		}
	})
	t.Run("no rule costs nothing", func(t *testing.T) {
		var s fault.Set
		add(t, &s, `[{"match":{"object":"Account"},"effect":{"kind":"lose_rows"}}]`)
		if rows := s.Rows(sub); rows != nil || rows.Error(line("a")) != "" || rows.HasResults() {
			t.Errorf("got %+v", rows)
		}
	})
}

func TestBadRulesAreRefused(t *testing.T) {
	for _, tc := range []struct{ does, rule, part string }{
		{"an unknown kind", `{"effect":{"kind":"explode"}}`, "not known"},
		{"an unknown endpoint", `{"match":{"endpoint":"door"},"effect":{"kind":"drop_after"}}`, "match.endpoint"},
		{"an endpoint for rows", `{"match":{"endpoint":"upload"},"effect":{"kind":"lose_rows"}}`, "requests"},
		{"nth and after together", `{"match":{"nth":1,"after":1},"effect":{"kind":"drop_after"}}`, "not both"},
		{"a fraction above one", `{"match":{"fraction":2},"effect":{"kind":"drop_after"}}`, "fraction"},
		{"rows for requests", `{"where":{"keys":["a"]},"effect":{"kind":"drop_after"}}`, "where"},
		{"a field without values", `{"where":{"field":"Email"},"effect":{"kind":"lose_rows"}}`, "belong together"},
		{"an empty where", `{"where":{},"effect":{"kind":"lose_rows"}}`, "where needs"},
		{"a status without number", `{"effect":{"kind":"status"}}`, "effect.status"},
		{"a latency without duration", `{"effect":{"kind":"latency"}}`, "duration"},
		{"a slow answer without speed", `{"effect":{"kind":"slow"}}`, "bytes_per_second"},
		{"a row error without a code", `{"effect":{"kind":"row_error","error":"nope"}}`, "begin with a code"},
		{"negative numbers", `{"times":-1,"effect":{"kind":"drop_after"}}`, "negative"},
		{"a wrong when", `{"effect":{"kind":"status","status":500,"when":"soon"}}`, "before or after"},
		{"a method for rows", `{"match":{"method":"PUT"},"effect":{"kind":"lose_rows"}}`, "match.method"},
		{"a method in small letters", `{"match":{"method":"put"},"effect":{"kind":"drop_after"}}`, "capitals"},
		{"a part of an org that is down", `{"match":{"endpoint":"info"},"effect":{"kind":"org_down"}}`, "strikes every call"},
		{"a negative window", `{"match":{"from":"-1s"},"effect":{"kind":"drop_after"}}`, "match.from"},
		{"an unknown limit", `{"effect":{"kind":"quota","quota":"money"}}`, "daily, long_txn or jobs"},
		{"a limit for another kind", `{"effect":{"kind":"drop_after","quota":"daily"}}`, "kind quota"},
		{"a reset of another kind", `{"effect":{"kind":"truncate","reset":true}}`, "drop_mid"},
		{"an unknown format", `{"effect":{"kind":"org_down","format":"xml"}}`, "json or html"},
		{"a storm without an end", `{"match":{"fraction":0.5},"effect":{"kind":"lock_storm"}}`, "needs an end"},
		{"a rewrite of nothing", `{"effect":{"kind":"rewrite_rows"}}`, "effect.columns"},
		{"columns for another kind", `{"effect":{"kind":"lose_rows","columns":{"a":"b"}}}`, "effect.columns"},
		{"a type that breaks the header", `{"effect":{"kind":"wrong_type","content_type":"a\r\nb: c"}}`, "one line"},
		{"a negative count", `{"effect":{"kind":"job_backwards","count":-1}}`, "count"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			var rule fault.Rule
			if err := json.Unmarshal([]byte(tc.rule), &rule); err != nil {
				t.Fatal(err)
			}
			var s fault.Set
			if _, err := s.Add([]fault.Rule{rule}); err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v, want something about %q", err, tc.part)
			}
			if len(s.List()) != 0 {
				t.Error("the rule was taken all the same")
			}
		})
	}
	t.Run("an id that is taken", func(t *testing.T) {
		var s fault.Set
		rule := fault.Rule{ID: "a", Effect: fault.Effect{Kind: fault.DropAfter}}
		if _, err := s.Add([]fault.Rule{rule, rule}); err == nil {
			t.Error("it was taken twice")
		}
	})
}
