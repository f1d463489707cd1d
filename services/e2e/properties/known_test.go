package properties

import (
	"testing"
)

// TestKnownSequences lives through sequences that are rarely drawn.
func TestKnownSequences(t *testing.T) {
	s := newStack(t)
	// Of the kinds, by number.
	const patches, dated = 0, 1
	all := []said{value, value, null}
	one := event{Sort: fresh, Says: all, Version: 1}
	for n, c := range []struct {
		name string
		sc   scenario
	}{
		{
			"what was discarded and read again is a repeat when it is published once more",
			scenario{
				Entities: []script{
					{Kind: patches, Phases: []scene{{Fate: fateData, Letters: []choice{keep}, Events: []event{one}}, {Fate: fateNone, Letters: []choice{discard}}, {
						Fate: fateNone, Letters: []choice{keep}, Events: []event{{Sort: echo}},
					}}},
					{Kind: dated, Phases: []scene{{Fate: fateData, Letters: []choice{keep}, Events: []event{one}}, {Fate: fateNone, Letters: []choice{discard}}, {
						Fate: fateNone, Letters: []choice{keep}, Events: []event{{Sort: echo}},
					}}},
				},
				Phases: []phase{{Frame: 1, Pauses: []bool{false}}, {Frame: 1, Pauses: []bool{false}, Reread: []int{patches, dated}}, {Frame: 1, Pauses: []bool{false}}},
			},
		},
		{
			"of two records of a row that died one is discarded and the other sent again: its own values land",
			scenario{
				Entities: []script{
					{Kind: patches, Phases: []scene{{Fate: fateData, Letters: []choice{keep}, Events: []event{
						{Sort: fresh, Says: []said{value, value, nothing}, Version: 1}, {Sort: fresh, Says: []said{value, nothing, value}, Version: 2},
					}}, {Fate: fateNone, Letters: []choice{replay, discard}}}},
					{Kind: dated, Phases: []scene{{Fate: fateData, Letters: []choice{keep}, Events: []event{
						{Sort: fresh, Says: []said{value, value, nothing}, Version: 1}, {Sort: fresh, Says: []said{value, nothing, value}, Version: 2},
					}}, {Fate: fateNone, Letters: []choice{replay, discard}}}},
					{Kind: dated, Phases: []scene{{Fate: fateData, Letters: []choice{keep}, Events: []event{
						{Sort: fresh, Says: []said{value, nothing, value}, Version: 2}, {Sort: fresh, Says: []said{value, value, nothing}, Version: 1},
					}}, {Fate: fateNone, Letters: []choice{discard, replay}}}},
				},
				Phases: []phase{{Frame: 8, Pauses: []bool{false}}, {Frame: 8, Pauses: []bool{false}}},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, s, c.sc, n)
			for p := range c.sc.Phases {
				w.live(p)
			}
			w.end()
		})
	}
}
