package submit

import (
	"context"
	"errors"
	"io"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// Org is what this package asks of Salesforce; *salesforce.Client is one.
type Org interface {
	CreateJob(ctx context.Context, spec salesforce.JobSpec) (salesforce.JobInfo, error)
	Upload(ctx context.Context, jobID string, size int64, body func() (io.ReadCloser, error)) error
	CloseJob(ctx context.Context, jobID string) (salesforce.JobInfo, error)
	AbortJob(ctx context.Context, jobID string) (salesforce.JobInfo, error)
	Job(ctx context.Context, jobID string) (salesforce.JobInfo, error)
	Jobs(ctx context.Context, locator string) (salesforce.JobPage, error)
	// Collect makes one call of sObject Collections: sent by the first moment or not at all, its answer waited for until the second.
	Collect(ctx context.Context, call salesforce.Collection, sendBy, answerBy time.Time) ([]salesforce.CollectionItem, error)
	Identity(ctx context.Context) (salesforce.Identity, error)
	Lookup(ctx context.Context, object, field string, values []string, more ...string) ([]salesforce.Found, error)
	// OrgID is the 18-character id of the org that the credentials lead to.
	OrgID(ctx context.Context) (string, error)
	// Skew is how far the org's clock was ahead of this process's at its last reply that told the time; ok is false before the first.
	Skew() (skew time.Duration, ok bool)
}

// Orgs finds orgs by the name that definitions give them.
type Orgs interface {
	Org(ctx context.Context, name string) (Org, error)
	// PinnedID is the id of the Salesforce org that its document names, 18 characters; "" if it names none.
	PinnedID(ctx context.Context, name string) (string, error)
	// ReportsOrphans is false where orphans are to be aborted.
	ReportsOrphans(ctx context.Context, name string) (bool, error)
}

// forGood says whether a call was surely refused for a reason that a later try would meet again: not the session, not a limit, not
// something passing, and not that the job is unknown.
func forGood(err error) bool {
	if !salesforce.Definite(err) || salesforce.IsNotFound(err) {
		return false
	}
	switch salesforce.ClassOf(err) {
	case record.ClassAuth, record.ClassQuota, record.ClassTransient, record.ClassContention:
		return false
	default:
		return true
	}
}

// created is what came of Create.
func created(job salesforce.JobInfo, err error) Event[string] {
	if err != nil {
		return callFailed(err)
	}
	id, err := salesforce.ID18(job.ID)
	if err != nil {
		return Event[string]{Kind: Unsure} // an orphan, if it is a job at all
	}
	return Event[string]{Kind: Done, Job: id}
}

// closed is what came of Close. A reply that does not say that the job is past Open says nothing.
func closed(job salesforce.JobInfo, err error) Event[string] {
	if err != nil {
		return callFailed(err)
	}
	if job.State == salesforce.StateOpen || job.State == "" {
		return Event[string]{Kind: Unsure}
	}
	return Event[string]{Kind: Done}
}

// looked is what came of Look. A state that is not known is past Open: nothing returns there.
func looked(job salesforce.JobInfo, err error) Event[string] {
	switch {
	case salesforce.IsNotFound(err):
		return Event[string]{Kind: SeenNothing}
	case err != nil || job.State == "":
		return Event[string]{Kind: Unsure}
	case job.State == salesforce.StateOpen:
		return Event[string]{Kind: SeenOpen}
	}
	return Event[string]{Kind: SeenPast}
}

// aborted is what came of Abort.
func aborted(job salesforce.JobInfo, err error) Event[string] {
	if err != nil {
		return callFailed(err)
	}
	if job.State != salesforce.StateAborted {
		return Event[string]{Kind: Unsure}
	}
	return Event[string]{Kind: Done}
}

func callFailed(err error) Event[string] {
	if forGood(err) {
		return Event[string]{Kind: Refused}
	}
	return Event[string]{Kind: Unsure}
}

// pauseClass is the class under which a refusal pauses a pipeline: its own where that may pause one, else code, since what refuses
// whole chunks is not the records' doing.
func pauseClass(err error) record.Class {
	if anotherOrg(err) {
		return record.ClassAuth
	}
	if class := salesforce.ClassOf(err); class.MayPause() {
		return class
	}
	return record.ClassCode
}

// codeOf is Salesforce's code of a refusal, for a pause that a person reads.
func codeOf(err error) string {
	if anotherOrg(err) {
		return codeOrgChanged
	}
	if e, ok := errors.AsType[*salesforce.Error](err); ok && e.Code != "" {
		return e.Code
	}
	return "REQUEST_REFUSED"
}
