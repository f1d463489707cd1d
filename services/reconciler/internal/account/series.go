package account

import (
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// Standing is what one submission says of its pipeline: submissions in a row that are blocked pause it.
type Standing string

// The standings.
const (
	// StandingWorks: a row landed, or was refused for its own data, a duplicate or a reference: the org takes rows.
	StandingWorks Standing = "works"
	// StandingBlocked: no row landed and the org is to blame: permission, its own code, quota, our login, or nothing was processed.
	StandingBlocked Standing = "blocked"
	// StandingOpen: neither. Locks and passing faults are bounded by the records' own tries; an empty upload says nothing.
	StandingOpen Standing = "open"
)

// BlockedInARow is how many blocked submissions in a row pause a pipeline.
const BlockedInARow = 5

// Blame says why a pipeline pauses.
type Blame struct {
	Class         record.Class
	Code, Message string
}

// StandingOf judges a submission. The blame is that of the class found most often; it means something only when blocked.
func StandingOf(o *Outcome, job Job) (Standing, Blame) {
	if o.Landed > 0 {
		return StandingWorks, Blame{}
	}
	count := map[Blame]int{}
	for row, state := range o.States {
		if state != record.OutcomeFailed.Byte() {
			continue
		}
		f, failed := o.Failures[row]
		if !failed || f.Unsent {
			continue
		}
		switch {
		case f.Class == record.ClassData, f.Class == record.ClassDuplicate, f.Class == record.ClassReference:
			return StandingWorks, Blame{}
		case f.Class.MayPause():
			count[Blame{Class: f.Class, Code: f.Code, Message: f.Message}]++
		}
	}
	if len(count) == 0 {
		if o.Unprocessed == 0 || job.State == JobNothingSent || job.State == JobForgotten {
			return StandingOpen, Blame{}
		}
		return StandingBlocked, jobBlame(job)
	}
	var worst Blame
	most := 0
	for blame, n := range count {
		// Equal counts are told apart by the code, so that the same files always give the same pause.
		if n > most || n == most && blame.Code+blame.Message < worst.Code+worst.Message {
			worst, most = blame, n
		}
	}
	return StandingBlocked, worst
}

// jobBlame is the blame of a job that processed nothing. Where its error has no class that may pause a pipeline, somebody with rights on the org
// ended the job: that is a matter of permission.
func jobBlame(job Job) Blame {
	if job.State == JobAnswered {
		return Blame{Class: record.ClassPermission, Code: "CALL_REFUSED", Message: job.ErrorMessage}
	}
	fault := salesforce.ParseJobFault(job.ErrorMessage)
	b := Blame{Class: fault.Class(), Code: fault.Code, Message: fault.Message}
	if !b.Class.MayPause() {
		b.Class = record.ClassPermission
	}
	if b.Code == "" {
		b.Code = "JOB_" + map[bool]string{true: "ABORTED", false: "FAILED"}[job.State == salesforce.StateAborted]
	}
	if b.Message == "" {
		b.Message = "the job ended without a row processed"
	}
	return b
}

// PauseAtOnce returns the blame for which a pipeline pauses after a single submission: a row was refused for quota or for our login.
func PauseAtOnce(o *Outcome) (Blame, bool) {
	for row, state := range o.States {
		if state != record.OutcomeFailed.Byte() {
			continue
		}
		if f, failed := o.Failures[row]; failed && (f.Class == record.ClassQuota || f.Class == record.ClassAuth) {
			return Blame{Class: f.Class, Code: f.Code, Message: f.Message}, true
		}
	}
	return Blame{}, false
}
