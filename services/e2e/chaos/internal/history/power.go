package history

import "slices"

// PowerCut is a fault that only runs have whose servers write to disks of their own: what a server wrote and did not sync is lost. It is in no seed's
// plan, and so not among [FaultKinds]. Its targets are those below.
const PowerCut FaultKind = "power_cut"

// Who loses power.
const (
	CutMachine = "machine"       // everything but the org, services too: it stands on one machine
	CutServers = "nats+postgres" // both servers at the same moment; the services go on
	CutNATS    = "nats"
	CutLedger  = "postgres"
)

// CutTargets are all of these.
func CutTargets() []string { return []string{CutMachine, CutServers, CutNATS, CutLedger} }

// CutsPower says whether somebody loses power in a run.
func (p Plan) CutsPower() bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == PowerCut })
}
