package bulk

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"bulkhead/services/orgsim/internal/org"
)

const (
	// maxRecordLength is the largest number of characters in one CSV row (Salesforce: limits of CSV data).
	maxRecordLength = 400_000
	// maxHeaderLength is the largest number of characters in the row of field names (Salesforce: preparing CSV files).
	maxHeaderLength = 32_000
	// maxColumns is the largest number of fields in a row (Salesforce: limits of CSV data).
	maxColumns = 5_000
)

// parseRow splits a record without its line break into cells, which share its text. problem says what is wrong with
// its quotes; the cells read so far are returned with it.
func parseRow(text string, delimiter byte, cells []string) (_ []string, problem string) {
	if strings.IndexByte(text, '"') < 0 {
		for {
			end := strings.IndexByte(text, delimiter)
			if end < 0 {
				return append(cells, text), ""
			}
			cells, text = append(cells, text[:end]), text[end+1:]
		}
	}
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

// parseHeader splits the first record of an upload, as it was sent, into field names. problem says why there can be no
// rows under it. Nothing is cut off the names, neither spaces nor a byte order mark.
func parseHeader(header []byte, delimiter byte) (names []string, problem string) {
	names, problem = parseRow(string(trimBreak(header)), delimiter, nil)
	switch {
	case problem != "":
	case longer(string(header), maxHeaderLength):
		problem = fmt.Sprintf("it has more than %d characters", maxHeaderLength)
	case len(names) > maxColumns:
		problem = fmt.Sprintf("it has %d fields, more than %d", len(names), maxColumns)
	}
	return names, problem
}

// longer says whether a text has more characters than it may.
func longer(text string, most int) bool {
	return len(text) > most && utf8.RuneCountInString(text) > most
}

// rowReader makes rows of records. The cells of the rows lie in memory that is used again.
type rowReader struct {
	delimiter byte
	columns   int
	cells     []string // as many as were read since reset
}

// newRowReader returns a reader for uploads with the given number of columns. It takes few allocations as long as it
// is reset after that many rows.
func newRowReader(delimiter byte, columns, rows int) *rowReader {
	return &rowReader{delimiter: delimiter, columns: columns, cells: make([]string, 0, columns*rows)}
}

// reset takes back the cells of every row that was read.
func (r *rowReader) reset() {
	clear(r.cells)
	r.cells = r.cells[:0]
}

// read parses a record of an upload. A row that cannot be read comes back with its Error set and exactly as many cells
// as there are columns. The cells are valid until reset; their texts are parts of the record.
func (r *rowReader) read(line string) org.Row {
	if len(r.cells)+r.columns > cap(r.cells) {
		r.cells = make([]string, 0, max(r.columns, cap(r.cells)))
	}
	from := len(r.cells)
	line = trimBreak(line)
	// The bound makes append leave what lies behind this row alone.
	cells, problem := parseRow(line, r.delimiter, r.cells[from:from:from+r.columns])
	switch {
	case problem != "":
	case len(cells) != r.columns:
		problem = fmt.Sprintf("the row has %d values, the header has %d", len(cells), r.columns)
	case longer(line, maxRecordLength):
		problem = fmt.Sprintf("the row has more than %d characters", maxRecordLength)
	case len(line) > org.MaxFieldLength:
		for _, c := range cells {
			if longer(c, org.MaxFieldLength) {
				problem = fmt.Sprintf("a value has more than %d characters", org.MaxFieldLength)
			}
		}
	}
	row := org.Row{Cells: cells}
	if problem != "" {
		// Salesforce fails such rows one by one; the code and the text are a guess.
		row.Error = &org.RowError{Code: "INVALID_INPUT", Message: problem}
		for len(row.Cells) < r.columns {
			row.Cells = append(row.Cells, "")
		}
		row.Cells = row.Cells[:r.columns:r.columns]
	}
	if len(row.Cells) > 0 {
		r.cells = r.cells[:from+r.columns]
	}
	return row
}
