package account

import (
	"bytes"
	"fmt"
	"slices"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// IDSize is the length of a Salesforce id in its long form.
const IDSize = 18

// doubled stands in the place of a row's outcome when the files tell of the row more than once: they say nothing of it then.
const doubled = 'd'

// Reading collects one read of a job's result files. It holds a byte and eighteen more per row, and the failures; of a chunk that is matched by
// content some hundred bytes per row.
type Reading struct {
	index    *Index
	classes  *salesforce.ClassTable
	states   []byte // an outcome's byte per row; 0 = in no file so far
	ids      []byte // IDSize bytes per row
	failures map[int]Failure
	refusals refusals
	next     int      // the row behind the last one that was found
	counts   [256]int // by outcome's byte, or doubled
	created  []bool   // of landed rows: Salesforce says it made the row
	told     map[salesforce.ResultKind]int
	foreign  int
	badIDs   int
	prefix   []byte // of the ids so far
	id       [IDSize]byte
	prefixes bool // ids of more than one object came
	digest   Digest
	content  *content // nil where a field tells rows apart
	repeated []bool   // rows for which a call was made whose answer nobody knows; nil = there was none
}

// NewReading returns an empty reading of the chunk, in which refused rows have the classes of the org's table; nil = the one that comes with the client.
func NewReading(x *Index, classes *salesforce.ClassTable) *Reading {
	rows := x.chunk.Rows
	r := &Reading{
		index: x, classes: classes, states: make([]byte, rows), ids: make([]byte, rows*IDSize), failures: map[int]Failure{}, created: make([]bool, rows),
		told: map[salesforce.ResultKind]int{}, refusals: refusals{classes: classes},
	}
	if x.chunk.ByContent() {
		r.content = newContent(x)
	}
	for row, skipped := range x.skipped {
		if skipped {
			r.mark(row, record.OutcomeSuperseded)
		}
	}
	return r
}

// File is one result file of a reading.
type File struct {
	r       *Reading
	kind    salesforce.ResultKind
	keyAt   int   // the key's column among the uploaded ones
	columns []int // of content: the chunk's column for each column of the file, -1 = none of ours
}

// Open begins one of the files. header are its uploaded columns.
func (r *Reading) Open(kind salesforce.ResultKind, header []string) *File {
	f := &File{r: r, kind: kind, keyAt: ColumnOf(header, r.index.chunk.column())}
	if r.content != nil {
		f.columns = r.content.find(header)
	}
	return f
}

// Take takes in one row. An error that wraps salesforce.ErrMalformed says that the file lacks the column by which rows are told apart.
func (f *File) Take(row salesforce.RawRow) error {
	f.r.told[f.kind]++
	if f.r.content != nil {
		f.r.content.take(f, row)
		return nil
	}
	var key []byte
	if f.keyAt >= 0 {
		key = f.r.index.fold(row.Cells[f.keyAt])
	}
	if len(key) == 0 && f.r.index.chunk.byID() && f.kind != salesforce.Unprocessed {
		key = f.r.index.fold(row.ID) // of updated and deleted rows Salesforce's own column says the same
	} else if f.keyAt < 0 {
		return fmt.Errorf("column %s is not in the header of the %s rows: %w", f.r.index.chunk.column(), f.kind, salesforce.ErrMalformed)
	}
	switch f.kind {
	case salesforce.Successful:
		f.r.landed(key, row.ID, row.Created)
	case salesforce.Failed:
		f.r.failed(key, row.ID, row.Error)
	case salesforce.Unprocessed:
		f.r.unprocessed(key)
	}
	return nil
}

// landed takes in a row of the success file. A row without a valid id is not taken as landed: it stays in no file, is read again, and if
// it stays so it is missing.
func (r *Reading) landed(key, id []byte, created bool) {
	r.digest.Add(record.OutcomeLanded.Byte(), key, id, nil)
	row, ok := r.place(key)
	if !ok {
		return
	}
	full, ok := r.goodID(id)
	if ok && r.index.chunk.byID() && !bytes.Equal(full, key) {
		ok = false // the file names two rows in one
	}
	if !ok {
		r.badIDs++
		return
	}
	r.mark(row, record.OutcomeLanded)
	copy(r.ids[row*IDSize:], full)
	r.created[row] = created
}

// failed takes in a row of the failure file.
func (r *Reading) failed(key, id, errorText []byte) {
	r.digest.Add(record.OutcomeFailed.Byte(), key, id, errorText)
	row, ok := r.place(key)
	if !ok {
		return
	}
	r.mark(row, record.OutcomeFailed)
	r.failures[row] = r.refusals.parse(id, errorText)
}

// unprocessed takes in a row of the file of rows that were never tried.
func (r *Reading) unprocessed(key []byte) {
	r.digest.Add(record.OutcomeUnprocessed.Byte(), key, nil, nil)
	if row, ok := r.place(key); ok {
		r.mark(row, record.OutcomeUnprocessed)
	}
}

// place finds the row of a key, if it was sent and no file has told of it yet. A row that is told of again is taken back: of two answers neither
// can be believed.
func (r *Reading) place(key []byte) (int, bool) {
	row, ok := r.index.keys.find(key, r.next)
	if planted.On(planted.MatchingByPosition) {
		row, ok = r.position()
	}
	if !ok {
		r.foreign++
		return 0, false
	}
	r.next = row + 1
	switch state := r.states[row]; state {
	case 0:
		return row, true
	case doubled:
	default:
		r.counts[state]--
		delete(r.failures, row)
		clear(r.ids[row*IDSize : (row+1)*IDSize])
		r.created[row] = false
		r.states[row] = doubled
		r.counts[doubled]++
	}
	return 0, false
}

// goodID is the long form of an id, good until the next call, and notes ids of another object.
func (r *Reading) goodID(id []byte) ([]byte, bool) {
	full, ok := record.AppendLongID(r.id[:0], id)
	if !ok {
		return nil, false
	}
	if len(r.prefix) == 0 {
		known, _ := salesforce.KeyPrefix(r.index.chunk.Object)
		r.prefix = []byte(known)
	}
	// The prefix of a custom object is known by its first letter only.
	if !bytes.HasPrefix(full, r.prefix) {
		r.prefixes = true
	}
	r.prefix = append(r.prefix[:0], full[:3]...)
	return full, true
}

func (r *Reading) mark(row int, o record.Outcome) {
	r.states[row] = o.Byte()
	r.counts[o.Byte()]++
}

// Told returns how many rows the success and the failure file held so far.
func (r *Reading) Told() (landed, failed int) {
	return r.told[salesforce.Successful], r.told[salesforce.Failed]
}

func (r *Reading) count(o record.Outcome) int { return r.counts[o.Byte()] }

// Summary is what [Decide] needs of the reading. Of content it is whole when [Reading.NeedsRows] says no more.
func (r *Reading) Summary() Read {
	s := Read{
		Sent:   r.index.sent,
		Landed: r.count(record.OutcomeLanded), Failed: r.count(record.OutcomeFailed), Unprocessed: r.count(record.OutcomeUnprocessed),
		Unclear: r.counts[doubled], Digest: r.digest,
	}
	if r.content != nil {
		s.Unclear = r.content.residue()
	}
	s.Contradiction = r.Contradiction()
	return s
}

// Contradiction says what in the files cannot be, for a person; "" = nothing.
func (r *Reading) Contradiction() string {
	if r.foreign > 0 {
		return fmt.Sprintf("the result files hold %d rows that were not sent", r.foreign)
	}
	all := 0
	for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed, salesforce.Unprocessed} {
		all += r.told[kind]
		if r.told[kind] > r.index.sent {
			return fmt.Sprintf("the file of %s rows holds %d rows or more, and %d were sent", kind, r.told[kind], r.index.sent)
		}
	}
	if r.content != nil && all > r.index.sent {
		return fmt.Sprintf("the result files hold %d rows, and %d were sent", all, r.index.sent)
	}
	if r.prefixes {
		return fmt.Sprintf("the result files hold ids that are not of the object %s", r.index.chunk.Object)
	}
	if id := r.twoOfOneID(); id != "" {
		return "the result files say of two inserted rows that both became " + id
	}
	return ""
}

