//go:build !race

package simulation_test

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"bulkhead/libs/memory/bubble"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// errRefused is what a call ends with that is to fail.
var errRefused = errors.New("refused on purpose")

// asked is a sort of call that a service makes: a statement that it asks of the ledger (BEGIN and COMMIT too), what it does with the broker (to fetch and to
// acknowledge facts too), or a request to the org.
type asked struct{ service, edge, what string }

// struckOnce are calls of one world, each sort of which is refused once, or has its service killed once.
type struckOnce struct {
	mu   sync.Mutex
	seen map[asked]int
	due  map[asked]bool
	dies bool
}

func (s *struckOnce) call(service, edge, what string) error {
	at := asked{service, edge, what}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[at]++
	if !s.due[at] {
		return nil
	}
	s.due[at] = false
	if s.dies {
		return world.ErrDies
	}
	return fmt.Errorf("%w: %.60s", errRefused, what)
}

// eventful is a world in which every operation is tried, rows are locked, records die, operators replay and a definition changes.
func eventful(seed uint64, pipelines []string) world.Options {
	o := world.Options{Pipelines: pipelines, Instances: 1}
	o.Plan = trial.Plan{Version: 1, Seed: seed, Records: trial.RecordsFor(30, pipelines...), FaultsFor: 3500, RowsPerSecond: -1, Faults: []trial.Fault{
		lockedOnce(0),
		{ID: "definition", At: 1500, Kind: trial.Definition, Target: "ops"},
		{ID: "operators", At: 3400, Kind: trial.Operators, Target: "ops"},
	}}
	return o
}

// TestAFaultAtEveryCall fails each sort of call that a service makes, every statement among them, and kills the service at it, with the transaction and the
// facts that it has in hand. Whatever was half done is undone, and done whole later: the judge finds every record, and the balance.
func TestAFaultAtEveryCall(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	const perService = 6 // sorts of calls of a service that are struck in one world
	play := func(t *testing.T, name string, seed uint64, s *struckOnce) {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				o := eventful(seed, everyOperation)
				o.Call = s.call
				judged(t, o)
			})
		})
	}
	var all []asked // what is asked whatever the seed is
	const calm = 3
	times := map[asked]int{}
	for seed := range uint64(calm) {
		s := &struckOnce{seen: map[asked]int{}}
		play(t, fmt.Sprintf("nothing is struck, seed %d", seed+1), seed+1, s)
		for at := range s.seen {
			if times[at]++; times[at] == calm {
				all = append(all, at)
			}
		}
	}
	if len(all) < 100 {
		t.Fatalf("%d sorts of calls are made: the worlds are too quiet", len(all))
	}
	slices.SortFunc(all, func(a, b asked) int { return strings.Compare(a.service+a.edge+a.what, b.service+b.edge+b.what) })
	for _, dies := range []bool{false, true} {
		what := "refused"
		if dies {
			what = "killed"
		}
		left := slices.Clone(all)
		struck, worlds := 0, 0
		for round, most := range []int{perService, 3, 1, 1, 1} {
			var next []asked
			for len(left) > 0 {
				worlds++
				s := &struckOnce{seen: map[asked]int{}, due: map[asked]bool{}, dies: dies}
				of := map[string]int{}
				left = slices.DeleteFunc(left, func(at asked) bool {
					if of[at.service] == most {
						return false
					}
					of[at.service]++
					s.due[at] = true
					return true
				})
				play(t, fmt.Sprintf("%s, round %d, world %d", what, round+1, worlds), uint64(worlds), s)
				for at, due := range s.due {
					if due {
						next = append(next, at)
					} else {
						struck++
					}
				}
			}
			if left = next; len(left) == 0 {
				break
			}
		}
		for _, at := range left {
			t.Errorf("never %s: %s to %s: %.200s", what, at.service, at.edge, at.what)
		}
		t.Logf("%d sorts of calls %s in %d worlds", struck, what, worlds)
	}
}
