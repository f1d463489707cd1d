package account

import (
	"fmt"
	"strings"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

// maxCandidates is how many ids a person is shown of result rows that match nothing.
const maxCandidates = 5

// Outcome is what became of a chunk: one outcome per row.
type Outcome struct {
	// States is [record.Outcome.Byte] per row; IDs are [IDSize] bytes per row, zero bytes where there is no id.
	States, IDs []byte
	// Failures are the rows that were refused, by row.
	Failures map[int]Failure
	// Doubt says why missing rows of this chunk cannot be sent again without a decision; "" = they can. DoubtOf says it of single rows.
	Doubt   string
	DoubtOf map[int]string
	// Looked says what look-ups of the missing rows found, in words; "" = nobody looked.
	Looked string
	// Repeated are rows for which more than one call was made: what became of the first nobody knows. nil = there are none.
	Repeated []bool
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

// Ambiguous says whether an earlier call for the row, in this same chunk, may have had an effect that nobody saw.
func (o *Outcome) Ambiguous(row int) bool { return row < len(o.Repeated) && o.Repeated[row] }

// ID is the Salesforce id of a row that landed; "" where there is none.
func (o *Outcome) ID(row int) string {
	return strings.TrimRight(string(o.IDs[row*IDSize:(row+1)*IDSize]), "\x00")
}

// Finish gives every row that no file told of its outcome: unprocessed when the job surely processed nothing, else missing. After it the
// reading is over.
func (r *Reading) Finish(job Job) *Outcome {
	rest := record.OutcomeMissing
	if r.processedNothing(job) || planted.On(planted.EndOfFileTakenAsComplete) && job.HasFiles() {
		rest = record.OutcomeUnprocessed
	}
	o := &Outcome{States: r.states, IDs: r.ids, Failures: r.failures, Repeated: r.repeated}
	for row, state := range r.states {
		if failure, unsent := r.index.chunk.Unsent[row]; unsent { // nearly always an empty map, which costs nothing
			failure.Unsent = true
			r.failures[row] = failure
			r.mark(row, record.OutcomeFailed)
			continue
		}
		if state == 0 || state == doubled {
			r.mark(row, rest)
		}
	}
	for row, created := range r.created {
		if created && r.states[row] == record.OutcomeLanded.Byte() {
			o.Created++
		}
	}
	o.Landed, o.Failed, o.Unprocessed = r.count(record.OutcomeLanded), r.count(record.OutcomeFailed), r.count(record.OutcomeUnprocessed)
	o.Missing, o.Superseded = r.count(record.OutcomeMissing), r.count(record.OutcomeSuperseded)
	if r.content != nil && o.Missing > 0 {
		o.Doubt = r.doubt(job)
	}
	if planted.On(planted.ResendOfTheWholeChunk) {
		o.sendAllAgain(job)
	}
	return o
}

// processedNothing says whether the job surely processed nothing and the files say so too.
func (r *Reading) processedNothing(job Job) bool {
	return job.processedNothing() && r.told[landedFile]+r.told[failedFile] == 0
}

// doubt is what a person is told of inserted rows that nothing tells apart and that no file tells of.
func (r *Reading) doubt(job Job) string {
	text := missingMessage(job) + "; nothing names the row in the org, so it is not known whether it landed"
	if n := r.content.residue(); n > 0 {
		text += fmt.Sprintf(". %d result rows match no row that was sent", n)
	}
	if ids := r.content.candidates(); len(ids) > 0 {
		text += ", candidates: " + strings.Join(ids, ", ")
	}
	return text
}

// Land makes a row landed that was missing or failed, with the id under which it was found; "" = not known any more.
func (o *Outcome) Land(row int, id string) {
	switch o.Of(row) {
	case record.OutcomeFailed:
		o.Failed--
		delete(o.Failures, row)
	case record.OutcomeMissing:
		o.Missing--
	default:
		return // nothing else is open to evidence from outside the files
	}
	o.Landed++
	o.States[row] = record.OutcomeLanded.Byte()
	clear(o.IDs[row*IDSize : (row+1)*IDSize])
	if len(id) == IDSize {
		copy(o.IDs[row*IDSize:], id)
	}
}
