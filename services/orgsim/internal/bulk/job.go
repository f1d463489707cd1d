package bulk

import (
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
)

// State is the state of a job, as the API writes it.
type State string

// The states of a job.
const (
	Open           State = "Open"           // waits for its upload and its close
	UploadComplete State = "UploadComplete" // closed and queued
	InProgress     State = "InProgress"     // rows are being saved
	JobComplete    State = "JobComplete"    // every row was attempted
	Failed         State = "Failed"         // stopped by a fault of the file or of the org
	Aborted        State = "Aborted"        // stopped by somebody, or Open for too long
)

// Terminal says that a job in this state changes no more.
func (s State) Terminal() bool { return s == JobComplete || s == Failed || s == Aborted }

// Why a job is not found any more.
const (
	GoneDeleted  = "deleted"
	GoneExpired  = "expired"
	GoneVanished = "vanished"
)

// rowState is the outcome of one row in eight bytes.
type rowState struct {
	id     uint32
	result org.Result
	flags  uint8
}

const (
	hasID   = 1 << iota // id is set
	lost                // stands in no result file
	doubled             // stands twice
)

// Job is one ingest job.
type Job struct {
	life
	Spec Spec

	object *org.Object

	// The lock of the job guards these too.
	uploading bool
	upload    *Upload
	plan      *org.Plan // set once the header was found good
	closes    int

	out     *outcomes           // nil until rows are saved
	foreign []map[string]string // rows for the success file that nobody uploaded, made by a fault
	dropped bool                // it is gone for so long that its upload and its outcomes are not kept any more
	failed  int64
	active  time.Duration
}

func (j *Job) jobType() JobType { return V2Ingest }

func (j *Job) user() string { return j.Spec.User }

func (j *Job) subject() fault.Subject {
	return fault.Subject{Object: j.object.Name, Operation: string(j.Spec.Operation), Job: j.ID}
}

func (j *Job) ended(m *Manager, state State) {
	if j.foreign == nil && state == JobComplete {
		j.foreign = m.Faults.Foreign(j.subject())
	}
}

func (j *Job) removed(m *Manager) { m.attic.put(j, j.size()) }

// outcomes are what became of a job's rows; the lock of the job guards them.
type outcomes struct {
	rows   []rowState
	errors map[int]string
	// rewrites are texts that stand in a result file instead of the true ones, by row and column; a fault makes them.
	rewrites map[int]map[string]string
}

func newOutcomes(rows int) *outcomes {
	return &outcomes{rows: make([]rowState, rows), errors: map[int]string{}, rewrites: map[int]map[string]string{}}
}

// Change is one step in a job's life.
type Change struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
}
