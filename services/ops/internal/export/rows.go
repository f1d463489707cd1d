package export

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// record is a line of an export.
type record interface {
	header() []string
	cells() []string
}

// landedRecord is a record that Salesforce has. The ledger keeps of a landed record its key and its Salesforce id, not its entity's value.
type landedRecord struct {
	Pipeline     string `json:"pipeline"`
	Key          string `json:"key"`
	Generation   int    `json:"generation"`
	Run          string `json:"run"`
	SalesforceID string `json:"salesforce_id"`
	JobID        string `json:"job_id"`
	Chunk        string `json:"chunk"`
	// Sequence and Index are its place in the pipeline's stream.
	Sequence   uint64    `json:"sequence"`
	Index      uint32    `json:"index"`
	AcceptedAt time.Time `json:"accepted_at"`
	// LandedAt is when the ledger learned it.
	LandedAt time.Time `json:"landed_at"`
}

func (landedRecord) header() []string {
	return []string{"pipeline", "key", "generation", "run", "salesforce_id", "job_id", "chunk", "sequence", "index", "accepted_at", "landed_at"}
}

func (r landedRecord) cells() []string {
	return []string{
		r.Pipeline, r.Key, strconv.Itoa(r.Generation), r.Run, r.SalesforceID, r.JobID, r.Chunk, strconv.FormatUint(r.Sequence, 10),
		strconv.FormatUint(uint64(r.Index), 10), stamp(r.AcceptedAt), stamp(r.LandedAt),
	}
}

// failedRecord is a record that has not landed and is not on its way.
type failedRecord struct {
	Pipeline   string `json:"pipeline"`
	Key        string `json:"key"`
	Entity     string `json:"entity"`
	Generation int    `json:"generation"`
	Run        string `json:"run"`
	// State is dead, retrying, waiting_for_parent or unresolved.
	State   string   `json:"state"`
	Class   string   `json:"class"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
	// Attempts is how often it was sent, in all generations.
	Attempts int `json:"attempts"`
	// JobID and Chunk are those of its last try; "" = it was never sent, or, the job alone, it went by calls of collections.
	JobID string `json:"job_id"`
	Chunk string `json:"chunk"`
	// LetterID is what bulkhead dlq replay takes; "" while nobody is asked.
	LetterID   string    `json:"letter_id"`
	Sequence   int64     `json:"sequence"`
	Index      int       `json:"index"`
	AcceptedAt time.Time `json:"accepted_at"`
	DecidedAt  time.Time `json:"decided_at"`
	// NextTryAt is when it is sent again at the earliest; nil = nothing is planned.
	NextTryAt *time.Time `json:"next_try_at"`
	// Payload is the record as it was published; PayloadBase64 takes its place where that is no UTF-8 text.
	Payload       *string `json:"payload,omitempty"`
	PayloadBase64 []byte  `json:"payload_base64,omitempty"`
}

func (failedRecord) header() []string {
	return []string{
		"pipeline", "key", "entity", "generation", "run", "state", "class", "code", "message", "fields", "attempts", "job_id", "chunk", "letter_id",
		"sequence", "index", "accepted_at", "decided_at", "next_try_at",
	}
}

func (r failedRecord) cells() []string {
	next := ""
	if r.NextTryAt != nil {
		next = stamp(*r.NextTryAt)
	}
	return []string{
		r.Pipeline, r.Key, r.Entity, strconv.Itoa(r.Generation), r.Run, r.State, r.Class, r.Code, r.Message, strings.Join(r.Fields, ";"),
		strconv.Itoa(r.Attempts), r.JobID, r.Chunk, r.LetterID, strconv.FormatInt(r.Sequence, 10), strconv.Itoa(r.Index), stamp(r.AcceptedAt),
		stamp(r.DecidedAt), next,
	}
}

// carry takes a payload along, as text where it is text.
func (r *failedRecord) carry(payload []byte) {
	if utf8.Valid(payload) {
		text := string(payload)
		r.Payload = &text
		return
	}
	r.PayloadBase64 = payload
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
