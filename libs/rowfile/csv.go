package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed says that bytes are not the CSV that this package writes.
var ErrMalformed = errors.New("not well-formed CSV")

// AppendRow appends one row with its line feed. Cells are quoted only where they must be: around the delimiter, quotes, line ends and other control
// characters, and around blanks at either end, which readers of CSV disagree on.
func AppendRow(dst []byte, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCell(dst, cell, len(cells) == 1)
	}
	return append(dst, '\n')
}

// RowSize is the length of what [AppendRow] would append.
func RowSize(cells []string) int {
	n := max(len(cells), 1) // delimiters and the line feed
	for _, cell := range cells {
		n += len(cell)
		if mustQuote(cell, len(cells) == 1) {
			n += 2 + strings.Count(cell, `"`)
		}
	}
	return n
}

func appendCell(dst []byte, cell string, alone bool) []byte {
	if !mustQuote(cell, alone) {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(cell, '"')
		if i < 0 {
			break
		}
		dst = append(dst, cell[:i]...)
		dst = append(dst, '"', '"')
		cell = cell[i+1:]
	}
	dst = append(dst, cell...)
	return append(dst, '"')
}

func mustQuote(cell string, alone bool) bool {
	if cell == "" {
		return alone // an empty line would be no row at all
	}
	if first, last := cell[0], cell[len(cell)-1]; first <= ' ' || last <= ' ' {
		return true
	}
	for i := range len(cell) {
		if c := cell[i]; c < ' ' || c == ',' || c == '"' || c == 0x7f {
			return true
		}
	}
	// U+00A0 and other blanks outside ASCII at an end: some readers trim them as well.
	return strings.TrimSpace(cell) != cell
}

// splitRow cuts the first row off data. size is its length with the line feed; 0 = data ends inside a row.
func splitRow(data []byte, cells []string) (row []string, size int, err error) {
	row = cells[:0]
	at := 0
	for {
		var cell string
		var next int
		if at < len(data) && data[at] == '"' {
			cell, next, err = quotedCell(data, at)
		} else {
			cell, next, err = plainCell(data, at)
		}
		if err != nil {
			return nil, 0, err
		}
		if next < 0 {
			return nil, 0, nil
		}
		row = append(row, cell)
		at = next + 1
		if data[next] == '\n' {
			return row, at, nil
		}
	}
}

// plainCell reads a cell without quotes; end is the place of the delimiter behind it, -1 = there is none.
func plainCell(data []byte, at int) (cell string, end int, err error) {
	end = bytes.IndexAny(data[at:], ",\n\"\r")
	if end < 0 {
		return "", -1, nil
	}
	end += at
	if c := data[end]; c == '"' || c == '\r' {
		return "", 0, fmt.Errorf("%w: %q in a cell without quotes", ErrMalformed, c)
	}
	return string(data[at:end]), end, nil
}

// quotedCell reads a cell that begins with a quote.
func quotedCell(data []byte, at int) (cell string, end int, err error) {
	start := at + 1
	doubled := false
	for i := start; ; {
		quote := bytes.IndexByte(data[i:], '"')
		if quote < 0 || i+quote+1 >= len(data) {
			return "", -1, nil
		}
		i += quote
		switch data[i+1] {
		case '"':
			doubled = true
			i += 2
		case ',', '\n':
			cell = string(data[start:i])
			if doubled {
				cell = strings.ReplaceAll(cell, `""`, `"`)
			}
			return cell, i + 1, nil
		default:
			return "", 0, fmt.Errorf("%w: %q behind a closing quote", ErrMalformed, data[i+1])
		}
	}
}
