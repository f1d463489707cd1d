package account

import (
	"time"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// JobGone stands in the place of a job's state when Salesforce does not know the job any more, JobNothingSent when there is no job, JobAnswered when the
// chunk went by calls of collections, which have been answered, JobForgotten when a job that a restored ledger has forgotten may have carried rows of it.
const (
	JobGone        = "gone"
	JobNothingSent = "nothing_sent"
	JobAnswered    = "answered"
	JobForgotten   = "forgotten"
)

// maxReads is how many reads of the files it takes to believe that a row is in none of them.
const maxReads = 3

// Job is what is known of an ended job.
type Job struct {
	// State is JobComplete, Failed or Aborted as Salesforce writes them, [JobGone], [JobNothingSent], [JobAnswered] or [JobForgotten].
	State string
	// Processed and Failed are its counters, failed ones included in the processed ones; negative = it gave no usable ones.
	Processed, Failed int64
	// ErrorMessage is Salesforce's, of a failed job.
	ErrorMessage string
	// CloseRefused: Salesforce refused to close the job, so it was aborted while it was open: it cannot have processed anything, unless somebody who
	// stood still since before the refusal closed it after all. Its counter tells, if it gave one: zero = nobody did.
	CloseRefused bool
	// Unreadable: it has result files and their rows cannot be read, for good. They tell of no row.
	Unreadable bool
}

// HasFiles says whether the job has result files to read.
func (j Job) HasFiles() bool {
	if planted.On(planted.ResultsOfAbortedJobsIgnored) && j.State == salesforce.StateAborted {
		return false
	}
	return j.State != JobGone && j.State != JobNothingSent && !j.ByCalls()
}

// ByCalls says whether what became of the rows stands in calls of collections. Of rows that a forgotten job may have carried there are calls without an answer.
func (j Job) ByCalls() bool { return j.State == JobAnswered || j.State == JobForgotten }

// countersHold says whether the files can be held against the counters: only a complete job's, if it gave any.
func (j Job) countersHold() bool {
	return j.State == salesforce.StateJobComplete && j.Processed >= 0 && j.Failed >= 0 && j.Failed <= j.Processed
}

// processedNothing says whether a job without a row in its success and failure files has surely processed none.
func (j Job) processedNothing() bool {
	if j.Unreadable {
		return false // what files that cannot be read would say is not known
	}
	switch j.State {
	case JobNothingSent:
		return true
	case JobGone:
		return planted.On(planted.SendAgainOn404)
	case salesforce.StateAborted:
		// Without a counter nothing tells. Salesforce shows counters from the close on and may leave them out of a job that was aborted open, but it is not
		// known that it does, so their absence proves no more than their presence would. Then the file of unprocessed rows is left, which is
		// believed row by row; what is not in it either is missing: keyed rows are sent again as such, at a try's cost, inserted ones are
		// looked for or left to a person. That costs time. Calling rows unprocessed that landed would insert them twice.
		return j.CloseRefused && j.Processed == 0 || planted.On(planted.ResultsOfAbortedJobsIgnored)
	case salesforce.StateFailed:
		return salesforce.ParseJobFault(j.ErrorMessage).RefusedWhole()
	}
	return false
}

// NeedsUnprocessed says whether the file of unprocessed rows must be read too: always, except when the other two already tell of every row
// that was sent to a complete job, as its counters say.
func (j Job) NeedsUnprocessed(landed, failed, sent int) bool {
	return j.State != salesforce.StateJobComplete || landed+failed < sent ||
		j.countersHold() && (int64(landed) != j.Processed-j.Failed || int64(failed) != j.Failed)
}

// Read is what one complete read of all result files found.
type Read struct {
	// Sent is how many rows were sent; Landed, Failed and Unprocessed are how many of them the three files told of, each once.
	Sent, Landed, Failed, Unprocessed int
	// Unclear is how many rows the files tell of more than once, or, of content, how many result rows match no row that was sent.
	Unclear int
	// Contradiction says what in the files cannot be; "" = nothing.
	Contradiction string
	// Digest is of everything the files said.
	Digest Digest
}

func (r Read) accounted() int { return r.Landed + r.Failed + r.Unprocessed }

// Past is what earlier reads left. The zero value means that there was none.
type Past struct {
	Reads               int
	FirstReadAt, LastAt time.Time
	LastDigest          Digest
}

// Step is what follows from a read.
type Step string

// The steps.
const (
	// StepSettle: the files are complete; what they do not tell of is missing (or unprocessed, see [Reading.Finish]).
	StepSettle Step = "settle"
	// StepAgain: read again at the time given.
	StepAgain Step = "again"
	// StepQuarantine: the files contradict what was sent; nothing is decided, a person looks.
	StepQuarantine Step = "quarantine"
)

// Verdict is a step with its reason.
type Verdict struct {
	Step Step
	// At is when to read again.
	At time.Time
	// Reason is for the log and for the ledger.
	Reason string
}

// Decide is rule 8: whether a read of the result files is enough to decide the chunk. now is when the read began, past tells of the ends of those
// before: the files of two reads are at least as far apart as that.
func Decide(job Job, read Read, past Past, waits record.Waits, now time.Time) Verdict {
	reads := past.Reads + 1
	first := past.FirstReadAt
	if past.Reads == 0 {
		first = now
	}
	same := past.Reads > 0 && past.LastDigest == read.Digest
	settled := same && now.Sub(past.LastAt) >= waits.Settle

	if read.Contradiction != "" {
		// A row that moves from one file to another between two downloads looks doubled. What stays so is no accident.
		if settled || reads >= maxReads {
			return Verdict{Step: StepQuarantine, Reason: read.Contradiction}
		}
		return Verdict{Step: StepAgain, At: now.Add(waits.Settle), Reason: read.Contradiction}
	}

	if planted.On(planted.EndOfFileTakenAsComplete) {
		return Verdict{Step: StepSettle, Reason: "the files have ended"}
	}
	whole := read.Unclear == 0 && (read.accounted() == read.Sent || job.processedNothing() && read.Landed+read.Failed == 0)
	absent := "rows are in none of the files"
	if read.Unclear > 0 {
		absent = "rows are told of more than once, or altered beyond recognition"
	}
	enough := reads >= maxReads && now.Sub(first) >= waits.Missing
	if job.countersHold() {
		agree := int64(read.Landed) == job.Processed-job.Failed && int64(read.Failed) == job.Failed
		switch {
		case agree && whole:
			return Verdict{Step: StepSettle, Reason: "the files equal the counters and tell of every row"}
		case enough && whole:
			return Verdict{Step: StepSettle, Reason: "the files tell of every row, the counters differ for good"}
		case enough:
			return Verdict{Step: StepSettle, Reason: "for good: " + absent}
		case !agree:
			return Verdict{Step: StepAgain, At: nextOfThree(reads, first, now, waits.Missing), Reason: "the files differ from the counters"}
		}
		return Verdict{Step: StepAgain, At: nextOfThree(reads, first, now, waits.Missing), Reason: absent}
	}

	switch {
	case settled && whole:
		return Verdict{Step: StepSettle, Reason: "two reads were the same and tell of every row"}
	case settled && enough:
		return Verdict{Step: StepSettle, Reason: "two reads were the same, for good: " + absent}
	case settled:
		return Verdict{Step: StepAgain, At: latest(now.Add(waits.Settle), nextOfThree(reads, first, now, waits.Missing)), Reason: absent}
	}
	return Verdict{Step: StepAgain, At: now.Add(waits.Settle), Reason: "two reads must be the same"}
}

// nextOfThree spreads the reads so that the third comes when the whole wait is over.
func nextOfThree(reads int, first, now time.Time, wait time.Duration) time.Time {
	if reads >= maxReads-1 {
		return latest(first.Add(wait), now.Add(wait/10))
	}
	return now.Add(wait / (maxReads - 1))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
