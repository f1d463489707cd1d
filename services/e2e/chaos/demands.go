package main

import (
	"bulkhead/services/e2e/chaos/internal/plan"
	"bulkhead/services/e2e/chaos/internal/report"
)

// completeFrom is the number of seeds from which a report must show that everything was tried.
const completeFrom = 200

// demandsOf are those of a complete report: runs are of a size that tries something, and each is over before its faults are forgotten; every
// kind of fault is tried often enough to say something, every crash point once, and recoveries often enough that one in a hundred shows. On a cluster
// runs are longer, because it elects leaders meanwhile, and the faults of its nodes share the place of those of the one broker.
func demandsOf(declared []plan.Point, cluster bool) *report.Demands {
	d := &report.Demands{
		Points: pointNames(declared), OrgKinds: plan.OrgKinds(), Times: 10,
		Runs: completeFrom, Records: 2_000, Faults: 10, Seconds: 20, Recoveries: 100,
	}
	if cluster {
		d.Seconds, d.Recoveries = 60, 20
	}
	return d
}
