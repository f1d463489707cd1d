package world

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bulkhead/services/e2e/chaos/trial"
)

// The size of a drawn world, in ms.
const (
	stormFor = 3500
	firstAt  = 200
)

// Of so many seeds one is of a world whose ledger is restored, and so much of its time at most is forgotten, in ms. The number has no divisor in common with
// that of the mixes, so that each has its turn.
const (
	restoredEvery    = 11
	mostForgottenFor = 3500
)

// mixes are the pipelines that live together in a drawn world: each operation has its turn, those that share rows live together, and so do
// parents and children.
var mixes = [][]string{
	{"parts"},
	{"orders"},
	{"phones"},
	{"removals"},
	{"dated", "prices"},
	{"labels", "phones"},
	{"visits", "orders"},
	{"levels", "removals"},
	{"parts", "children"},
	{"parts", "orders", "levels", "removals"},
}

// Restores says whether a seed's world is one whose ledger is put back to an earlier moment.
func Restores(seed uint64) bool { return seed%restoredEvery == 0 }

// Draw expands a seed: which pipelines there are, and what happens to whom when.
func Draw(seed uint64) Options {
	d := rand.New(rand.NewPCG(seed, 0x73696d756c617465)) //nolint:gosec // to be drawn again
	mix := mixes[seed%uint64(len(mixes))]
	o := Options{Pipelines: mix}
	o.Plan = trial.Plan{Version: 1, Seed: seed, Records: trial.RecordsFor(20+d.IntN(41), mix...), FaultsFor: stormFor}
	o.Plan.RowsPerSecond = []int{-1, 20, 100, 1000}[d.IntN(4)]
	for range 2 + d.IntN(4) {
		o.Plan.Faults = append(o.Plan.Faults, drawFault(d, seed))
	}
	if Restores(seed) {
		o.restored(seed)
	}
	slices.SortStableFunc(o.Plan.Faults, func(a, b trial.Fault) int { return int(a.At - b.At) })
	for i := range o.Plan.Faults {
		o.Plan.Faults[i].ID = fmt.Sprintf("f%d", i+1)
	}
	return o
}

// restored makes a drawn world one whose ledger is put back, by draws of its own: a seed without is what it was.
func (o *Options) restored(seed uint64) {
	d := rand.New(rand.NewPCG(seed, 0x726573746f726564)) //nolint:gosec // to be drawn again
	f := trial.Fault{Kind: trial.Restore, Target: []string{"postgres", "all"}[d.IntN(2)]}
	f.At, f.For = float64(firstAt+d.IntN(stormFor-firstAt)), float64(100+d.IntN(mostForgottenFor))
	// Jobs of the forgotten time are at work when the services are back, or have ended.
	o.QueueDelay = []time.Duration{0, 2 * time.Second, 5 * time.Second}[d.IntN(3)]
	// A restore over a time whose FLOW is gone is not found out: the guarantees say so.
	o.Plan.Faults = slices.DeleteFunc(o.Plan.Faults, func(x trial.Fault) bool { return x.Stream == "FLOW" && x.At >= f.At })
	o.Plan.Faults = append(o.Plan.Faults, f)
}

// drawFault draws one thing that goes wrong.
func drawFault(d *rand.Rand, seed uint64) trial.Fault {
	services := Services()
	service := services[d.IntN(len(services))]
	instance := fmt.Sprintf("%s-%d", service, 1+d.IntN(2))
	f := trial.Fault{At: float64(firstAt + d.IntN(stormFor-firstAt)), Target: instance}
	lasting := float64(300 + d.IntN(1500))
	edge := []string{toLedger, toBroker, toOrg}[d.IntN(3)]
	switch n := d.IntN(100); {
	case n < 24: // at a call of its own, to the ledger, the broker or the org
		f.Kind, f.Point, f.At = trial.Kill, fmt.Sprintf("call@%d", 1+d.IntN(400)), 0
	case n < 32:
		f.Kind, f.Point, f.At = trial.KillTwice, fmt.Sprintf("call@%d", 1+d.IntN(300)), 0
	case n < 37:
		f.Kind, f.Target = trial.Kill, service // both instances
	case n < 40:
		f.Kind, f.Target = trial.KillAll, "all"
	case n < 52:
		// Longer than a lease, or than a call of collections may land and all that comes then takes.
		f.Kind, f.For = trial.Pause, []float64{2600, 2600, 5200}[n%3]
	case n < 55:
		f.Kind = trial.Term
	case n < 65:
		f.Kind, f.Target, f.For = trial.Cut, instance+">"+edge, lasting
	case n < 70:
		f.Kind, f.Target, f.For = trial.Delay, instance+">"+edge, lasting
	case n < 74:
		f.Kind, f.Target, f.For = trial.BrokerFull, "nats", lasting
	case n < 80:
		f.Kind, f.Target, f.Stream = trial.StreamDelete, "nats", []string{"FLOW", "DLQ"}[d.IntN(2)]
	case n < 90:
		kinds := slices.DeleteFunc(trial.OrgKinds(), func(k string) bool { return k == "gzip_bomb" }) // its size is no matter of order
		f.Kind, f.Target, f.OrgKind = trial.Org, "org", kinds[d.IntN(len(kinds))]
		f.Script = trial.Script(f.OrgKind, seed)
	case n < 92:
		f.Kind, f.Target, f.At = Reread, "ops", float64(500+d.IntN(1700))
	case n < 96:
		// When everything was published: a repeat of what a person has discarded is a record again.
		f.Kind, f.Target, f.At = trial.Operators, "ops", float64(stormFor-300+d.IntN(300))
	default:
		f.Kind, f.Target = trial.Definition, "ops"
	}
	return f
}
