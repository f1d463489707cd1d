package account

import (
	"bulkhead/libs/record"
)

// Disposition is what happens next to a record that did not land.
type Disposition string

// The dispositions.
const (
	// DispositionRetry: the retrier takes it.
	DispositionRetry Disposition = "retry"
	// DispositionDead: it is a dead letter.
	DispositionDead Disposition = "dead"
	// DispositionUnresolved: whether it landed is not known; it waits for a decision and has a letter that says so.
	DispositionUnresolved Disposition = "unresolved"
)

// CodeMissing and CodeUnprocessed stand where Salesforce gave no code.
const (
	CodeMissing     = "MISSING"
	CodeUnprocessed = "UNPROCESSED"
)

// Fate is what follows for the records of one row that did not land.
type Fate struct {
	Outcome     record.Outcome
	Disposition Disposition
	// Class is empty for an unprocessed row: nothing was found wrong with it.
	Class         record.Class
	Code, Message string
	Fields        []string
	ID            string
	// Counts: this was a try of the record. A fault of the org's quota or of our login is none, and neither is a row never looked at.
	Counts bool
	// Tries bounds the tries where the error's own rule says less than its class; 0 = as its class says.
	Tries int
	// Tried: Salesforce looked at the row, or may have; the try stands in the record's history.
	Tried bool
}

// Dispose says what follows for a row that is failed, unprocessed or missing. A missing row is sent again where the same row twice is the same
// row, and where a look-up found that it is not there; else it is unresolved.
func Dispose(o *Outcome, row int, job Job) Fate {
	switch outcome := o.Of(row); outcome {
	case record.OutcomeFailed:
		f := o.Failures[row]
		fate := Fate{
			Outcome: outcome, Disposition: DispositionRetry, Class: f.Class, Code: f.Code, Message: f.Message, Fields: f.Fields, ID: f.ID,
			Tries: f.Tries, Counts: true, Tried: true,
		}
		switch f.Class {
		case record.ClassData, record.ClassDuplicate, record.ClassPermission, record.ClassCode:
			fate.Disposition = DispositionDead
		case record.ClassQuota, record.ClassAuth:
			fate.Counts = false
		}
		return fate
	case record.OutcomeMissing:
		fate := Fate{
			Outcome: outcome, Disposition: DispositionRetry, Class: record.ClassTransient, Code: CodeMissing, Message: missingMessage(job),
			Counts: true, Tried: true,
		}
		if o.Looked != "" {
			fate.Message += "; " + o.Looked
		}
		if doubt := o.doubt(row); doubt != "" {
			fate.Disposition, fate.Class, fate.Message = DispositionUnresolved, record.ClassUnresolved, record.Storable(doubt, maxMessage)
		}
		return fate
	default:
		message := "Salesforce did not look at the row"
		if job.ErrorMessage != "" {
			message = record.Storable(job.ErrorMessage, maxMessage)
		}
		return Fate{Outcome: record.OutcomeUnprocessed, Disposition: DispositionRetry, Code: CodeUnprocessed, Message: message}
	}
}

// missingMessage says of a missing row why nothing is known of it.
func missingMessage(job Job) string {
	if job.State == JobGone {
		return "Salesforce does not know the job any more"
	}
	if job.State == JobForgotten {
		return "the ledger was restored to an earlier moment, and a job that it has forgotten may have carried the row"
	}
	if job.State == JobAnswered {
		return "no call for the row got an answer that says what became of it"
	}
	if job.Unreadable {
		return "the job's result files could not be read"
	}
	return "the row stayed in none of the job's result files, or they contradict themselves about it"
}

// doubt is why a missing row must not be sent again without a decision; "" = it may.
func (o *Outcome) doubt(row int) string {
	if text := o.DoubtOf[row]; text != "" {
		return text
	}
	return o.Doubt
}
