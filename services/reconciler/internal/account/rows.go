package account

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/libs/record"
)

// ErrChunk says that a chunk cannot be matched at all: it is not what the extractor or the retrier may seal.
var ErrChunk = errors.New("chunk cannot be matched")

// Index finds a chunk's row by what Salesforce says of its external id. It holds one short string per row and nothing else of the rows.
type Index struct {
	rows    int
	keys    map[string]int32 // folded value → row, superseded rows left out
	skipped []bool           // rows that newer versions cover: they were not sent
	sent    int
}

// NewIndex returns an index for a chunk of so many rows. superseded lists the rows that were left out of the upload.
func NewIndex(rows int, superseded []int) (*Index, error) {
	if rows < 0 {
		return nil, fmt.Errorf("%w: %d rows", ErrChunk, rows)
	}
	x := &Index{rows: rows, keys: make(map[string]int32, rows), skipped: make([]bool, rows), sent: rows}
	for _, row := range superseded {
		if row < 0 || row >= rows {
			return nil, fmt.Errorf("%w: row %d of %d is said to be superseded", ErrChunk, row, rows)
		}
		if !x.skipped[row] {
			x.skipped[row] = true
			x.sent--
		}
	}
	return x, nil
}

// Add takes in a row's external id value.
func (x *Index) Add(row int, value string) error {
	if row < 0 || row >= x.rows {
		return fmt.Errorf("%w: its pieces hold more than %d rows", ErrChunk, x.rows)
	}
	if x.skipped[row] {
		return nil
	}
	key := record.FoldKey(value)
	if key == "" {
		return fmt.Errorf("%w: row %d has an empty external id", ErrChunk, row)
	}
	if other, twice := x.keys[key]; twice {
		return fmt.Errorf("%w: rows %d and %d have the same external id", ErrChunk, other, row)
	}
	x.keys[key] = int32(row)
	return nil
}

// Whole says whether every row was added; it is asked when the pieces have ended.
func (x *Index) Whole() error {
	if len(x.keys) != x.sent {
		return fmt.Errorf("%w: its pieces hold %d of the %d rows that were sent", ErrChunk, len(x.keys), x.sent)
	}
	return nil
}

// Rows is the number of rows of the chunk, Sent of those that were not left out.
func (x *Index) Rows() int { return x.rows }

// Sent is the number of rows that were sent.
func (x *Index) Sent() int { return x.sent }

// find returns the row of an external id value as Salesforce gives it back.
func (x *Index) find(folded string) (int, bool) {
	row, ok := x.keys[folded]
	return int(row), ok
}

// ColumnOf finds a column by its name; upper and lower case do not count, as Salesforce's header may differ in them. -1 = it is not there.
func ColumnOf(header []string, name string) int {
	for i, h := range header {
		if strings.EqualFold(strings.TrimPrefix(h, "\ufeff"), name) {
			return i
		}
	}
	return -1
}
