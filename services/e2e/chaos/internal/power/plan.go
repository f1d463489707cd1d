package power

import (
	"fmt"
	"math/rand/v2"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Version of the way in which seeds are expanded into plans.
const Version = 1

const (
	// perRun is how many cuts a run has: it costs some seconds to start, to come to rest and to be judged, whatever happens in between.
	perRun = 10
	// firstCut is when the first cut may come, in ms from the start of the load: there must be work.
	firstCut = 1_500
	// apart is the time from one cut to the next, in ms, and jitter what is drawn on top: servers come back within a second or two, and some work is to
	// be done before the next cut.
	apart, jitter = 3_500, 2_000
	// perCut is how many records are published for each cut, and least how many in a run at least.
	perCut, least = 300, 2_000
	// rowsPerSecond is the org's speed: jobs are at work when the power goes.
	rowsPerSecond = 3_000
)

// Plans are runs with so many cuts together, seeds from first on. Targets are who loses power, of [history.CutTargets]; unsafe is as in [history.Plan].
func Plans(first uint64, rounds int, targets []string, unsafe string) []history.Plan {
	var out []history.Plan
	var hand []string
	chance := rand.New(rand.NewPCG(first, 1)) //nolint:gosec // to be drawn again
	for seed := first; rounds > 0; seed++ {
		cuts := min(rounds, perRun)
		rounds -= cuts
		p := history.Plan{
			Version: Version, Seed: seed, Records: max(cuts*perCut, least), RowsPerSecond: rowsPerSecond, Unsafe: unsafe,
			FaultsFor: firstCut + float64(cuts)*apart + jitter,
		}
		for i := range cuts {
			if len(hand) == 0 {
				hand = append(hand, targets...)
				chance.Shuffle(len(hand), func(i, j int) { hand[i], hand[j] = hand[j], hand[i] })
			}
			at := float64(firstCut + i*apart + chance.IntN(jitter))
			p.Faults = append(p.Faults, history.Fault{ID: fmt.Sprintf("f%02d", i+1), At: at, Kind: history.PowerCut, Target: hand[0]})
			hand = hand[1:]
		}
		out = append(out, p)
	}
	return out
}
