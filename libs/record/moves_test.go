package record_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestMoves(t *testing.T) {
	t.Run("every state has its moves, and all lead to states", func(t *testing.T) {
		for _, s := range record.States() {
			if len(s.Next()) == 0 && s != record.StateSuperseded {
				t.Errorf("nothing follows %s", s)
			}
			for _, next := range s.Next() {
				if !slices.Contains(record.States(), next) || next == s {
					t.Errorf("%s is followed by %q", s, next)
				}
			}
		}
		if record.State("SUCCEEDED").Next() != nil {
			t.Error("something follows what is no state")
		}
	})
	t.Run("every state is reached by a record that is accepted, and none is left that has no way to an end", func(t *testing.T) {
		for _, s := range record.States() {
			if !slices.ContainsFunc(record.First(), func(first record.State) bool { return first.Reaches(s) }) {
				t.Errorf("nothing leads to %s", s)
			}
			if !s.Reaches(record.StateLanded) && !s.Final() {
				t.Errorf("%s is no end and never lands", s)
			}
		}
	})
	t.Run("any walk keeps to what must hold: landed is undone by a person alone, superseded is for ever, and nobody gives up what is not dead", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			at := rapid.SampledFrom(record.First()).Draw(rt, "first")
			for range rapid.IntRange(0, 30).Draw(rt, "moves") {
				if len(at.Next()) == 0 {
					if at != record.StateSuperseded {
						rt.Fatalf("%s is a dead end", at)
					}
					return
				}
				next := rapid.SampledFrom(at.Next()).Draw(rt, "next")
				switch {
				case at == record.StateLanded && next != record.StateRolledBack,
					next == record.StateDiscarded && at != record.StateDead,
					next == record.StateLanded && at != record.StateInFlight && at != record.StateUnresolved,
					!at.Reaches(next):
					rt.Fatalf("%s is followed by %s", at, next)
				}
				at = next
			}
		})
	})
}
