package history

// FaultKind is what is done.
type FaultKind string

// The kinds of faults.
const (
	Kill         FaultKind = "kill"          // kill -9, started again at once
	KillLong     FaultKind = "kill_long"     // kill -9, started again after For
	KillPoint    FaultKind = "kill_point"    // kill -9 of itself at a crash point, started again at once
	KillTwice    FaultKind = "kill_twice"    // the same, and once more at the same point after the new start
	PausePoint   FaultKind = "pause_point"   // held at a crash point for longer than every lease
	KillAll      FaultKind = "kill_all"      // kill -9 of every service, NATS and PostgreSQL at the same moment
	Pause        FaultKind = "pause"         // SIGSTOP, SIGCONT after For, which is longer than every lease
	Term         FaultKind = "term"          // SIGTERM under load, started again when it has ended
	NATSKill     FaultKind = "nats_kill"     // kill -9 of the broker, of a cluster all of it at once, started again
	NATSRestart  FaultKind = "nats_restart"  // SIGTERM of the broker, started again; of a cluster node by node, each as a lame duck first
	PGKill       FaultKind = "pg_kill"       // PostgreSQL dies at once (its immediate stop), started again
	PGRestart    FaultKind = "pg_restart"    // PostgreSQL's fast stop, started again
	Cut          FaultKind = "cut"           // connections of an edge are reset, new ones refused, For
	Delay        FaultKind = "delay"         // an edge answers late, For
	HalfOpen     FaultKind = "half_open"     // an edge takes bytes and gives none, For
	BrokerFull   FaultKind = "broker_full"   // the broker refuses to store, For
	StreamDelete FaultKind = "stream_delete" // FLOW or DLQ is deleted
	ConsumerDel  FaultKind = "consumer_delete"
	Org          FaultKind = "org"        // a script of the simulator
	Operators    FaultKind = "operators"  // two operators replay the same letters at once
	Definition   FaultKind = "definition" // a definition is changed in mid-flight
)

// The kinds that only a cluster of brokers has. No more than one of them strikes at a time, and the next one waits until all nodes are back with
// all that they are to hold: of three disks only one may be empty.
const (
	LeaderKill FaultKind = "leader_kill" // kill -9 of the node that leads Stream, started again at once
	NodeCut    FaultKind = "node_cut"    // a node cut off from the other nodes, and from its clients or not, For
	NodeEmpty  FaultKind = "node_empty"  // kill -9 of a node, its disk emptied, started again
	TwoDown    FaultKind = "two_down"    // kill -9 of two nodes of three, started again after For
)

// Restore is a kind of simulations alone: the ledger is backed up at At, and put back to that For later, or a little behind that. The services are stopped for
// it (Target "postgres"), or die some time after the ledger has ("all").
const Restore FaultKind = "restore"

// ClusterKinds are those of a cluster alone, in the order of the report.
func ClusterKinds() []FaultKind { return []FaultKind{LeaderKill, NodeCut, NodeEmpty, TwoDown} }

// FaultKinds are all that a broker of one server can have, in the order of the report.
func FaultKinds() []FaultKind {
	return []FaultKind{
		Kill, KillLong, KillPoint, KillTwice, PausePoint, KillAll, Pause, Term, NATSKill, NATSRestart, PGKill, PGRestart,
		Cut, Delay, HalfOpen, BrokerFull, StreamDelete, ConsumerDel, Org, Operators, Definition,
	}
}
