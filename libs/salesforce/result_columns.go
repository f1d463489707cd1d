package salesforce

import (
	"fmt"
	"strings"
)

// Columns that Salesforce puts before the uploaded ones.
const (
	columnID      = "sf__Id"
	columnCreated = "sf__Created"
	columnError   = "sf__Error"
)

// columns says where Salesforce's own columns stand in a result file; -1 for one that is not there.
type columns struct {
	total            int
	id, created, err int
}

// findColumns reads a header. Place and case of the columns are not promised, so neither counts. A file without the columns that tell
// the outcome, or with a name twice, cannot be read without guessing.
func findColumns(kind ResultKind, names []string) (columns, error) {
	c := columns{total: len(names), id: -1, created: -1, err: -1}
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		folded := strings.ToLower(name)
		if seen[folded] {
			return columns{}, fmt.Errorf("column %q stands twice in the header: %w", clip(name, maxNameRunes), ErrMalformed)
		}
		seen[folded] = true
		switch folded {
		case strings.ToLower(columnID):
			c.id = i
		case strings.ToLower(columnCreated):
			c.created = i
		case strings.ToLower(columnError):
			c.err = i
		}
	}
	missing := ""
	switch {
	case kind != Unprocessed && c.id < 0:
		missing = columnID
	case kind == Successful && c.created < 0:
		missing = columnCreated
	case kind == Failed && c.err < 0:
		missing = columnError
	}
	if missing != "" {
		return columns{}, fmt.Errorf("column %s is not in the header of the %s rows: %w", missing, kind, ErrMalformed)
	}
	return c, nil
}

// text is the cell of a column, nil if the column is not there.
func (c columns) text(cells [][]byte, at int) []byte {
	if at < 0 {
		return nil
	}
	return cells[at]
}

// split appends the cells of the uploaded columns to dst.
func split[T any](c columns, cells, dst []T) []T {
	for i, cell := range cells {
		if i != c.id && i != c.created && i != c.err {
			dst = append(dst, cell)
		}
	}
	return dst
}
