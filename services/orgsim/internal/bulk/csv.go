package bulk

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"bulkhead/services/orgsim/internal/org"
)

// maxRecordLength is the largest number of characters in one CSV row (Salesforce: limits of CSV data).
const maxRecordLength = 400_000

// mode is where in a CSV record a scanner stands.
type mode uint8

const (
	fieldStart mode = iota
	bare            // in a value without quotes
	quoted          // inside quotes
	afterQuote      // behind a quote inside quotes: escaped, or the end of the value
)

// scanner finds where records end. A line break inside quotes ends nothing. It keeps its place between pieces, so the
// bytes may come in any portions.
type scanner struct {
	delimiter byte
	mode      mode
	cr        bool // the last byte was a carriage return

	// Which line breaks were seen between records and inside values.
	endLF, endCRLF           bool
	embeddedLF, embeddedCRLF bool
}

// next consumes bytes up to the end of a record. It returns how many it took, and whether they end a record; otherwise
// it took them all.
func (s *scanner) next(data []byte) (int, bool) {
	for i, c := range data {
		switch s.mode {
		case quoted:
			switch c {
			case '"':
				s.mode = afterQuote
			case '\n':
				if s.cr {
					s.embeddedCRLF = true
				} else {
					s.embeddedLF = true
				}
			}
		case fieldStart, bare, afterQuote:
			switch {
			case c == '\n':
				if s.cr {
					s.endCRLF = true
				} else {
					s.endLF = true
				}
				s.mode, s.cr = fieldStart, false
				return i + 1, true
			case c == s.delimiter:
				s.mode = fieldStart
			case c == '"' && s.mode != bare:
				s.mode = quoted
			case c == '\r' && s.mode == afterQuote: // the break that follows decides
			default:
				s.mode = bare
			}
		}
		s.cr = c == '\r'
	}
	return len(data), false
}

// trimBreak cuts the line break off a record.
func trimBreak(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}

// blank says that a record consists of its line break only; such lines are no rows.
func blank(line []byte) bool { return len(trimBreak(line)) == 0 }

// parseRow splits a record without its line break into cells, which share one copy of its text. problem says what is
// wrong with its quotes; the cells read so far are returned with it.
func parseRow(line []byte, delimiter byte, cells []string) (_ []string, problem string) {
	text := string(line)
	for {
		var cell string
		if strings.HasPrefix(text, `"`) {
			end := closingQuote(text)
			if end < 0 {
				return append(cells, text[1:]), "a quoted value does not end"
			}
			cell, text = text[1:end], text[end+1:]
			if strings.Contains(cell, `""`) {
				cell = strings.ReplaceAll(cell, `""`, `"`)
			}
			if text != "" && text[0] != delimiter {
				return append(cells, cell), "there is text outside the quotes of a value"
			}
		} else {
			end := strings.IndexByte(text, delimiter)
			if end < 0 {
				end = len(text)
			}
			cell, text = text[:end], text[end:]
			if strings.IndexByte(cell, '"') >= 0 {
				return append(cells, cell), "there is a quote inside a value without quotes"
			}
		}
		cells = append(cells, cell)
		if text == "" {
			return cells, ""
		}
		text = text[1:]
	}
}

// closingQuote finds the quote that ends a value which begins with one; -1 when there is none.
func closingQuote(text string) int {
	for i := 1; ; {
		j := strings.IndexByte(text[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		if i+1 >= len(text) || text[i+1] != '"' {
			return i
		}
		i += 2
	}
}

// readRow parses a record of an upload with the given number of columns. A row that cannot be read comes back with its
// Error set and exactly that number of cells.
func readRow(line []byte, delimiter byte, columns int) org.Row {
	cells, problem := parseRow(trimBreak(line), delimiter, make([]string, 0, columns))
	switch {
	case problem != "":
	case len(cells) != columns:
		problem = fmt.Sprintf("the row has %d values, the header has %d", len(cells), columns)
	case len(line) > maxRecordLength && utf8.RuneCount(line) > maxRecordLength:
		problem = fmt.Sprintf("the row has more than %d characters", maxRecordLength)
	default:
		for _, c := range cells {
			if len(c) > org.MaxFieldLength && utf8.RuneCountInString(c) > org.MaxFieldLength {
				problem = fmt.Sprintf("a value has more than %d characters", org.MaxFieldLength)
			}
		}
	}
	row := org.Row{Cells: cells}
	if problem == "" {
		return row
	}
	// Salesforce fails such rows one by one; the code and the text are a guess.
	row.Error = &org.RowError{Code: "INVALID_INPUT", Message: problem}
	for len(row.Cells) < columns {
		row.Cells = append(row.Cells, "")
	}
	row.Cells = row.Cells[:columns]
	return row
}

// appendQuoted writes one cell as result files do: always quoted.
func appendQuoted(b *bytes.Buffer, cell string) {
	b.WriteByte('"')
	for {
		i := strings.IndexByte(cell, '"')
		if i < 0 {
			break
		}
		b.WriteString(cell[:i+1])
		b.WriteByte('"')
		cell = cell[i+1:]
	}
	b.WriteString(cell)
	b.WriteByte('"')
}
