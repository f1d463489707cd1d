package account

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Codes of Salesforce that mean something else after a try whose effect nobody saw.
const (
	codeDeleted        = "ENTITY_IS_DELETED"
	codeNotFound       = "NOT_FOUND"
	codeDuplicateValue = "DUPLICATE_VALUE"
	codeDuplicateKey   = "DUPLICATE_EXTERNAL_ID"
)

// ambiguous says whether an earlier try of one of the row's records may have had an effect that nobody saw. All of them share the row.
func ambiguous(m Manifest, row int) (bool, error) {
	entries, err := m.Row(row)
	return slices.ContainsFunc(entries.GetRecords(), func(e *flowv1.ManifestEntry) bool { return e.GetAmbiguous() }), err
}

// LandDeleted makes rows landed that were to be deleted and are deleted already, where an earlier try may have done it. idOf is the id of such a
// row, "" if it is not known any more. It returns how many.
func (o *Outcome) LandDeleted(c Chunk, m Manifest, idOf func(row int) string) (int, error) {
	if !pipeline.Deletes(c.Operation) {
		return 0, nil
	}
	landed := 0
	for row, f := range o.Failures {
		if f.Code != codeDeleted && f.Code != codeNotFound {
			continue
		}
		earlier, err := ambiguous(m, row)
		if err != nil {
			return landed, err
		}
		if !earlier && !o.Ambiguous(row) {
			continue
		}
		id := f.ID
		if id == "" {
			id = idOf(row)
		}
		o.Land(row, id)
		landed++
	}
	return landed, nil
}

// Questions are inserted rows of which the org can be asked by their correlating field.
type Questions struct {
	// Missing rows stand in no file: they landed or they did not.
	Missing []int
	// Clashes were refused since another row holds a unique value, and an earlier try of theirs may have made that row.
	Clashes []int
}

// Rows are all rows that are asked for, ascending.
func (q Questions) Rows() []int {
	rows := append(slices.Clone(q.Missing), q.Clashes...)
	slices.Sort(rows)
	return rows
}

// Ask finds the rows to look up.
func Ask(o *Outcome, c Chunk, m Manifest) (Questions, error) {
	var q Questions
	if c.Operation != pipeline.OperationInsert || c.ByContent() {
		return q, nil
	}
	missing := record.OutcomeMissing.Byte()
	if o.Missing > 0 {
		for row, state := range o.States {
			if state == missing {
				q.Missing = append(q.Missing, row)
			}
		}
	}
	for row, f := range o.Failures {
		if f.Code != codeDuplicateValue && f.Code != codeDuplicateKey {
			continue
		}
		earlier, err := ambiguous(m, row)
		if err != nil {
			return q, err
		}
		if earlier {
			q.Clashes = append(q.Clashes, row)
		}
	}
	slices.Sort(q.Clashes)
	return q, nil
}

// Seen is a row of the org that holds the value that was asked for.
type Seen struct {
	// ID has 18 characters.
	ID string
	// By is the id of the user who made it.
	By string
	// At is when it was made, by the ledger's clock, as far as that is known: the org dates it by its own.
	At time.Time
}

// maxSkew is how far a row may seem to have been made before its record was accepted: what is left of the difference between the org's clock and the
// ledger's where it was not told, was told in whole seconds, or has changed since.
const maxSkew = 10 * time.Minute

// Ours says whether a sending of the row may have made what was seen: our user did, not before the record was there to be sent, and it is no row that
// another record is known to have made. since is when that was, user is our user's id; taken says which ids are known.
func (s Seen) Ours(since time.Time, user string, taken func(id string) bool) bool {
	return s.By == user && !taken(s.ID) && !s.At.Before(since.Add(-maxSkew))
}

// AcceptedBy is when the last of a row's records was accepted: no earlier sending carried the row as it is.
func AcceptedBy(row *flowv1.ManifestRow) time.Time {
	last := int64(0)
	for _, e := range row.GetRecords() {
		last = max(last, e.GetAcceptedAt())
	}
	return time.UnixMicro(last)
}

// ReceivedBy is when a row's records were at the broker, by what its manifest says of rows that came together; the zero time = it is not known. A ledger
// that was restored to an earlier moment accepts records again, which it had accepted and sent before.
func ReceivedBy(received []*flowv1.ManifestReceived, row int) time.Time {
	for _, r := range received {
		if row < int(r.GetRows()) {
			if r.GetAt() == 0 {
				return time.Time{}
			}
			return time.UnixMicro(r.GetAt())
		}
		row -= int(r.GetRows())
	}
	return time.Time{}
}

// Hear takes the answers in: for each row that was asked for, what in the org is ours. A row that has one is landed. With more than one the
// field is not unique (any more) and a person decides. It returns how many missing rows nobody found.
func (o *Outcome) Hear(q Questions, field string, ours func(row int) []Seen) (open int) {
	for _, row := range q.Missing {
		switch seen := ours(row); len(seen) {
		case 0:
			open++
		case 1:
			o.Land(row, seen[0].ID)
		default:
			if o.DoubtOf == nil {
				o.DoubtOf = map[int]string{}
			}
			ids := make([]string, 0, maxCandidates)
			for _, s := range seen[:min(len(seen), maxCandidates)] {
				ids = append(ids, s.ID)
			}
			slices.Sort(ids)
			o.DoubtOf[row] = fmt.Sprintf("the row stayed in none of the result files, and %d rows have its %s, which should be unique; candidates: %s",
				len(seen), field, strings.Join(ids, ", "))
		}
	}
	for _, row := range q.Clashes {
		if seen := ours(row); len(seen) == 1 {
			o.Land(row, seen[0].ID)
		}
	}
	return open
}

// Looks is what earlier look-ups left: how many did not find every row, and when the last was.
type Looks struct {
	N    int
	Last time.Time
}

// DecideLooks says whether rows that a look-up did not find have not landed: a second look, lookup.wait after the first, must agree. It is asked
// when open rows, as [Outcome.Hear] counts them, are left.
func DecideLooks(open int, field string, past Looks, waits record.Waits, now time.Time) Verdict {
	if past.N > 0 && now.Sub(past.Last) >= waits.Lookup {
		return Verdict{Step: StepSettle, Reason: fmt.Sprintf("%d inserted rows are in none of the files and were looked up by %s twice: they are not there", open, field)}
	}
	at := now.Add(waits.Lookup)
	if past.N > 0 {
		at = past.Last.Add(waits.Lookup) // somebody looked again too early
	}
	return Verdict{
		Step: StepAgain, At: at,
		Reason: fmt.Sprintf("%d inserted rows are in none of the files: looked up by %s, again at %s", open, field, at.UTC().Format(time.RFC3339)),
	}
}

// HasID says whether a stored list of ids, [IDSize] bytes each, holds one of those wanted, and tells of each.
func HasID(stored []byte, wanted map[string]bool, tell func(id string)) {
	for ; len(stored) >= IDSize; stored = stored[IDSize:] {
		if id := stored[:IDSize]; !bytes.Equal(id, noID[:]) && wanted[string(id)] {
			tell(string(id))
		}
	}
}

var noID [IDSize]byte
