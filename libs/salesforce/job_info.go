package salesforce

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// States of an ingest job, as Salesforce writes them. Open → UploadComplete → InProgress → JobComplete or Failed; Aborted from
// the first three.
const (
	// StateOpen: created, takes one upload, nothing is processed.
	StateOpen = "Open"
	// StateUploadComplete: closed, waiting in the queue.
	StateUploadComplete = "UploadComplete"
	// StateInProgress: rows are being saved.
	StateInProgress = "InProgress"
	// StateJobComplete: every row was tried; it does not mean that any of them landed.
	StateJobComplete = "JobComplete"
	// StateFailed: the job as a whole ended early; rows may have landed before.
	StateFailed = "Failed"
	// StateAborted: stopped by somebody; rows may have landed before.
	StateAborted = "Aborted"
)

var jobStates = []string{StateOpen, StateUploadComplete, StateInProgress, StateJobComplete, StateFailed, StateAborted}

// JobInfo is what Salesforce says of an ingest job. Which members are there depends on the call: the replies to close and abort and the
// list have no counters.
type JobInfo struct {
	// ID is the job's id as it came, 15 or 18 characters.
	ID string
	// Object, Operation and ExternalIDField are what the job was created with.
	Object, Operation, ExternalIDField string
	// State is one of the State… constants; a state that this package does not know is kept as it came, and means: not ended.
	State string
	// ErrorMessage says why a Failed job failed, such as "InvalidBatch : Field name not found : X". See [ParseJobFault].
	ErrorMessage string
	// CreatedByID is the user who created it.
	CreatedByID string
	// JobType is V2Ingest for Bulk API 2.0; empty where the reply leaves it out.
	JobType string
	// CreatedDate and SystemModstamp (last change) are zero when the reply has none or they cannot be read.
	CreatedDate, SystemModstamp time.Time
	// Processed counts rows tried, failed ones included; Failed the failed ones. They hold only if HasCounters: an Open job has none,
	// and counters that are negative, no numbers, or contradict each other are not taken.
	Processed, Failed int64
	HasCounters       bool
	// Retries is how often Salesforce put a batch of the job back into its queue.
	Retries int
	// TotalProcessingTime and APIActiveProcessingTime are Salesforce's own figures; the total stays 0 until the job has ended.
	TotalProcessingTime, APIActiveProcessingTime time.Duration
}

// Ended says whether the job is in a final state.
func (j JobInfo) Ended() bool {
	return j.State == StateJobComplete || j.State == StateFailed || j.State == StateAborted
}

// jobJSON is the wire form. Numbers are read leniently: a reply whose counters cannot be read still tells the state.
type jobJSON struct {
	ID                      string          `json:"id"`
	Object                  string          `json:"object"`
	Operation               string          `json:"operation"`
	ExternalIDField         string          `json:"externalIdFieldName"`
	State                   string          `json:"state"`
	ErrorMessage            string          `json:"errorMessage"`
	CreatedByID             string          `json:"createdById"`
	JobType                 string          `json:"jobType"`
	CreatedDate             string          `json:"createdDate"`
	SystemModstamp          string          `json:"systemModstamp"`
	Processed               json.RawMessage `json:"numberRecordsProcessed"`
	Failed                  json.RawMessage `json:"numberRecordsFailed"`
	Retries                 json.RawMessage `json:"retries"`
	TotalProcessingTime     json.RawMessage `json:"totalProcessingTime"`
	APIActiveProcessingTime json.RawMessage `json:"apiActiveProcessingTime"`
}

// UnmarshalJSON reads the wire form.
func (j *JobInfo) UnmarshalJSON(data []byte) error {
	var w jobJSON
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*j = JobInfo{
		ID: w.ID, Object: w.Object, Operation: w.Operation, ExternalIDField: w.ExternalIDField, State: knownState(w.State),
		ErrorMessage: w.ErrorMessage, CreatedByID: w.CreatedByID, JobType: w.JobType,
		CreatedDate: parseTime(w.CreatedDate), SystemModstamp: parseTime(w.SystemModstamp),
	}
	processed, ok1 := parseCount(w.Processed)
	failed, ok2 := parseCount(w.Failed)
	if ok1 && ok2 && failed <= processed {
		j.Processed, j.Failed, j.HasCounters = processed, failed, true
	}
	if n, ok := parseCount(w.Retries); ok {
		j.Retries = int(n)
	}
	if ms, ok := parseCount(w.TotalProcessingTime); ok {
		j.TotalProcessingTime = time.Duration(ms) * time.Millisecond
	}
	if ms, ok := parseCount(w.APIActiveProcessingTime); ok {
		j.APIActiveProcessingTime = time.Duration(ms) * time.Millisecond
	}
	return nil
}

// knownState gives a state its documented spelling; an unknown one stays as it is.
func knownState(s string) string {
	for _, known := range jobStates {
		if strings.EqualFold(s, known) {
			return known
		}
	}
	return s
}

// maxCount is above the 150,000,000 rows that an org may load in a day, and far below where arithmetic on counts could overflow.
const maxCount = 1 << 40

// parseCount reads a number, or the text of one as some older replies have it.
func parseCount(raw json.RawMessage) (int64, bool) {
	text := strings.Trim(string(raw), `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && n <= maxCount
}

// parseTime reads Salesforce's 2026-01-02T19:26:52.000+0000, or RFC 3339; the zero time when it is neither.
func parseTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
