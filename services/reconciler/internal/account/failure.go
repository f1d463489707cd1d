package account

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// Bounds of what is kept of an error text. Salesforce's own are far below; an Apex trace may be a megabyte.
const (
	maxMessage   = 4000
	maxFieldName = 255
	maxFields    = 50
)

// Failure is what was said of a row that was refused.
type Failure struct {
	Class   record.Class
	Code    string
	Message string
	Fields  []string
	// Tries bounds the tries where the error's own rule says less than its class; 0 = as its class says.
	Tries int
	// ID is the record's id, if Salesforce names one.
	ID string
	// Unsent: the row was left out of the upload, since the org was asked for its row first. It says nothing of what the org takes.
	Unsent bool
}

// refusals reads what result files say of refused rows. Most rows of a chunk are refused in the words of some other one: these are read once.
type refusals struct {
	classes *salesforce.ClassTable
	known   map[string]Failure
}

// maxRefusals bounds how many different texts are remembered, maxRefusal how long one is, in bytes.
const (
	maxRefusals = 256
	maxRefusal  = 1000
)

// parse reads what a result file says of a refused row.
func (r *refusals) parse(id, text []byte) Failure {
	f, ok := r.known[string(text)]
	if !ok {
		f = failureOf(r.classes, "", salesforce.ParseRowError(string(text)))
		if len(text) <= maxRefusal && len(r.known) < maxRefusals {
			if r.known == nil {
				r.known = map[string]Failure{}
			}
			r.known[string(text)] = f
		}
	}
	if full, err := salesforce.ID18(string(id)); err == nil {
		f.ID = full
	}
	return f
}

// failureOf is what Salesforce says of a refused row; the table says what that means.
func failureOf(classes *salesforce.ClassTable, id string, e salesforce.RowError) Failure {
	rule := classes.Lookup(e)
	f := Failure{Class: rule.Class, Tries: rule.Tries, Code: record.Storable(e.Code, maxFieldName), Message: clipMessage(e.Message)}
	if f.Code == "" && f.Message == "" {
		// Refused without a word: nothing says what to do, so it is tried again a bounded number of times.
		f.Code, f.Message = "UNKNOWN_ERROR", "Salesforce gave no reason"
	}
	for _, name := range e.Fields[:min(len(e.Fields), maxFields)] {
		f.Fields = append(f.Fields, record.Storable(name, maxFieldName))
	}
	if full, err := salesforce.ID18(id); err == nil {
		f.ID = full
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
