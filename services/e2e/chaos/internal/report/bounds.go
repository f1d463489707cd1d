package report

import (
	"math"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Group is what recoveries are counted under.
type Group string

// The groups: who was killed.
const (
	Service    Group = "one service"
	NATS       Group = "NATS"
	Node       Group = "a node of NATS"
	Nodes      Group = "all nodes of NATS"
	PostgreSQL Group = "PostgreSQL"
	Everything Group = "everything at once"
)

// bound is the time from a kill to the first new progress that 99 of 100 recoveries keep to.
type bound struct {
	group   Group
	seconds float64
}

// bounds are the project's own promise, in the order of the page. A cluster that lost a leader is without it until its nodes have missed it for four
// to nine seconds and elected another one (nats-server's own times), at times in a second try; and who asked the lost one waits five seconds for its
// answer.
func bounds(clustered bool) []bound {
	if clustered {
		return []bound{{Node, 20}, {Nodes, 30}, {PostgreSQL, 15}, {Everything, 30}}
	}
	return []bound{{Service, 10}, {NATS, 5}, {PostgreSQL, 15}, {Everything, 30}}
}

// groupOf tells where a recovery counts. Restarts asked for politely are no kills.
func groupOf(k history.FaultKind, clustered bool) (Group, bool) {
	switch k {
	case history.Kill, history.KillLong, history.KillPoint, history.KillTwice:
		return Service, true
	case history.NATSKill:
		if clustered {
			return Nodes, true
		}
		return NATS, true
	case history.LeaderKill:
		return Node, true
	case history.PGKill:
		return PostgreSQL, true
	case history.KillAll:
		return Everything, true
	default:
		return "", false
	}
}

// Times sum up how long recoveries took, in seconds.
type Times struct {
	Group Group   `json:"group"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_seconds"`
	P99   float64 `json:"p99_seconds"`
	Max   float64 `json:"max_seconds"`
	Bound float64 `json:"bound_seconds"`
}

// Late says that more than one of a hundred took longer than the bound.
func (t Times) Late() bool { return t.Count > 0 && t.P99 > t.Bound }

func timesOf(b bound, seconds []float64) Times {
	slices.Sort(seconds)
	return Times{Group: b.group, Count: len(seconds), P50: quantile(seconds, 0.5), P99: quantile(seconds, 0.99), Max: quantile(seconds, 1), Bound: b.seconds}
}

// quantile is the smallest of the sorted values that a part q of them does not exceed; 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[max(0, min(at, len(sorted)-1))]
}
