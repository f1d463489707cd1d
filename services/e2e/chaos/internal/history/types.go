package history

// Plan is everything that a seed decided. It is printed and stored before anything starts; a run repeats from it.
type Plan struct {
	// Version of the way in which seeds are expanded: the same seed is the same plan only within one version.
	Version int    `json:"version"`
	Seed    uint64 `json:"seed"`
	// Records to publish, repeats not counted.
	Records int `json:"records"`
	// FaultsFor is how long faults are injected, in ms from the start of the load; what begins in it may end after it.
	FaultsFor float64 `json:"faults_for_ms"`
	Faults    []Fault `json:"faults"`
	// RowsPerSecond is the simulator's speed.
	RowsPerSecond int `json:"rows_per_second"`
	// MaxWaiting bounds the records of a pipeline that wait to be sent again, above which it pauses; 0 = as the product has it.
	MaxWaiting int `json:"max_waiting,omitempty"`
	// Sweep: it is about crash points alone, of which each service has several at once. How fast it recovers from one of them says nothing.
	Sweep bool `json:"sweep,omitempty"`
	// Resumes are crash points of `extractor resume`. For each of them, when everything is at rest, a RECORDS stream is deleted and made again,
	// and the command that lets its pipeline go on dies there.
	Resumes []string `json:"resumes,omitempty"`
	// Nodes is of how many servers the broker is a cluster, with as many replicas of each stream; 0 = it is one server.
	Nodes int `json:"nodes,omitempty"`
	// Planted names a bug that was switched on on purpose; "" = none.
	Planted string `json:"planted,omitempty"`
	// Unsafe names the server whose settings let it acknowledge what a power cut takes away, on purpose: nats or postgres; "" = none.
	Unsafe string `json:"unsafe,omitempty"`
}

// Clustered says whether the broker is a cluster.
func (p Plan) Clustered() bool { return p.Nodes > 1 }

