package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Version of the way in which seeds are expanded. It rises with every change that gives a seed another plan.
const Version = 4

// The sizes of a run. Times are milliseconds from the start of the load.
const (
	minRecords = 2_000
	maxRecords = 2_600
	// faultsFor is while faults begin; the load is spread over it.
	faultsFor = 7_000
	// firstFault leaves the first records the time to become chunks: a fault before there is work tries nothing.
	firstFault = 800
	// firstStop is later still: the recovery of everything is measured only when there was work that waited.
	firstStop = 1_500
	// apart is the least time between two faults that stop the broker, PostgreSQL or everything.
	apart = 2_000
	// lateEnd is how long a fault may last behind the time in which faults begin: what lasts longer begins earlier.
	lateEnd = 500
	// pastLease is longer than every lease of the processes under test, which is two seconds.
	pastLease = 2_600
	// pastCall is longer than a call of collections may land, which is a third of the lease and two seconds, and than what comes then: another owner makes
	// the call again, the chunk has its outcome, and newer versions of its rows land.
	pastCall = 5_000
	// tryPoint is how long a process that is to die at a point runs with that rule before it is taken away.
	tryPoint = 3_000
)

// The names of the decks: each has a row of its own.
const (
	dealService uint64 = iota + 1
	dealStop
	dealPoint
	dealPointKind
	dealOther
	dealOrg
	dealEdge
	dealInstance
	dealRestart
	dealHeld
)

// The number of cards that a seed is dealt.
const (
	killsEach  = 3
	pointsEach = 4
	othersEach = 3
	orgEach    = 3
)

// Draw expands a seed, for a broker of one server. Points are the declared crash points, in any order; without them none is tried.
func Draw(seed uint64, points []Point) history.Plan {
	return expand(seed, points, 0, faultsFor, (*drawing).hand)
}

// expand gives the plan of a seed: faults begin in the time of that name, and hand deals those that stop what everything stands on.
func expand(seed uint64, points []Point, nodes int, faultsFor float64, hand func(*drawing) []history.Fault) history.Plan {
	d := &drawing{chance: newChance(seed, 0), seed: seed}
	d.plan = history.Plan{
		Version: Version, Seed: seed, Records: d.between(minRecords, maxRecords), FaultsFor: faultsFor,
		RowsPerSecond: pick(d.chance, []int{1_500, 3_000, 6_000, 20_000}), Nodes: nodes,
	}
	d.stops(hand(d))
	d.kills()
	d.points(points)
	d.others()
	d.org()
	d.held(points)
	d.bound()
	d.number()
	return d.plan
}

// drawing is a plan in the making.
type drawing struct {
	chance
	seed uint64
	plan history.Plan
}

func (d *drawing) add(f history.Fault) { d.plan.Faults = append(d.plan.Faults, f) }

// lasting are the kinds that last as long as the plan says. At crash points that is the time of a try.
var lasting = map[history.FaultKind]bool{
	history.KillLong: true, history.Pause: true, history.Cut: true, history.Delay: true, history.HalfOpen: true, history.BrokerFull: true,
}

// bound lets faults that last begin early enough to end with the others: a run is over only when its last fault is.
func (d *drawing) bound() {
	for i := range d.plan.Faults {
		f := &d.plan.Faults[i]
		if lasting[f.Kind] {
			f.At = max(firstFault, min(f.At, d.plan.FaultsFor+lateEnd-f.For))
		}
	}
}

