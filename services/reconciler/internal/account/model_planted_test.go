//go:build planted

package account

import (
	"testing"

	"bulkhead/libs/fault/planted"
)

// With a planted bug in the product's own decisions the model finds what it breaks.
func TestTheModelFindsPlantedBugs(t *testing.T) {
	t.Cleanup(func() {
		if err := planted.Set(planted.None); err != nil {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		bug   planted.Bug
		cut   uint8
		finds uint8
	}{
		{planted.EndOfFileTakenAsComplete, 1, aFalseFailure},
		{planted.ResultsOfAbortedJobsIgnored, 0, aFalseFailure},
		{planted.ResendOfTheWholeChunk, 0, aFalseFailure},
		{planted.MatchingByPosition, 0, aFalseSuccess},
	} {
		t.Run(string(tt.bug), func(t *testing.T) {
			if err := planted.Set(tt.bug); err != nil {
				t.Fatal(err)
			}
			m := &accountModel{broken: tt.cut}
			name := accountHarms[tt.finds]
			f := m.explore(name)
			t.Log(f)
			if f.Harms[name] == 0 {
				t.Errorf("found %v, want %q", f, name)
			}
		})
	}
}
