package bulk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

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

// Spec is what a create request asks for.
type Spec struct {
	Object              string
	Operation           org.Operation
	ExternalIDFieldName string
	ContentType         string
	ColumnDelimiter     string
	LineEnding          string
	AssignmentRuleID    string
	Version             float64 // API version of the request
}

// delimiters maps the API's names to bytes.
var delimiters = map[string]byte{
	"COMMA": ',', "TAB": '\t', "PIPE": '|', "SEMICOLON": ';', "CARET": '^', "BACKQUOTE": '`',
}

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
	ID   string // 18 characters
	Spec Spec

	object *org.Object
	user   string
	cancel context.CancelFunc // stops the processing; set by close

	mu        sync.Mutex
	state     State
	created   time.Time
	modified  time.Time
	finished  time.Time
	uploading bool
	upload    *Upload
	plan      *org.Plan // set once the header was found good
	gone      string
	closes    int
	history   []Change

	rows      []rowState
	errors    map[int]string
	foreign   int
	processed int64
	failed    int64
	message   string
	started   time.Time // real time, for durations
	active    time.Duration
	total     time.Duration
}

// Change is one step in a job's life.
type Change struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
}

// set moves the job; the caller holds mu.
func (j *Job) set(state State, at time.Time) {
	j.state, j.modified = state, at
	if state.Terminal() {
		j.finished = at
	}
	j.history = append(j.history, Change{State: state, At: at})
}

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
	ContentURL       string `json:"contentUrl"`
	LineEnding       string `json:"lineEnding"`
	ColumnDelimiter  string `json:"columnDelimiter"`
	AssignmentRuleID string `json:"assignmentRuleId,omitempty"`
}

// ListInfo is one item of the list.
type ListInfo struct {
	ShortInfo
	JobType         string `json:"jobType"`
	ContentURL      string `json:"contentUrl,omitempty"`
	LineEnding      string `json:"lineEnding"`
	ColumnDelimiter string `json:"columnDelimiter"`
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
		ID: j.ID, Operation: string(j.Spec.Operation), Object: j.object.Name, CreatedByID: j.user,
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
	return CreateInfo{
		ShortInfo: j.short(), ContentURL: j.contentURL(), LineEnding: j.Spec.LineEnding,
		ColumnDelimiter: j.Spec.ColumnDelimiter, AssignmentRuleID: j.Spec.AssignmentRuleID,
	}
}

func (j *Job) listInfo() ListInfo {
	return ListInfo{
		ShortInfo: j.short(), JobType: "V2Ingest", ContentURL: j.contentURL(), LineEnding: j.Spec.LineEnding,
		ColumnDelimiter: j.Spec.ColumnDelimiter,
	}
}

func (j *Job) info(asked float64) Info {
	i := Info{ListInfo: j.listInfo(), APIActiveProcessingTime: j.active.Milliseconds()}
	if j.state != Open {
		processed, failed := j.processed, j.failed
		i.NumberRecordsProcessed, i.NumberRecordsFailed = &processed, &failed
		if asked >= 61 { // the version from which the member was seen on ingest jobs
			no := false
			i.IsPKChunkingSupported = &no
		}
	}
	if j.state.Terminal() {
		i.TotalProcessingTime = j.total.Milliseconds()
	}
	if j.state == Failed {
		i.ErrorMessage = j.message
	}
	return i
}

// Error is a refusal of the API.
type Error struct {
	Status  int // HTTP status
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, args ...any) error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrNotFound is the reply for a job that is not there, or not any more.
var ErrNotFound error = &Error{Status: 404, Code: "NOT_FOUND", Message: "The requested resource does not exist"}

// check fills in the defaults of a spec and refuses what a create request may not say.
func (s *Spec) check(model *org.Model, hardDelete bool) (*org.Object, error) {
	switch s.Operation {
	case org.Insert, org.Update, org.Upsert, org.Delete, org.HardDelete:
	default:
		return nil, invalidValue(string(s.Operation), "operation")
	}
	object := model.Object(s.Object)
	if object == nil || object.QueryOnly {
		return nil, refuse(400, "INVALIDJOB", "InvalidJob : Unable to find object: %s", s.Object)
	}
	if s.ContentType == "" {
		s.ContentType = "CSV"
	}
	if s.ContentType != "CSV" {
		return nil, invalidValue(s.ContentType, "contentType")
	}
	if s.ColumnDelimiter == "" {
		s.ColumnDelimiter = "COMMA"
	}
	if _, ok := delimiters[s.ColumnDelimiter]; !ok {
		return nil, invalidValue(s.ColumnDelimiter, "columnDelimiter")
	}
	if s.LineEnding == "" {
		s.LineEnding = "LF"
	}
	if s.LineEnding != "LF" && s.LineEnding != "CRLF" {
		return nil, invalidValue(s.LineEnding, "lineEnding")
	}
	if s.Operation == org.HardDelete && !hardDelete {
		return nil, refuse(400, "FEATURENOTENABLED",
			"FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator")
	}
	if s.Operation != org.Upsert {
		return object, nil
	}
	if s.ExternalIDFieldName == "" {
		return nil, refuse(400, "INVALIDJOB",
			"InvalidJob : External ID was blank for %s. An External ID must be specified for upsert.", object.Name)
	}
	if f := object.Field(s.ExternalIDFieldName); !strings.EqualFold(s.ExternalIDFieldName, "Id") && (f == nil || !f.ExternalID) {
		return nil, refuse(400, "INVALIDJOB",
			"InvalidJob : Field name provided, %s does not match an External ID for %s", s.ExternalIDFieldName, object.Name)
	}
	return object, nil
}

func invalidValue(value, property string) error {
	return refuse(400, "API_ERROR", "Invalid value: '%s' supplied for property: '%s'", value, property)
}