// number puts the faults in the order of their times, and names them.
func (d *drawing) number() {
	slices.SortStableFunc(d.plan.Faults, func(a, b history.Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range d.plan.Faults {
		d.plan.Faults[i].ID = fmt.Sprintf("f%02d", i+1)
	}
}

// sorted is the list of points in the order of names: it may come in any order, but its meaning for a seed may not.
func sorted(points []Point) []Point {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	return points
}

// at draws the time of a fault.
func (d *drawing) at() float64 { return d.ms(firstFault, d.plan.FaultsFor-500) }

// instance draws one of a service.
func (d *drawing) instance(service string) string {
	return fmt.Sprintf("%s-%d", service, d.between(1, Instances))
}

// hand deals the faults that stop the broker, PostgreSQL or everything, without their times. Of five seeds four have each.
func (d *drawing) hand() []history.Fault {
	all, nats := history.Fault{Kind: history.KillAll, Target: "all"}, history.Fault{Kind: history.NATSKill, Target: "nats"}
	pg := history.Fault{Kind: history.PGKill, Target: "postgres"}
	hands := [][]history.Fault{{all, nats}, {pg, nats}, {all, pg}, {all, nats, pg}, {all, pg, nats}}
	hand := slices.Clone(deal(dealStop, hands, d.seed, 1)[0])
	// Polite restarts are of the same sort, and dealt here so that they stand apart too; a hand of three leaves no room.
	again := deal(dealRestart, []history.FaultKind{history.NATSRestart, history.PGRestart}, d.seed, 1)[0]
	if len(hand) < 3 {
		hand = append(hand, history.Fault{Kind: again, Target: map[history.FaultKind]string{history.NATSRestart: "nats", history.PGRestart: "postgres"}[again]})
	}
	return hand
}

// stops gives those of a hand their times, apart from each other.
func (d *drawing) stops(hand []history.Fault) {
	shuffle(d.chance, hand)
	// What is left of the time when all gaps are taken is spread between them.
	slack := (d.plan.FaultsFor - 500 - firstStop - apart*float64(len(hand)-1)) / float64(len(hand))
	for i, f := range hand {
		f.At = firstStop + float64(i)*(apart+slack) + d.ms(0, slack)
		d.add(f)
	}
}

// kills adds those of single services: at once, or for a while, or of both instances, so that nobody is left to take over.
func (d *drawing) kills() {
	for _, service := range deal(dealService, Services(), d.seed, killsEach) {
		at, kind, lasts := d.at(), history.Kill, 0.0
		if d.one(3) {
			kind, lasts = history.KillLong, d.ms(500, 2_500)
		}
		if d.one(3) {
			for n := 1; n <= Instances; n++ {
				d.add(history.Fault{At: at, Kind: kind, Target: fmt.Sprintf("%s-%d", service, n), For: lasts})
			}
			continue
		}
		d.add(history.Fault{At: at, Kind: kind, Target: d.instance(service), For: lasts})
	}
}

// points adds crash points, early enough that they can still be reached.
func (d *drawing) points(points []Point) {
	points = slices.DeleteFunc(sorted(points), func(p Point) bool { return !stormy(p) })
	// Of five tries three kill, one kills twice and one holds.
	kinds := deal(dealPointKind, []history.FaultKind{
		history.KillPoint, history.KillTwice, history.PausePoint, history.KillPoint, history.KillPoint,
	}, d.seed, pointsEach)
	for i, p := range deal(dealPoint, points, d.seed, pointsEach) {
		f := history.Fault{At: d.ms(firstFault, d.plan.FaultsFor-tryPoint), Kind: kinds[i], Target: d.instance(p.Service), Point: p.Name, For: tryPoint}
		if slices.Contains(p.Needs, "unresolved") {
			f.At, f.For = firstFault, d.plan.FaultsFor // it takes its time until a person has something to decide
		}
		if f.Kind == history.PausePoint {
			f.For = Standstill(p.Name)
		}
		d.add(f)
		for _, need := range p.Needs {
			d.provide(need, f)
		}
	}
}

// Standstill is how long a process stands still at a point, in milliseconds: longer than anything that it holds there stays its own.
func Standstill(point string) float64 {
	for _, of := range []string{"collect", "save_sent", "save_answer", "save_void", "save_rest"} {
		if strings.HasPrefix(point, "submitter."+of+".") {
			return pastCall
		}
	}
	return pastLease
}

// held adds a process that stands still, for longer than its leases, in the middle of what it alone may do: a submission or an outcome. It is
// when two believe that they hold the same work that rows are sent twice.
func (d *drawing) held(points []Point) {
	points = slices.DeleteFunc(sorted(points), func(p Point) bool {
		return p.Needs != nil || p.Service != "submitter" && p.Service != "reconciler"
	})
	for _, p := range deal(dealHeld, points, d.seed, 1) {
		d.add(history.Fault{At: d.ms(firstFault, d.plan.FaultsFor-tryPoint), Kind: history.PausePoint, Target: d.instance(p.Service), Point: p.Name, For: Standstill(p.Name)})
	}
}

// others adds the kinds that need no more than a target and a time.
func (d *drawing) others() {
	kinds := []history.FaultKind{
		history.Pause, history.Term, history.Cut, history.Delay, history.HalfOpen, history.BrokerFull, history.StreamDelete,
		history.ConsumerDel, history.Operators, history.Definition,
	}
	var instances []string
	for _, s := range Services() {
		for n := 1; n <= Instances; n++ {
			instances = append(instances, fmt.Sprintf("%s-%d", s, n))
		}
	}
	edges := []string{"services>org", "publisher>nats"}
	for _, i := range instances {
		edges = append(edges, i+">postgres", i+">nats")
	}
	edge := deal(dealEdge, edges, d.seed, othersEach)
	instance := deal(dealInstance, instances, d.seed, othersEach)
	for i, kind := range deal(dealOther, kinds, d.seed, othersEach) {
		f := history.Fault{At: d.at(), Kind: kind}
		switch kind {
		case history.Pause:
			f.Target, f.For = instance[i], d.ms(pastLease, pastLease+800)
		case history.Term:
			f.Target = instance[i]
		case history.Cut, history.HalfOpen:
			f.Target, f.For = edge[i], d.ms(300, 2_500)
		case history.Delay:
			f.Target, f.For = edge[i], d.ms(500, 3_000)
		case history.BrokerFull:
			f.Target, f.For = "nats", d.ms(500, 1_500)
		case history.StreamDelete:
			f.Target, f.Stream = "nats", pick(d.chance, []string{"FLOW", "DLQ"})
		case history.ConsumerDel:
			f.Target, f.Stream = "nats", "FLOW" // which of its consumers is the injector's to see: their names are the product's
		case history.Operators:
			f.Target, f.At = "ops", d.ms(d.plan.FaultsFor/2, d.plan.FaultsFor-500) // there must be letters
		case history.Definition:
			f.Target, f.At = "ops", d.ms(d.plan.FaultsFor/4, d.plan.FaultsFor*3/4)
		}
		d.add(f)
	}
}

// org adds scripts of the simulator.
func (d *drawing) org() {
	for _, s := range deal(dealOrg, scripts(), d.seed, orgEach) {
		f := history.Fault{At: d.ms(100, d.plan.FaultsFor-1_500), Kind: history.Org, Target: "org", OrgKind: s.kind, Script: s.write(d.chance)}
		d.add(f)
	}
}