// Fault is one thing that is done to one part.
type Fault struct {
	ID   string    `json:"id"`
	At   float64   `json:"at_ms"` // since the start of the load
	Kind FaultKind `json:"kind"`
	// Target is an instance ("submitter-1"), "nats", "postgres", "org", "all", or an edge ("submitter-1>postgres").
	Target string  `json:"target"`
	For    float64 `json:"for_ms,omitempty"`
	// Point is the crash point of a kind that has one, as "name" or "name@2" for its second hit.
	Point string `json:"point,omitempty"`
	// Stream and Consumer are what is deleted; of a leader's death Stream is whose leader it is: a stream, "RECORDS" for some pipeline's, or
	// "META" for the cluster's own.
	Stream   string `json:"stream,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	// Script is given to the simulator as it is: fault rules in its own JSON.
	Script []byte `json:"script,omitempty"`
	// OrgKind is the simulator's kind of effect, for the report.
	OrgKind string `json:"org_kind,omitempty"`
}

// Run says when and on what a run was made.
type Run struct {
	Seed    uint64 `json:"seed"`
	Commit  string `json:"commit"`
	Machine string `json:"machine"` // cores and memory, nothing that names it
	Started string `json:"started"` // RFC 3339
	// Seconds of the whole run, and of its parts.
	Seconds        float64 `json:"seconds"`
	StartSeconds   float64 `json:"start_seconds"`
	FaultSeconds   float64 `json:"fault_seconds"`
	HealSeconds    float64 `json:"heal_seconds"`
	CollectSeconds float64 `json:"collect_seconds"`
	// Rested says that everything came to rest within the bound after healing; else Waiting says what did not.
	Rested  bool   `json:"rested"`
	Waiting string `json:"waiting,omitempty"`
	// Unpublished is the number of the plan's records that publishers gave up, because the broker did not take them.
	Unpublished int `json:"unpublished,omitempty"`
	// Leaks are secrets that were found in what processes wrote: which, and in what file; never the secret itself.
	Leaks []string `json:"leaks,omitempty"`
	// Harness is a fault of the instrument itself, which judges nothing; "" = none.
	Harness string `json:"harness,omitempty"`
}

// Answer is what a publisher knows of one publish.
type Answer string

// The answers.
const (
	OK      Answer = "ok"      // the broker has it
	Failed  Answer = "failed"  // the broker refused it: it has it not
	Unknown Answer = "unknown" // no answer: it may have it
)

// Publication is one record in one try to publish it. The same record has several when it was sent again.
type Publication struct {
	Pipeline string `json:"pipeline"`
	// Record is the instrument's own number of the record within its pipeline, in the order of first publishing; a repeat has the number
	// of what it repeats.
	Record int `json:"record"`
	// Key is the idempotency key as the ledger will know it; "" where the product makes it from content or place.
	Key string `json:"key,omitempty"`
	// Entity is the value of the key field; "" for what cannot be read.
	Entity string `json:"entity,omitempty"`
	// N counts the records of an entity from 1: a later one is newer. With a version member it is the version.
	N int `json:"n,omitempty"`
	// Says is what the record sets, by API field name; null clears.
	Says map[string]*string `json:"says,omitempty"`
	// Repeat: the same key and content was published before on purpose.
	Repeat bool `json:"repeat,omitempty"`
	// Fate is what must become of it whatever happens: "" = it can land; else the class and code of its letter, "data/NOT_JSON".
	// "heals/<class>": it dies of that at first, and an operator's replay may land it.
	Fate string `json:"fate,omitempty"`

	Message string  `json:"message"` // names the publish: equal for all records of one frame in one try
	MsgID   string  `json:"msg_id,omitempty"`
	Sent    float64 `json:"sent_ms"`
	Acked   float64 `json:"acked_ms,omitempty"`
	Answer  Answer  `json:"answer"`
	Seq     uint64  `json:"seq,omitempty"` // of the message, where the broker said it
	Dup     bool    `json:"dup,omitempty"` // the broker called it a duplicate
	Index   int     `json:"index"`         // within the frame
	Refused string  `json:"refused,omitempty"`
}

// Event is one line of the timeline.
type Event struct {
	At   float64 `json:"at_ms"`
	What string  `json:"what"` // phase, fault, fault_end, restored, start, exit, operator, note, witness
	// Fault is the id of the fault that it belongs to.
	Fault  string    `json:"fault,omitempty"`
	Kind   FaultKind `json:"kind,omitempty"`
	Target string    `json:"target,omitempty"`
	Point  string    `json:"point,omitempty"`
	// Text says the rest: the phase's name, an exit's cause, an operator's answer.
	Text string `json:"text,omitempty"`
	// Order is what an operator ordered of letters (replay, discard, resolve), whatever the answer was: Letters are the ids that the order
	// names, and Filter is "<pipeline>/<class>/<code>" where it names none.
	Order   string   `json:"order,omitempty"`
	Letters []string `json:"letters,omitempty"`
	Filter  string   `json:"filter,omitempty"`
	// Key is the idempotency key of an order, and Action what the API called it; "" = it did not say.
	Key    string `json:"key,omitempty"`
	Action string `json:"action,omitempty"`
	// Done is false for a fault that could not be injected (its point was not reached, its target was down).
	Done bool `json:"done,omitempty"`
	// Acked and Kept are a witness's: how much of the instrument's own a server acknowledged right before its power was cut, and how much of that it
	// had behind it.
	Acked int `json:"acked,omitempty"`
	Kept  int `json:"kept,omitempty"`
}

// Balance is the API's, of one pipeline.
type Balance struct {
	Accepted         int64 `json:"accepted"`
	Landed           int64 `json:"landed"`
	InFlight         int64 `json:"in_flight"`
	Retrying         int64 `json:"retrying"`
	WaitingForParent int64 `json:"waiting_for_parent"`
	Unresolved       int64 `json:"unresolved"`
	Dead             int64 `json:"dead"`
	Superseded       int64 `json:"superseded"`
	Discarded        int64 `json:"discarded"`
	RolledBack       int64 `json:"rolled_back"`
	Repeats          int64 `json:"repeats"`
	Unread           int64 `json:"unread"` // -1 = not known, while the broker does not answer
}

// Sample is what was seen at one moment. Members are absent when what they come from could not be asked.
type Sample struct {
	At float64 `json:"at_ms"`
	// Balance by pipeline, all read by one statement of the API.
	Balance map[string]Balance `json:"balance,omitempty"`
	// Marks by pipeline and lane ("none" too): "<sequence>.<index>" up to which everything is decided, and the stream's incarnation.
	Marks map[string]map[string]string `json:"marks,omitempty"`
	// Progress counts commits that moved work on, by service, from the ledger's own rows: what a recovery's time is measured by.
	Progress map[string]int64 `json:"progress,omitempty"`
	// Processed is how many rows the org has processed so far.
	Processed int64 `json:"processed"`
}

// OrgRecord is a row of the org, live or deleted, with every version that it ever had.
type OrgRecord struct {
	Object   string       `json:"object"`
	ID       string       `json:"id"`
	Deleted  bool         `json:"deleted,omitempty"`
	Seeded   bool         `json:"seeded,omitempty"`
	Versions []OrgVersion `json:"versions"` // oldest first; the last one is what it holds
}

// OrgVersion is what a row held from one write to the next.
type OrgVersion struct {
	Fields map[string]string `json:"fields"`        // those that hold something
	Job    string            `json:"job,omitempty"` // "" = it was always there, or no job wrote it
	N      int               `json:"n,omitempty"`   // the row of the job that wrote it, from 0
	At     float64           `json:"at_ms"`
	// Deleted: from here on it is deleted, with what it held.
	Deleted bool `json:"deleted,omitempty"`
}

// OrgJob is a job that the org was ever asked to make.
type OrgJob struct {
	ID        string  `json:"id"`
	Object    string  `json:"object"`
	Operation string  `json:"operation"`
	State     string  `json:"state"`
	Gone      bool    `json:"gone,omitempty"`
	Created   float64 `json:"created_ms"`
	Closed    float64 `json:"closed_ms,omitempty"` // 0 = never closed
	Ended     float64 `json:"ended_ms,omitempty"`  // when it came to its last state; 0 = it has not
	Rows      int     `json:"rows"`
	Uploads   int     `json:"uploads"` // how often content was sent
	// Abandoned: someone other than the product made it.
	Foreign bool `json:"foreign,omitempty"`
	// Called: it is no job, but one call of collections, which the org was at work on from Closed to Ended. The product has no name for it.
	Called bool `json:"called,omitempty"`
}

// OrgRow is what became of one uploaded row of a job that was closed.
type OrgRow struct {
	Job     string            `json:"job"`
	N       int               `json:"n"` // from 0, in the order of the upload
	Cells   map[string]string `json:"cells"`
	Outcome string            `json:"outcome"` // created, updated, deleted, failed, unprocessed
	ID      string            `json:"id,omitempty"`
	Error   string            `json:"error,omitempty"`
	// Hidden says how the result files lied about it: lost, doubled, rewritten; "" = they did not. called: it was a row of a call, whose answer the product
	// may never have had, whatever the org did.
	Hidden string `json:"hidden,omitempty"`
}

// OrgCall is a request to the org.
type OrgCall struct {
	N        int     `json:"n"`
	At       float64 `json:"at_ms"`
	Endpoint string  `json:"endpoint"`
	Job      string  `json:"job,omitempty"`
	Status   int     `json:"status"`
	Fault    string  `json:"fault,omitempty"`
}

// Letter is a message of the DLQ stream as a plain client read it.
type Letter struct {
	At         float64         `json:"at_ms"`
	Seq        uint64          `json:"seq"`
	Subject    string          `json:"subject"`
	ID         string          `json:"id"`
	Pipeline   string          `json:"pipeline"`
	Key        string          `json:"key"`
	Generation int             `json:"generation"`
	Entity     string          `json:"entity"`
	Class      string          `json:"class"`
	Code       string          `json:"code"`
	Text       string          `json:"text"`
	Stage      string          `json:"stage"`
	Payload    string          `json:"payload,omitempty"`
	Origin     Place           `json:"origin"`
	Attempts   []LetterAttempt `json:"attempts,omitempty"`
}

// Place is where in its stream a record was published.
type Place struct {
	Seq   uint64 `json:"sequence"`
	Index int    `json:"index"`
}

// LetterAttempt is one try of a dead record.
type LetterAttempt struct {
	N     int    `json:"n"`
	Job   string `json:"job_id"`
	Class string `json:"class"`
	Code  string `json:"code"`
}

// Final is what the API says at rest, and what is left in the DLQ stream.
type Final struct {
	Balance map[string]Balance `json:"balance"`
	// Open are the letters that the API calls open, and Left the ids of those that lie in the stream.
	Open []FinalLetter `json:"open"`
	Left []string      `json:"left"`
	// Records are the API's answers about single records that the export of what landed does not have.
	Records []FinalRecord `json:"records"`
	// Attempts are the tries that the policies allow, by class for all pipelines, and as "<pipeline>/<class>" where a revision of its
	// definition says something else: the most of what its revisions say.
	Attempts map[string]int `json:"attempts"`
	// Fewest are the tries after which a record may be given up, in the same way: the fewest of what the revisions say.
	Fewest map[string]int `json:"fewest,omitempty"`
	// Unsettled is what the API still calls open, paused or stopped at rest, a sentence each.
	Unsettled []string `json:"unsettled,omitempty"`
	// Broken are exports that never came whole, because the API itself finds them other than its balance, a sentence each.
	Broken []string `json:"broken,omitempty"`
	// Holes are what should be at the broker and is not: streams by name, and the consumers of services as "<stream>/<service>".
	Holes []string `json:"holes,omitempty"`
}

// FinalLetter is a letter in ops' index.
type FinalLetter struct {
	ID       string `json:"id"`
	Pipeline string `json:"pipeline"`
	Key      string `json:"key"`
	Class    string `json:"class"`
	Code     string `json:"code"`
	State    string `json:"state"`
	// Generation and Entity are those of the record.
	Generation int    `json:"generation,omitempty"`
	Entity     string `json:"entity,omitempty"`
}

// FinalRecord is what the API says became of a record.
type FinalRecord struct {
	Pipeline   string `json:"pipeline"`
	Key        string `json:"key"`
	Entity     string `json:"entity"`
	Generation int    `json:"generation"`
	State      string `json:"state"`
	// Successor is the key of what superseded it.
	Successor string `json:"successor,omitempty"`
	ID        string `json:"id,omitempty"`
	Origin    Place  `json:"origin"`
}

// Landed is a line of the API's export of what landed.
type Landed struct {
	Pipeline   string `json:"pipeline"`
	Key        string `json:"key"`
	Generation int    `json:"generation"`
	ID         string `json:"id"`
	Job        string `json:"job,omitempty"`
	Origin     Place  `json:"origin"`
}

// Points are the crash points that processes of a run passed, with how often, and those at which one was killed or held.
type Points struct {
	Reached map[string]int `json:"reached"`
	Killed  map[string]int `json:"killed"`
	Held    map[string]int `json:"held"`
}

// Verdict is what a judge says of a run.
type Verdict struct {
	Seed     uint64    `json:"seed"`
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings,omitempty"`
	// Counts of what was checked, so that a verdict that looked at nothing shows: records, rows, letters, resends, samples...
	Checked map[string]int `json:"checked"`
	// Faults that were really injected, by kind; those of the org as "org:<kind>".
	Faults     map[string]int `json:"faults"`
	Recoveries []Recovery     `json:"recoveries,omitempty"`
}

// Finding is one thing that is not as it must be.
type Finding struct {
	// Invariant is the number in docs/reliability.md that it breaks ("I4"), Name the word of the report: lost, doubled, stale, stuck,
	// unbalanced, orphaned, false_success, false_failure, resent, unbounded, backwards, foreign, field_lost.
	Invariant string `json:"invariant"`
	Name      string `json:"name"`
	Pipeline  string `json:"pipeline,omitempty"`
	Entity    string `json:"entity,omitempty"`
	Key       string `json:"key,omitempty"`
	Job       string `json:"job,omitempty"`
	Text      string `json:"text"`
}

// Recovery is how long it took from a fault until the first new progress.
type Recovery struct {
	Fault   string    `json:"fault"`
	Kind    FaultKind `json:"kind"`
	Target  string    `json:"target"`
	Seconds float64   `json:"seconds"`
}