// twoOfOneID finds an id that two inserted rows have; "" = none.
func (r *Reading) twoOfOneID() string {
	if r.index.chunk.Operation != pipeline.OperationInsert {
		return ""
	}
	var ids [][]byte
	for row, state := range r.states {
		if state == record.OutcomeLanded.Byte() {
			ids = append(ids, r.ids[row*IDSize:(row+1)*IDSize])
		}
	}
	slices.SortFunc(ids, bytes.Compare)
	for i := 1; i < len(ids); i++ {
		if bytes.Equal(ids[i-1], ids[i]) {
			return string(ids[i])
		}
	}
	return ""
}

// BadIDs is how many rows of the success file had no valid id.
func (r *Reading) BadIDs() int { return r.badIDs }

// NotCreated is how many inserted rows landed of which Salesforce says that it did not make them.
func (r *Reading) NotCreated() int {
	if r.index.chunk.Operation != pipeline.OperationInsert {
		return 0
	}
	n := 0
	for row, state := range r.states {
		if state == record.OutcomeLanded.Byte() && !r.created[row] {
			n++
		}
	}
	return n
}

// NeedsRows says whether the chunk's rows must be read (again) to match what the files say: each handed to [Reading.Row], and
// [Reading.EndRows] after the last. Only content needs it, once, and once more when the files give values back altered.
func (r *Reading) NeedsRows() bool { return r.content != nil && r.content.level < levelDone }

// Row takes in a row of the chunk, for content.
func (r *Reading) Row(row int, cells []string) error {
	if row < 0 || row >= r.index.chunk.Rows {
		return fmt.Errorf("%w: its pieces hold more than %d rows", ErrChunk, r.index.chunk.Rows)
	}
	if !r.index.leftOut(row) {
		r.content.row(row, cells)
	}
	return nil
}

// EndRows matches what the files say with the rows that were handed in.
func (r *Reading) EndRows(rows int) error {
	if rows != r.index.chunk.Rows {
		return fmt.Errorf("%w: its pieces hold %d of its %d rows", ErrChunk, rows, r.index.chunk.Rows)
	}
	r.content.match(r)
	return nil
}
