package account

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// ErrChunk says that a chunk cannot be matched at all: it is not what the extractor or the retrier may seal, or what the submitter says of its
// upload contradicts it.
var ErrChunk = errors.New("chunk cannot be matched")

// ColumnID is the column by which updated and deleted rows are found again, whatever field named them when they were published.
const ColumnID = pipeline.FieldID

// Chunk is what must be known of a chunk to match its rows, the rows apart.
type Chunk struct {
	// Rows is how many rows the chunk has.
	Rows int
	// Operation is one of package pipeline's words, Object what is written.
	Operation, Object string
	// Space says how values of the key field fold ([record.FoldIn]).
	Space string
	// KeyField is the key field of the definition; "" = rows are matched by content.
	KeyField string
	// Header are the columns of the chunk.
	Header []string
	// Superseded are the rows that newer versions cover: they were left out of the upload.
	Superseded []int
	// Unsent are the rows that were left out because the org has no row for them, or more than one, and what was said of each.
	Unsent map[int]Failure
}

// byID says whether result rows are told apart by their Id: nothing else names the row of an update or delete in the upload.
func (c Chunk) byID() bool {
	return c.Operation == pipeline.OperationUpdate || pipeline.Deletes(c.Operation)
}

// ByContent says whether rows are told apart by nothing but what they say.
func (c Chunk) ByContent() bool { return c.KeyField == "" }

// column is the column of the result files by which rows are told apart.
func (c Chunk) column() string {
	if c.byID() {
		return ColumnID
	}
	return c.KeyField
}

func (c Chunk) check() error {
	switch c.Operation {
	case pipeline.OperationUpsert, pipeline.OperationUpdate, pipeline.OperationDelete, pipeline.OperationHardDelete:
		if c.KeyField == "" {
			return fmt.Errorf("%w: %s without a key field", ErrChunk, c.Operation)
		}
	case pipeline.OperationInsert:
	default:
		return fmt.Errorf("%w: operation %q is none of ours", ErrChunk, c.Operation)
	}
	if c.Rows < 0 {
		return fmt.Errorf("%w: %d rows", ErrChunk, c.Rows)
	}
	return nil
}

// Manifest says which records each row of a chunk carries.
type Manifest interface {
	// Len is the number of rows; Row takes one apart.
	Len() int
	Row(row int) (*flowv1.ManifestRow, error)
	// Runs are the names of the runs; EachRun tells for each record of a row which of them it belongs to, by index.
	Runs() []string
	EachRun(row int, tell func(run int))
}

// Index finds a chunk's row by what Salesforce says of its key. It holds one short key per row and nothing else of the rows; of a chunk
// that is matched by content it holds none. It is not safe for concurrent use.
type Index struct {
	chunk   Chunk
	folding record.Folding
	keys    *keyTable // folded values, of rows that were sent; nil of a chunk that is matched by content
	skipped []bool    // rows that newer versions cover: they were not sent
	sent    int
	room    []byte // for a folded value
}

// NewIndex returns an index for a chunk.
func NewIndex(c Chunk) (*Index, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	x := &Index{chunk: c, folding: record.FoldingOf(c.Space), skipped: make([]bool, c.Rows), sent: c.Rows}
	for _, row := range c.Superseded {
		if row < 0 || row >= c.Rows {
			return nil, fmt.Errorf("%w: row %d of %d is said to be superseded", ErrChunk, row, c.Rows)
		}
		if !x.skipped[row] {
			x.skipped[row] = true
			x.sent--
		}
	}
	for row := range c.Unsent {
		if row < 0 || row >= c.Rows || x.skipped[row] {
			return nil, fmt.Errorf("%w: row %d of %d is said to be unsent", ErrChunk, row, c.Rows)
		}
		x.sent--
	}
	if !c.ByContent() {
		x.keys = newKeyTable(c.Rows)
	}
	return x, nil
}

// leftOut says whether a row was not in the upload.
func (x *Index) leftOut(row int) bool {
	if x.skipped[row] || len(x.chunk.Unsent) == 0 {
		return x.skipped[row]
	}
	_, unsent := x.chunk.Unsent[row]
	return unsent
}

// fold is the form under which two values of the column that tells rows apart are the same row; empty where it names none. It is good until the next call.
func (x *Index) fold(value []byte) []byte {
	if x.chunk.byID() {
		x.room, _ = record.AppendLongID(x.room[:0], bytes.TrimSpace(value))
	} else {
		x.room = x.folding.Append(x.room[:0], value)
	}
	return x.room
}

// Add takes in the value by which a row is told apart: of the key field, or the Id that was sent.
func (x *Index) Add(row int, value []byte) error {
	if row < 0 || row >= x.chunk.Rows {
		return fmt.Errorf("%w: its pieces hold more than %d rows", ErrChunk, x.chunk.Rows)
	}
	if x.leftOut(row) {
		return nil
	}
	key := x.fold(value)
	if len(key) == 0 {
		return fmt.Errorf("%w: row %d has no usable %s", ErrChunk, row, x.chunk.column())
	}
	switch other, ok, err := x.keys.add(row, key); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrChunk, err)
	case !ok:
		return fmt.Errorf("%w: rows %d and %d have the same %s", ErrChunk, other, row, x.chunk.column())
	}
	return nil
}

// Whole says whether every row was added; it is asked when the pieces have ended.
func (x *Index) Whole() error {
	if !x.chunk.ByContent() && x.keys.count != x.sent {
		return fmt.Errorf("%w: its pieces hold %d of the %d rows that were sent", ErrChunk, x.keys.count, x.sent)
	}
	return nil
}

// Rows is the number of rows of the chunk.
func (x *Index) Rows() int { return x.chunk.Rows }

// Sent is the number of rows that were sent.
func (x *Index) Sent() int { return x.sent }

// ColumnOf finds a column by its name; upper and lower case do not count, as Salesforce's header may differ in them. -1 = it is not there.
func ColumnOf(header []string, name string) int {
	return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimPrefix(h, "\ufeff"), name) })
}
