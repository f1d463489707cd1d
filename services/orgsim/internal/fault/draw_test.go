package fault_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/fault"
)

func TestEqualSeedsDrawEqualRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Int64().Draw(t, "seed")
		profile := rapid.SampledFrom(fault.Profiles).Draw(t, "profile")
		calls := rapid.IntRange(1, 5_000).Draw(t, "calls")
		first, err := fault.Draw(seed, profile, calls)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := fault.Draw(seed, profile, calls)
		if !reflect.DeepEqual(first, again) {
			t.Fatal("the second draw differs")
		}
		var s fault.Set
		ids, err := s.Add(first)
		if err != nil {
			t.Fatalf("the rules are not taken: %v", err)
		}
		for i, r := range s.List() {
			if ids[i] != first[i].ID {
				t.Fatalf("rule %d is called %s, not %s", i, ids[i], first[i].ID)
			}
			if *r.Times == 0 && r.Match.For == 0 && r.TimesPerKey == 0 {
				t.Fatalf("rule %s has no end: %+v", r.ID, r)
			}
		}
		// The rules survive the way through JSON, so a run can be repeated from its listing.
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		var back []fault.Rule
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(first, back) {
			t.Fatalf("read back: %v\n%s", err, text)
		}
	})
}

func TestDraw(t *testing.T) {
	kinds := func(p fault.Profile) map[fault.Kind]bool {
		rules, err := fault.Draw(7, p, 1_000)
		if err != nil {
			t.Fatal(err)
		}
		out := map[fault.Kind]bool{}
		for _, r := range rules {
			out[r.Effect.Kind] = true
		}
		return out
	}
	t.Run("another seed draws other rules", func(t *testing.T) {
		a, _ := fault.Draw(1, fault.Rough, 100)
		b, _ := fault.Draw(2, fault.Rough, 100)
		for i := range b {
			b[i].ID = a[min(i, len(a)-1)].ID
		}
		if reflect.DeepEqual(a, b) {
			t.Error("they are equal")
		}
	})
	t.Run("only awful weather loses anything for good", func(t *testing.T) {
		calm, rough, awful := kinds(fault.Calm), kinds(fault.Rough), kinds(fault.Awful)
		for _, k := range []fault.Kind{fault.JobVanish, fault.JobAbort, fault.JobFail, fault.LoseRows, fault.DoubleRows, fault.RewriteRows, fault.ForeignRows, fault.Truncate} {
			if calm[k] || rough[k] || !awful[k] {
				t.Errorf("%s: calm %v, rough %v, awful %v", k, calm[k], rough[k], awful[k])
			}
		}
		if calm[fault.DropAfter] || !rough[fault.DropAfter] || !awful[fault.DropAfter] || !calm[fault.Latency] {
			t.Errorf("calm %v\nrough %v", calm, rough)
		}
	})
	t.Run("a wrong profile or number is refused with what there is", func(t *testing.T) {
		for _, tc := range []struct {
			profile fault.Profile
			calls   int
		}{{"stormy", 10}, {fault.Calm, 0}, {fault.Calm, -1}, {fault.Calm, 1_000_001}} {
			if rules, err := fault.Draw(1, tc.profile, tc.calls); err == nil {
				t.Errorf("%+v gave %d rules", tc, len(rules))
			}
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(`[{"match":{"endpoint":"close","nth":2},"effect":{"kind":"drop_after"}}]`))
	f.Add([]byte(`[{"where":{"field":"A","in":["x"]},"match":{"fraction":0.5},"effect":{"kind":"row_error","error":"A_B:c:--"}}]`))
	f.Add([]byte(`[{"match":{"from":"1h","for":"2h"},"times":0,"effect":{"kind":"lock_storm"}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := fault.Parse(text)
		if err != nil {
			return
		}
		var s fault.Set
		ids, err := s.Add(rules)
		if err != nil && len(s.List()) > 0 {
			t.Fatalf("refused with %v, and taken", err)
		}
		sub := fault.Subject{Endpoint: fault.Close, Method: "PATCH", Object: "Contact", Operation: "upsert", Job: "750000000000001AAA"}
		line := fault.Line{Key: "k", Names: func() []string { return nil }, Cell: func(string) (string, bool) { return "", true }}
		for range 3 {
			s.Request(sub)
			s.Job(sub)
			s.Foreign(sub)
			s.Rows(sub).Error(line)
			s.Rows(sub).Result(line)
		}
		if got := s.Clear(ids...); err == nil && got != len(rules) {
			t.Fatalf("%d of %d rules went", got, len(rules))
		}
	})
}
