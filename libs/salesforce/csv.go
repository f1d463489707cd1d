package salesforce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

var utf8BOM = []byte("\xef\xbb\xbf")

// csvReader reads RFC 4180 records from a stream: comma, LF or CRLF, quotes doubled inside quotes, line breaks inside quotes kept as
// they are (the standard library would turn CRLF into LF there, and cells are compared with what was sent).
//
// Its one purpose beyond that is to know how a stream ended. next returns io.EOF only at a place where a record ends.
type csvReader struct {
	src       io.Reader
	buf       []byte
	pos, end  int
	srcErr    error // what src ended with, io.EOF included
	started   bool
	maxRecord int
	line      int64 // of the record's start, from 1
	nextLine  int64
	text      []byte // the record's cells, one after the other, where they cannot stand in buf
	cellEnds  []int
	cells     [][]byte
	bareEnd   bool // the last record was ended by the end of the stream instead of a line end
	looseAt   int  // the cell in which bytes may stand that are no text, -1 = none
}

const (
	csvBufferBytes = 64 << 10
	maxEmptyReads  = 100 // of a source that returns neither bytes nor an error, as bufio has it
)

func newCSVReader(src io.Reader, maxRecord int) *csvReader {
	return &csvReader{src: src, buf: make([]byte, csvBufferBytes), maxRecord: maxRecord, nextLine: 1, looseAt: -1}
}

// next reads one record. The cells are good until the following call. Errors: io.EOF at a record's end; ErrTruncated inside one; ErrMalformed,
// ErrTooLarge; or what the stream failed with.
func (r *csvReader) next() ([][]byte, error) {
	if !r.started {
		r.started = true
		r.skipBOM()
	}
	r.text, r.cellEnds, r.line, r.bareEnd = r.text[:0], r.cellEnds[:0], r.nextLine, false
	if !r.more() {
		return nil, r.srcErr
	}
	if r.quick() {
		return r.cells, nil
	}
	r.text = r.text[:0]
	for {
		last, err := r.cell()
		if err != nil {
			return nil, err
		}
		if last {
			break
		}
	}
	return r.record(), nil
}

// record cuts the text into cells.
func (r *csvReader) record() [][]byte {
	r.cells = r.cells[:0]
	start := 0
	for _, end := range r.cellEnds {
		r.cells = append(r.cells, r.text[start:end:end])
		start = end
	}
	return r.cells
}

// cell reads one cell and what ends it; last says that it was the record's last.
func (r *csvReader) cell() (last bool, err error) {
	start := len(r.text)
	if r.more() && r.buf[r.pos] == '"' {
		last, err = r.quoted()
	} else {
		last, err = r.plain()
	}
	if err != nil {
		return false, err
	}
	cell, loose := r.text[start:], len(r.cellEnds) == r.looseAt
	if !loose && bytes.IndexByte(cell, 0) >= 0 {
		return false, r.malformed("holds a NUL")
	}
	if (!loose || r.bareEnd) && !utf8.Valid(cell) {
		if r.bareEnd {
			return false, r.truncated("inside a character")
		}
		return false, r.malformed("is not UTF-8")
	}
	r.cellEnds = append(r.cellEnds, len(r.text))
	return last, nil
}

// plain reads a cell without quotes.
func (r *csvReader) plain() (last bool, err error) {
	start := len(r.text)
	for {
		if !r.more() {
			return true, r.endOfStream()
		}
		window := r.buf[r.pos:r.end]
		i := bytes.IndexAny(window, ",\n\"")
		if i < 0 {
			r.pos = r.end
			if err := r.take(window); err != nil {
				return false, err
			}
			continue
		}
		r.pos += i + 1
		if err := r.take(window[:i]); err != nil {
			return false, err
		}
		switch window[i] {
		case ',':
			return false, nil
		case '"':
			return false, r.malformed("has a quote inside a cell that is not quoted")
		}
		r.nextLine++
		if n := len(r.text); n > start && r.text[n-1] == '\r' {
			r.text = r.text[:n-1]
		}
		return true, nil
	}
}

// quoted reads a cell in quotes, from its opening quote to what ends it.
func (r *csvReader) quoted() (last bool, err error) {
	r.pos++
	for {
		if !r.more() {
			return false, r.endInside("inside quotes")
		}
		window := r.buf[r.pos:r.end]
		i := bytes.IndexByte(window, '"')
		if i < 0 {
			r.pos = r.end
			if err := r.take(window); err != nil {
				return false, err
			}
			continue
		}
		r.pos += i + 1
		if err := r.take(window[:i]); err != nil {
			return false, err
		}
		if !r.more() {
			return true, r.endOfStream()
		}
		switch c := r.buf[r.pos]; c {
		case '"':
			r.pos++
			if err := r.take(quoteMark); err != nil {
				return false, err
			}
			continue
		case ',':
			r.pos++
			return false, nil
		case '\r':
			r.pos++
			if !r.more() {
				return false, r.endInside("inside a line end")
			}
			if r.buf[r.pos] != '\n' {
				return false, r.malformed("goes on after a closing quote")
			}
			fallthrough
		case '\n':
			r.pos++
			r.nextLine++
			return true, nil
		}
		return false, r.malformed("goes on after a closing quote")
	}
}

var quoteMark = []byte{'"'}

// take adds to the record's text and counts lines for error messages.
func (r *csvReader) take(b []byte) error {
	if len(r.text)+len(b) > r.maxRecord {
		return fmt.Errorf("record at line %d above %d bytes: %w", r.line, r.maxRecord, ErrTooLarge)
	}
	r.nextLine += int64(bytes.Count(b, newline))
	r.text = append(r.text, b...)
	return nil
}

var newline = []byte{'\n'}

// more says whether a byte can be read, and reads from the source when the buffer is used up.
func (r *csvReader) more() bool {
	for empty := 0; r.pos == r.end; empty++ {
		if r.srcErr == nil && empty == maxEmptyReads {
			r.srcErr = io.ErrNoProgress
		}
		if r.srcErr != nil {
			return false
		}
		r.pos = 0
		r.end, r.srcErr = r.src.Read(r.buf)
	}
	return true
}

// skipBOM drops a byte order mark at the stream's start. It gathers the first bytes, which may come singly.
func (r *csvReader) skipBOM() {
	for reads := 0; r.end < len(utf8BOM) && r.srcErr == nil && reads < maxEmptyReads; reads++ {
		n, err := r.src.Read(r.buf[r.end:])
		r.end, r.srcErr = r.end+n, err
	}
	if bytes.HasPrefix(r.buf[:r.end], utf8BOM) {
		r.pos = len(utf8BOM)
	}
}

// endOfStream ends a record at the end of the stream, if that was a clean one.
func (r *csvReader) endOfStream() error {
	if !errors.Is(r.srcErr, io.EOF) {
		return r.srcErr
	}
	r.bareEnd = true
	return nil
}

// endInside is the error for a stream that ends where no record can.
func (r *csvReader) endInside(where string) error {
	if !errors.Is(r.srcErr, io.EOF) {
		return r.srcErr
	}
	return r.truncated(where)
}

func (r *csvReader) truncated(where string) error {
	return fmt.Errorf("record at line %d ends %s: %w", r.line, where, ErrTruncated)
}

func (r *csvReader) malformed(what string) error {
	return fmt.Errorf("record at line %d %s: %w", r.line, what, ErrMalformed)
}
