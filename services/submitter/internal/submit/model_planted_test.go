//go:build planted

package submit

import (
	"testing"

	"bulkhead/libs/fault/planted"
)

// With a planted bug in the product's own decisions the models find what it breaks. The rules beside a bug are what it changes outside the
// functions that the models call: the ledger's WHERE.
func TestTheModelFindsPlantedBugs(t *testing.T) {
	t.Cleanup(func() {
		if err := planted.Set(planted.None); err != nil {
			t.Error(err)
		}
	})
	restored := budget{losses: 1, restores: 1}
	chunk := []struct {
		bug   planted.Bug
		r     rules
		b     budget
		finds string // "" = stuck
	}{
		{planted.JobIDStoredAfterClose, rules{}, one, "duplicate"},
		{planted.NoEpoch, rules{noEpoch: true}, one, "duplicate"},
		{planted.NewJobAfterLostClose, rules{bindBlind: true}, one, "duplicate"},
		{planted.UploadTwice, rules{}, budget{losses: 1}, ""},
		{planted.SendAgainOn404, rules{bindBlind: true}, one, "duplicate"},
		{planted.TakeoverAborts, rules{bindBlind: true}, one, "duplicate"},
		{planted.StaleCheckOutsideTheLane, rules{}, one, "stale answer"},
		{planted.RestoredLedgerTakenAsWhole, rules{noCompare: true}, restored, "duplicate"},
		{planted.DoubtedRowsSentAgain, rules{}, restored, "duplicate"},
	}
	for _, tt := range chunk {
		t.Run(string(tt.bug), func(t *testing.T) {
			if err := planted.Set(tt.bug); err != nil {
				t.Fatal(err)
			}
			for h, name := range harmNames {
				if name == tt.finds {
					tt.r.only = uint8(h)
				}
			}
			f := exploreChunk(tt.b, tt.r, tt.finds, 5_000_000)
			t.Log(f)
			if tt.finds == "" && f.Stuck == 0 || tt.finds != "" && f.Harms[tt.finds] == 0 {
				t.Errorf("found %v, want %q", f, tt.finds)
			}
		})
	}
	t.Run(string(planted.SupersedeWithoutFields), func(t *testing.T) {
		if err := planted.Set(planted.SupersedeWithoutFields); err != nil {
			t.Fatal(err)
		}
		m := &laneModel{b: laneBudget{versions: 2, tries: 2, fails: 1}}
		f := m.explore(laneHarms[lFieldLost])
		t.Log(f)
		if f.Harms[laneHarms[lFieldLost]] == 0 {
			t.Errorf("found %v, want a lost field", f)
		}
	})
}
