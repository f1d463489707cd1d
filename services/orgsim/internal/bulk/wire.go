package bulk

import (
	"fmt"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// stamp is a date-time as job replies write it.
type stamp time.Time

// MarshalJSON writes the form 2026-01-02T19:26:52.000+0000.
func (t stamp) MarshalJSON() ([]byte, error) {
	return []byte(`"` + org.FormatStamp(time.Time(t)) + `"`), nil
}

// version is an API version as job replies write it: the number 66.0.
type version float64

// MarshalJSON writes one digit after the point.
func (v version) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%.1f", float64(v)), nil }

// ShortInfo is the reply to a PATCH, and the beginning of all others. Members are in wire order.
type ShortInfo struct {
	ID                  string  `json:"id"`
	Operation           string  `json:"operation"`
	Object              string  `json:"object"`
	CreatedByID         string  `json:"createdById"`
	CreatedDate         stamp   `json:"createdDate"`
	SystemModstamp      stamp   `json:"systemModstamp"`
	State               State   `json:"state"`
	ExternalIDFieldName string  `json:"externalIdFieldName,omitempty"`
	ConcurrencyMode     string  `json:"concurrencyMode"`
	ContentType         string  `json:"contentType"`
	APIVersion          version `json:"apiVersion"`
}

// CreateInfo is the reply to a create.
type CreateInfo struct {
	ShortInfo
	ContentURL       string `json:"contentUrl,omitempty"` // absent when the create brought the data with it
	LineEnding       string `json:"lineEnding"`
	ColumnDelimiter  string `json:"columnDelimiter"`
	AssignmentRuleID string `json:"assignmentRuleId,omitempty"`
}

// ListInfo is one item of the list.
type ListInfo struct {
	ShortInfo
	JobType         JobType `json:"jobType"`
	ContentURL      string  `json:"contentUrl,omitempty"`
	LineEnding      string  `json:"lineEnding"`
	ColumnDelimiter string  `json:"columnDelimiter"`
}

// Info is the reply to a GET.
type Info struct {
	ListInfo
	NumberRecordsProcessed  *int64 `json:"numberRecordsProcessed,omitempty"`
	NumberRecordsFailed     *int64 `json:"numberRecordsFailed,omitempty"`
	Retries                 int    `json:"retries"`
	TotalProcessingTime     int64  `json:"totalProcessingTime"`
	APIActiveProcessingTime int64  `json:"apiActiveProcessingTime"`
	ApexProcessingTime      int64  `json:"apexProcessingTime"`
	ErrorMessage            string `json:"errorMessage,omitempty"`
	IsPKChunkingSupported   *bool  `json:"isPkChunkingSupported,omitempty"`
}

// short, and all views below: the caller holds mu.
func (j *Job) short() ShortInfo {
	s := ShortInfo{
		ID: j.ID, Operation: string(j.Spec.Operation), Object: j.object.Name, CreatedByID: j.Spec.User,
		CreatedDate: stamp(j.created), SystemModstamp: stamp(j.modified), State: j.state,
		ConcurrencyMode: "Parallel", ContentType: "CSV", APIVersion: version(j.Spec.Version),
	}
	if j.Spec.Operation == org.Upsert {
		s.ExternalIDFieldName = j.Spec.ExternalIDFieldName
	}
	return s
}

func (j *Job) contentURL() string {
	if j.state != Open {
		return ""
	}
	return fmt.Sprintf("services/data/v%.1f/jobs/ingest/%s/batches", j.Spec.Version, j.ID)
}

func (j *Job) createInfo() CreateInfo {
	i := CreateInfo{
		ShortInfo: j.short(), ContentURL: j.contentURL(), LineEnding: j.Spec.LineEnding, ColumnDelimiter: j.Spec.ColumnDelimiter,
	}
	if j.Spec.assigned(j.object) {
		i.AssignmentRuleID = j.Spec.AssignmentRuleID
	}
	return i
}

func (j *Job) listInfo() ListInfo {
	return ListInfo{
		ShortInfo: j.short(), JobType: V2Ingest, ContentURL: j.contentURL(), LineEnding: j.Spec.LineEnding,
		ColumnDelimiter: j.Spec.ColumnDelimiter,
	}
}

// info is what a GET shows. counted says that rows which were never attempted count as processed once the job has ended
// early.
func (j *Job) info(asked float64, counted bool) Info {
	i := Info{ListInfo: j.listInfo(), Retries: j.retries, TotalProcessingTime: j.milliseconds(), APIActiveProcessingTime: j.active.Milliseconds()}
	if j.state != Open {
		processed, failed := j.processed, j.failed
		if counted && (j.state == Failed || j.state == Aborted) {
			processed = 0 // when the file was refused as a whole
			if j.out != nil {
				processed = int64(len(j.out.rows))
			}
		}
		i.NumberRecordsProcessed, i.NumberRecordsFailed = &processed, &failed
		if asked >= 61 { // the version from which the member was seen on ingest jobs
			no := false
			i.IsPKChunkingSupported = &no
		}
	}
	if j.state == Failed {
		i.ErrorMessage = j.message
	}
	return i
}

// lookBack makes a job go backwards for those who look, as a fault wants: the first look shows the truth, the next ones
// the state before, and all others the truth again.
type lookBack struct {
	armed, looked bool
	left          int
}

// strike says whether a look shows the state before the true one, and whether it was the last such look; the caller holds
// the lock of the job.
func (b *lookBack) strike(state State) (back, over bool) {
	switch {
	case !b.armed || (state != InProgress && !state.Terminal()):
		return false, false
	case !b.looked:
		b.looked = true
		return false, false
	}
	b.left--
	b.armed = b.left > 0
	return true, !b.armed
}

// before is the state that comes before another one of a job at work, and how many rows were processed in it; step is the
// rows of a transaction.
func before(state State, processed, step int64) (State, int64) {
	if state == InProgress {
		return UploadComplete, 0
	}
	return InProgress, max(processed-1, 0) / step * step
}

// lookBack changes what a GET shows to the state before.
func (i *Info) lookBack(step int) {
	state, processed := before(i.State, *i.NumberRecordsProcessed, int64(step))
	failed := min(*i.NumberRecordsFailed, processed)
	i.State, i.NumberRecordsProcessed, i.NumberRecordsFailed = state, &processed, &failed
	i.TotalProcessingTime, i.ErrorMessage = 0, ""
}
