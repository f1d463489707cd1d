package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// writer writes records in a format. It buffers; flush empties the buffer.
type writer interface {
	begin(header []string) error
	write(r record) error
	flush() error
}

func newWriter(f Format, w io.Writer) writer {
	if f == NDJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return &jsonWriter{e}
	}
	return &csvWriter{csv.NewWriter(w)}
}

type jsonWriter struct{ *json.Encoder }

func (*jsonWriter) begin([]string) error { return nil }

func (w *jsonWriter) write(r record) error {
	if err := w.Encode(r); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	return nil
}

func (*jsonWriter) flush() error { return nil }

type csvWriter struct{ *csv.Writer }

func (w *csvWriter) begin(header []string) error { return w.Write(header) }

func (w *csvWriter) write(r record) error {
	cells := r.cells()
	for i, c := range cells {
		cells[i] = harmless(c)
	}
	if err := w.Write(cells); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	return nil
}

func (w *csvWriter) flush() error {
	w.Flush()
	return w.Error()
}

// harmless keeps a spreadsheet from taking a value for a formula: records are written by strangers, and a formula can run programs and send away what
// the other cells hold.
func harmless(cell string) string {
	if cell != "" && strings.IndexByte("=+-@\t\r", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}
