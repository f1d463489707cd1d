package switches_test

import (
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/switches"
)

func TestSwitches(t *testing.T) {
	t.Run("every switch has a question, and at least two positions that differ", func(t *testing.T) {
		names := map[switches.Name]bool{}
		for _, s := range switches.All {
			if names[s.Name] || s.Question == "" || len(s.Positions) < 2 {
				t.Errorf("%+v", s)
			}
			names[s.Name] = true
			seen := map[switches.Position]bool{}
			for _, a := range s.Positions {
				if seen[a.Position] || a.Means == "" {
					t.Errorf("%s: %+v", s.Name, a)
				}
				seen[a.Position] = true
			}
		}
	})
	t.Run("a new set stands at the defaults, and so does one that was reset", func(t *testing.T) {
		st := switches.NewStore()
		if err := st.Set(switches.CloseTwice, switches.Accepted); err != nil || st.Get(switches.CloseTwice) != switches.Accepted {
			t.Fatal(st.Positions(), err)
		}
		st.Reset()
		for _, s := range switches.All {
			if st.Get(s.Name) != s.Positions[0].Position {
				t.Errorf("%s stands at %q", s.Name, st.Get(s.Name))
			}
		}
	})
	t.Run("what is no switch or no position changes nothing and says what there is", func(t *testing.T) {
		for body, want := range map[string]string{
			`{"close_twice":"accepted","no_such":"x"}`:            "GET /sim/switches",
			`{"same_key_twice":"first","close_twice":"accepted"}`: "every_row or all_but_first",
			`[1]`: "object",
		} {
			st := switches.NewStore()
			if err := st.Merge([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", body, err)
			}
			if st.Get(switches.CloseTwice) != switches.Refused {
				t.Errorf("%s moved a switch", body)
			}
		}
	})
}
