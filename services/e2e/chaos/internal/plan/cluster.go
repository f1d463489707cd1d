package plan

import (
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Nodes are how many servers a cluster of brokers has.
const Nodes = 3

const (
	// clusterFor is while faults begin on a cluster: a leader that died is missed for up to nine seconds, and two faults of nodes come one after the
	// other.
	clusterFor = 12_000
	// The least and most that two nodes of three are down, and that a node is cut off: less than the others wait until they elect leaders in the place
	// of its own, and more.
	leastDown, mostDown = 1_000, 4_000
	leastCut, mostCut   = 1_000, 6_000
)

// The decks of plans on a cluster.
const (
	dealNode uint64 = iota + 101
	dealLedger
)

// nodesEach is how many faults of the cluster's nodes a seed is dealt.
const nodesEach = 2

// DrawCluster expands a seed as [Draw] does, for a cluster of brokers: two faults of its nodes, or of all of them at once, one of PostgreSQL, and
// all the others that [Draw] has.
func DrawCluster(seed uint64, points []Point) history.Plan {
	return expand(seed, points, Nodes, clusterFor, (*drawing).clusterHand)
}

// nodeFaults is the deck of what can happen to the broker's nodes.
func nodeFaults() []history.Fault {
	one := func(k history.FaultKind) history.Fault { return history.Fault{Kind: k, Target: "nats"} }
	leader := func(stream string) history.Fault {
		return history.Fault{Kind: history.LeaderKill, Target: "nats", Stream: stream}
	}
	return []history.Fault{
		leader("RECORDS"), leader("FLOW"), leader("DLQ"), leader("META"), one(history.NodeCut), one(history.NodeCut), one(history.NodeEmpty),
		one(history.NodeEmpty), one(history.TwoDown), one(history.NATSKill), one(history.NATSRestart),
		{Kind: history.KillAll, Target: "all"},
	}
}

// clusterHand deals the faults that stop parts of the broker, PostgreSQL or everything, without their times.
func (d *drawing) clusterHand() []history.Fault {
	hand := slices.Clone(deal(dealNode, nodeFaults(), d.seed, nodesEach))
	for i := range hand {
		switch hand[i].Kind { //nolint:exhaustive // the others do not last
		case history.NodeCut:
			hand[i].For = d.ms(leastCut, mostCut)
		case history.TwoDown:
			hand[i].For = d.ms(leastDown, mostDown)
		}
	}
	ledger := deal(dealLedger, []history.FaultKind{history.PGKill, history.PGKill, history.PGRestart}, d.seed, 1)[0]
	return append(hand, history.Fault{Kind: ledger, Target: "postgres"})
}
