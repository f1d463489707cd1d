package salesforce

import (
	"bytes"
	"unicode/utf8"
)

// quick reads a record that can be read where it stands in the buffer, without copying its cells. It is false, with nothing taken, for one that is
// longer than the buffer, ends with the stream, or is in any way not as it should be: [csvReader.cell] reads that, and says what is wrong.
func (r *csvReader) quick() bool {
	for empty := 0; ; {
		size, whole := r.cut(r.buf[r.pos:r.end])
		if whole {
			return size > 0 && r.accept(size)
		}
		if r.srcErr != nil || empty == maxEmptyReads {
			return false
		}
		if r.pos > 0 {
			copy(r.buf, r.buf[r.pos:r.end])
			r.pos, r.end = 0, r.end-r.pos
		}
		if r.end == len(r.buf) {
			return false
		}
		n, err := r.src.Read(r.buf[r.end:])
		r.end, r.srcErr = r.end+n, err
		if n == 0 {
			empty++
		}
	}
}

// cut cuts the first record of the window into cells. size is its length with the line end, 0 = it is none as it should be; whole is false when the
// window ends inside it.
func (r *csvReader) cut(window []byte) (size int, whole bool) {
	r.cells, r.text = r.cells[:0], r.text[:0]
	lineEnd := -1 // the first one that is not before at, as far as anybody has looked
	for at := 0; ; {
		if at == len(window) {
			return 0, false
		}
		if window[at] != '"' {
			if lineEnd < at {
				n := bytes.IndexByte(window[at:], '\n')
				if n < 0 {
					return 0, false
				}
				lineEnd = at + n
			}
			end, last := lineEnd, true
			if n := bytes.IndexByte(window[at:lineEnd], ','); n >= 0 {
				end, last = at+n, false
			}
			cell := window[at:end:end]
			if bytes.IndexByte(cell, '"') >= 0 {
				return 0, true
			}
			if last {
				cell = bytes.TrimSuffix(cell, carriageReturn)
			}
			r.cells = append(r.cells, cell)
			at = end + 1
			if last {
				return at, true
			}
			continue
		}
		cell, n := r.unquote(window[at+1:])
		if n < 0 {
			return 0, false
		}
		r.cells = append(r.cells, cell)
		at += 1 + n
		switch window[at] {
		case ',':
			at++
		case '\n':
			return at + 1, true
		case '\r':
			if at+1 == len(window) {
				return 0, false
			}
			if window[at+1] != '\n' {
				return 0, true
			}
			return at + 2, true
		default:
			return 0, true
		}
	}
}

// unquote reads a cell behind its opening quote. n is the place behind the closing one, -1 = it is not in the window.
func (r *csvReader) unquote(window []byte) (cell []byte, n int) {
	start, from := len(r.text), 0
	for at := 0; ; {
		i := bytes.IndexByte(window[at:], '"')
		if i < 0 || at+i+1 == len(window) {
			return nil, -1 // at the end of the window it may be one of two
		}
		at += i + 1
		if window[at] != '"' {
			if from == 0 {
				return window[: at-1 : at-1], at
			}
			// What was cut from the text before stays where it is when the text has to grow.
			r.text = append(r.text, window[from:at-1]...)
			return r.text[start:len(r.text):len(r.text)], at
		}
		r.text = append(r.text, window[from:at]...) // with one of the two quotes
		at++
		from = at
	}
}

var carriageReturn = []byte{'\r'}

// accept takes the record of this size if nothing forbids it.
func (r *csvReader) accept(size int) bool {
	raw := r.buf[r.pos : r.pos+size]
	if size > r.maxRecord || bytes.IndexByte(raw, 0) >= 0 || !utf8.Valid(raw) {
		return false
	}
	r.pos += size
	r.nextLine += int64(bytes.Count(raw, newline))
	return true
}
