package record

import "slices"

// State says where an accepted record is. Each is a term of the [Balance].
type State string

// The states of an accepted record.
const (
	// StateInFlight: in a chunk, or waiting to be sealed into one, whose outcome is not decided.
	StateInFlight State = "in_flight"
	// StateRetrying: a try did not land it; it waits to be sent again.
	StateRetrying State = "retrying"
	// StateWaitingForParent: like retrying, for a row that the record points at.
	StateWaitingForParent State = "waiting_for_parent"
	// StateUnresolved: whether it landed could not be established; a look-up or a person decides.
	StateUnresolved State = "unresolved"
	// StateLanded: Salesforce has it, once, and its Salesforce id is known.
	StateLanded State = "landed"
	// StateDead: it waits for a person, as a dead letter with the reason and every attempt.
	StateDead State = "dead"
	// StateSuperseded: newer versions of its entity cover all it said; it names its successor.
	StateSuperseded State = "superseded"
	// StateDiscarded: a person gave it up, with name and reason.
	StateDiscarded State = "discarded"
	// StateRolledBack: a person undid it, with name and reason.
	StateRolledBack State = "rolled_back"
)

var states = []State{
	StateInFlight, StateRetrying, StateWaitingForParent, StateUnresolved,
	StateLanded, StateDead, StateSuperseded, StateDiscarded, StateRolledBack,
}

// States returns every state, open ones first. The caller owns the slice.
func States() []State { return slices.Clone(states) }

// Final says whether a record in this state has reached one of its five ends. A dead record counts as ended until a person
// replays it.
func (s State) Final() bool {
	switch s {
	case StateLanded, StateDead, StateSuperseded, StateDiscarded, StateRolledBack:
		return true
	case StateInFlight, StateRetrying, StateWaitingForParent, StateUnresolved:
	}
	return false
}

// Outcome is what became of one row of a chunk.
type Outcome string

// The outcomes of a row.
const (
	// OutcomeLanded: Salesforce says that it has the row.
	OutcomeLanded Outcome = "landed"
	// OutcomeFailed: Salesforce refused the row with a code.
	OutcomeFailed Outcome = "failed"
	// OutcomeUnprocessed: Salesforce says that it never looked at the row. Counts as no try.
	OutcomeUnprocessed Outcome = "unprocessed"
	// OutcomeMissing: the row is in none of the result files.
	OutcomeMissing Outcome = "missing"
	// OutcomeSuperseded: the row was left out of the upload because newer versions cover it.
	OutcomeSuperseded Outcome = "superseded"
)

var outcomes = []Outcome{OutcomeLanded, OutcomeFailed, OutcomeUnprocessed, OutcomeMissing, OutcomeSuperseded}

// Outcomes returns every outcome. The caller owns the slice.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// Byte is the one-byte form in which outcomes are stored, an array per chunk: l, f, u, m, s. A word that is no outcome gives '?',
// which [OutcomeOf] refuses.
func (o Outcome) Byte() byte {
	switch o {
	case OutcomeLanded, OutcomeFailed, OutcomeUnprocessed, OutcomeMissing, OutcomeSuperseded:
		return o[0]
	}
	return '?'
}

// OutcomeOf is the reverse of [Outcome.Byte]; false when b stands for no outcome.
func OutcomeOf(b byte) (Outcome, bool) {
	for _, o := range outcomes {
		if o[0] == b {
			return o, true
		}
	}
	return "", false
}

// Kinds of chunk: where its rows come from.
const (
	// ChunkFresh: sealed by the extractor from the stream. Fresh chunks of a lane go in the order of their sealing.
	ChunkFresh = "fresh"
	// ChunkReplay: sealed by the extractor from letters that a person ordered to be mapped again.
	ChunkReplay = "replay"
	// ChunkResend: sealed by the retrier from rows that did not land.
	ChunkResend = "resend"
)

// Stages at which a record can die: who decided it.
const (
	// StageExtract: refused before Salesforce, by the extractor.
	StageExtract = "extract"
	// StageReconcile: refused by Salesforce in a way that no retry cures.
	StageReconcile = "reconcile"
	// StageRetry: every try that its policy allows has failed.
	StageRetry = "retry"
)
