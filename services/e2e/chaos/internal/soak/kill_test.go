package soak

import (
	"slices"
	"testing"
)

func TestTurns(t *testing.T) {
	rounds := func(seed uint64) (targets, parts []string) {
		next := newTurns(seed)
		for range 20 * len(Targets()) {
			target, part := next.next()
			targets, parts = append(targets, target), append(parts, part)
		}
		return targets, parts
	}
	targets, parts := rounds(1)
	t.Run("each target comes once in each round", func(t *testing.T) {
		for round := range slices.Chunk(targets, len(Targets())) {
			if got, want := slices.Sorted(slices.Values(round)), slices.Sorted(slices.Values(Targets())); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
	t.Run("both instances of a service come, and the broker and the ledger as themselves", func(t *testing.T) {
		for _, want := range []string{"extractor-1", "extractor-2", "ops-1", "ops-2", "nats", "postgres"} {
			if !slices.Contains(parts, want) {
				t.Errorf("%s is never killed", want)
			}
		}
	})
	t.Run("a seed means the same again, and another one something else", func(t *testing.T) {
		again, _ := rounds(1)
		other, _ := rounds(2)
		if !slices.Equal(targets, again) || slices.Equal(targets, other) {
			t.Errorf("%v\n%v\n%v", targets, again, other)
		}
	})
}
