package bulk

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

// form is how result files of a job are written.
type form struct {
	delimiter byte
	ending    string
}

// resultForm is the form of a job's result files, as the switches say.
func (m *Manager) resultForm(s *Spec) form {
	f := form{delimiter: delimiters[s.ColumnDelimiter], ending: "\n"}
	if m.Switches.Get(switches.ResultDelimiter) == switches.Comma {
		f.delimiter = ','
	}
	if m.Switches.Get(switches.ResultLineEnding) == switches.JobLineEnding && s.LineEnding == "CRLF" {
		f.ending = "\r\n"
	}
	return f
}

// appendQuoted writes one value as result files do: always quoted. Result files are UTF-8, so bytes that are not come as
// replacement characters.
func appendQuoted(b []byte, value string) []byte {
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\uFFFD")
	}
	b = append(b, '"')
	for {
		i := strings.IndexByte(value, '"')
		if i < 0 {
			break
		}
		b = append(b, value[:i+1]...)
		b = append(b, '"')
		value = value[i+1:]
	}
	b = append(b, value...)
	return append(b, '"')
}

// appendRaw writes a record as it was uploaded. Only where the file has another delimiter than the upload, it is put
// between the values; one that has the new delimiter in it is then quoted. What follows wrong quotes is left as it is.
func (f form) appendRaw(b []byte, record string, delimiter byte) []byte {
	if !utf8.ValidString(record) {
		record = strings.ToValidUTF8(record, "\uFFFD")
	}
	if f.delimiter == delimiter {
		return append(b, record...)
	}
	for {
		end := strings.IndexByte(record, delimiter)
		isQuoted := strings.HasPrefix(record, `"`)
		if isQuoted {
			last := closingQuote(record)
			if last < 0 || (last+1 < len(record) && record[last+1] != delimiter) {
				return append(b, record...)
			}
			if end = last + 1; end == len(record) {
				end = -1
			}
		}
		value := record
		if end >= 0 {
			value = record[:end]
		}
		if !isQuoted && strings.IndexByte(value, f.delimiter) >= 0 {
			b = appendQuoted(b, value)
		} else {
			b = append(b, value...)
		}
		if end < 0 {
			return b
		}
		b = append(b, f.delimiter)
		record = record[end+1:]
	}
}

// rowWriter writes rows of the files of attempted rows.
type rowWriter struct {
	form    form
	from    byte // delimiter of the upload
	names   []string
	columns []org.Column
	ids     org.IDs
	withID  bool
	exact   bool // every column has its case right
	cells   []string
}

func newRowWriter(f form, u *Upload, p *org.Plan, ids org.IDs) rowWriter {
	w := rowWriter{form: f, from: u.delimiter, columns: p.Columns, ids: ids, exact: true}
	w.names, _ = parseHeader(u.header, u.delimiter)
	for i := range p.Columns {
		w.exact = w.exact && p.Columns[i].Exact
	}
	return w
}

// append writes a row: its id, whether it was created or why it failed, and its cells.
func (w *rowWriter) append(b []byte, s rowState, text string, record []byte) []byte {
	b = append(b, '"')
	if w.named(s) {
		b = w.ids.Append(b, s.id)
	}
	b = append(b, '"', w.form.delimiter)
	switch s.result {
	case org.Failed:
		b = appendQuoted(b, text)
	case org.Created:
		b = append(b, `"true"`...)
	default:
		b = append(b, `"false"`...)
	}
	if s.result != org.Failed && w.exact && utf8.Valid(record) && bytes.IndexByte(record, '"') < 0 {
		return w.appendPlain(b, record)
	}
	return w.appendCells(b, w.parse(string(record)), nil)
}

// named says whether sf__Id of a row is filled.
func (w *rowWriter) named(s rowState) bool { return s.flags&hasID != 0 && w.withID }

// appendPlain writes the cells of a good record without quotes: every one of them in quotes.
func (w *rowWriter) appendPlain(b, record []byte) []byte {
	for {
		b = append(b, w.form.delimiter, '"')
		end := bytes.IndexByte(record, w.from)
		if end < 0 {
			b = append(b, record...)
			b = append(b, '"')
			return append(b, w.form.ending...)
		}
		b = append(b, record[:end]...)
		b = append(b, '"')
		record = record[end+1:]
	}
}

// parse splits a record into as many cells as there are columns, whatever is wrong with it. A column whose case differs
// from the API name comes back blank.
func (w *rowWriter) parse(record string) []string {
	w.cells, _ = parseRow(record, w.from, w.cells[:0])
	for len(w.cells) < len(w.columns) {
		w.cells = append(w.cells, "")
	}
	w.cells = w.cells[:len(w.columns)]
	for i := range w.columns {
		if !w.columns[i].Exact {
			w.cells[i] = ""
		}
	}
	return w.cells
}

func (w *rowWriter) appendCells(b []byte, cells []string, instead map[string]string) []byte {
	for i, cell := range cells {
		if text, ok := instead[w.names[i]]; ok {
			cell = text
		}
		b = append(b, w.form.delimiter)
		b = appendQuoted(b, cell)
	}
	return append(b, w.form.ending...)
}

// appendRewritten writes a row with other texts than its own in some columns.
func (w *rowWriter) appendRewritten(b []byte, s rowState, text, record string, instead map[string]string) []byte {
	var id []byte
	if w.named(s) {
		id = w.ids.Append(nil, s.id)
	}
	second := "sf__Error"
	if s.result != org.Failed {
		second, text = "sf__Created", "false"
		if s.result == org.Created {
			text = "true"
		}
	}
	return w.appendTexts(b, string(id), second, text, w.parse(record), instead)
}

// appendTexts writes a row of any texts; instead has those that stand in some columns instead.
func (w *rowWriter) appendTexts(b []byte, id, second, text string, cells []string, instead map[string]string) []byte {
	if other, ok := instead["sf__Id"]; ok {
		id = other
	}
	if other, ok := instead[second]; ok {
		text = other
	}
	b = appendQuoted(b, id)
	b = append(b, w.form.delimiter)
	b = appendQuoted(b, text)
	return w.appendCells(b, cells, instead)
}
