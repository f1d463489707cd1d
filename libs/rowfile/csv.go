package rowfile

import (
	"errors"
	"strings"
	"unicode/utf8"
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
	first, last := cell[0], cell[len(cell)-1]
	if first <= ' ' || last <= ' ' {
		return true
	}
	for i := range len(cell) {
		if special[cell[i]] {
			return true
		}
	}
	// U+00A0 and other blanks outside ASCII at an end: some readers trim them as well.
	return (first >= utf8.RuneSelf || last >= utf8.RuneSelf) && strings.TrimSpace(cell) != cell
}

// special are the bytes that a cell without quotes must not hold.
var special = func() (is [256]bool) {
	for c := range ' ' {
		is[c] = true
	}
	is[','], is['"'], is[0x7f] = true, true, true
	return is
}()
