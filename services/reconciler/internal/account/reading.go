package account

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// IDSize is the length of a Salesforce id in its long form.
const IDSize = 18

// Bounds of what is kept of an error text. Salesforce's own are far below; an Apex trace may be a megabyte.
const (
	maxMessage   = 4000
	maxFieldName = 255
	maxFields    = 50
)

// Failure is what Salesforce said of a row that it refused.
type Failure struct {
	Class   record.Class
	Code    string
	Message string
	Fields  []string
	// ID is the record's id, if Salesforce names one.
	ID string
}

// Reading collects one read of a job's result files. It holds a byte and eighteen more per row, and the failures.
type Reading struct {
	index    *Index
	states   []byte // an outcome's byte per row; 0 = in no file so far
	ids      []byte // IDSize bytes per row
	failures map[int]Failure
	counts   [256]int // by outcome's byte
	created  int
	odd      int
	badIDs   int
	digest   Digest
}

// NewReading returns an empty reading of the chunk.
func NewReading(x *Index) *Reading {
	r := &Reading{index: x, states: make([]byte, x.rows), ids: make([]byte, x.rows*IDSize), failures: map[int]Failure{}}
	for row, skipped := range x.skipped {
		if skipped {
			r.states[row] = record.OutcomeSuperseded.Byte()
			r.counts[record.OutcomeSuperseded.Byte()]++
		}
	}
	return r
}

// Landed takes in a row of the success file. A row without a valid id is not taken as landed: it stays in no file, is read again, and if
// it stays so it is missing and sent again, which an upsert allows.
func (r *Reading) Landed(value, id string, created bool) {
	key := record.FoldKey(value)
	r.digest.Add(record.OutcomeLanded.Byte(), key, id, "")
	row, ok := r.place(key)
	if !ok {
		return
	}
	full, err := salesforce.ID18(id)
	if err != nil {
		r.badIDs++
		return
	}
	r.mark(row, record.OutcomeLanded)
	copy(r.ids[row*IDSize:], full)
	if created {
		r.created++
	}
}

// Failed takes in a row of the failure file.
func (r *Reading) Failed(value, id, errorText string) {
	key := record.FoldKey(value)
	r.digest.Add(record.OutcomeFailed.Byte(), key, id, errorText)
	row, ok := r.place(key)
	if !ok {
		return
	}
	r.mark(row, record.OutcomeFailed)
	r.failures[row] = parseFailure(id, errorText)
}

// Unprocessed takes in a row of the file of rows that were never tried.
func (r *Reading) Unprocessed(value string) {
	key := record.FoldKey(value)
	r.digest.Add(record.OutcomeUnprocessed.Byte(), key, "", "")
	if row, ok := r.place(key); ok {
		r.mark(row, record.OutcomeUnprocessed)
	}
}

// place finds the row of a key, if it was sent and no file has told of it yet.
func (r *Reading) place(key string) (int, bool) {
	row, ok := r.index.find(key)
	if !ok || r.states[row] != 0 {
		r.odd++
		return 0, false
	}
	return row, true
}

func (r *Reading) mark(row int, o record.Outcome) {
	r.states[row] = o.Byte()
	r.counts[o.Byte()]++
}

// Told returns how many rows the success and the failure file told of so far.
func (r *Reading) Told() (landed, failed int) {
	return r.count(record.OutcomeLanded), r.count(record.OutcomeFailed)
}

func (r *Reading) count(o record.Outcome) int { return r.counts[o.Byte()] }

// Summary is what [Decide] needs of the reading.
func (r *Reading) Summary() Read {
	return Read{
		Sent:   r.index.sent,
		Landed: r.count(record.OutcomeLanded), Failed: r.count(record.OutcomeFailed), Unprocessed: r.count(record.OutcomeUnprocessed),
		Odd: r.odd, Digest: r.digest,
	}
}

// BadIDs is how many rows of the success file had no valid id.
func (r *Reading) BadIDs() int { return r.badIDs }

// Finish gives every row that no file told of its outcome: unprocessed when the job surely processed nothing, else missing. After it the
// reading is the chunk's outcome.
func (r *Reading) Finish(job Job) *Outcome {
	rest := record.OutcomeMissing
	if job.processedNothing() && r.count(record.OutcomeLanded)+r.count(record.OutcomeFailed) == 0 {
		rest = record.OutcomeUnprocessed
	}
	for row, state := range r.states {
		if state == 0 {
			r.mark(row, rest)
		}
	}
	return &Outcome{
		States: r.states, IDs: r.ids, Failures: r.failures, Created: r.created,
		Landed: r.count(record.OutcomeLanded), Failed: r.count(record.OutcomeFailed), Unprocessed: r.count(record.OutcomeUnprocessed),
		Missing: r.count(record.OutcomeMissing), Superseded: r.count(record.OutcomeSuperseded),
	}
}

// Outcome is what became of a chunk: one outcome per row.
type Outcome struct {
	// States is [record.Outcome.Byte] per row; IDs are [IDSize] bytes per row, zero bytes where there is no id.
	States, IDs []byte
	// Failures are the rows that Salesforce refused, by row.
	Failures map[int]Failure
	// Created is how many landed rows were inserted, not updated.
	Created int
	// The five counts add up to the chunk's rows.
	Landed, Failed, Unprocessed, Missing, Superseded int
}

// Of returns the outcome of a row.
func (o *Outcome) Of(row int) record.Outcome {
	out, _ := record.OutcomeOf(o.States[row])
	return out
}

func parseFailure(id, text string) Failure {
	e := salesforce.ParseRowError(text)
	f := Failure{Class: salesforce.Classify(e), Code: record.Storable(e.Code, maxFieldName), Message: clipMessage(e.Message), ID: id}
	if f.Code == "" && f.Message == "" {
		// Refused without a word: nothing says what to do, so it is tried again a bounded number of times.
		f.Code, f.Message = "UNKNOWN_ERROR", "Salesforce gave no reason"
	}
	for _, name := range e.Fields[:min(len(e.Fields), maxFields)] {
		f.Fields = append(f.Fields, record.Storable(name, maxFieldName))
	}
	if full, err := salesforce.ID18(id); err == nil {
		f.ID = full
	} else {
		f.ID = ""
	}
	return f
}

// clipMessage keeps a long text's start, its length and its hash, so that equal ones are seen to be equal.
func clipMessage(s string) string {
	clean := strings.Clone(record.Storable(s, maxMessage)) // s is a part of its whole row, which would stay in memory
	if len(s) <= maxMessage {
		return clean
	}
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%s … [%d bytes, sha256 %s]", clean, len(s), hex.EncodeToString(sum[:]))
}
