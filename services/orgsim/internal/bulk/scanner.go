package bulk

import "bytes"

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
//
// Only quotes and line feeds matter to it, and what stands right before them; it leaps from one to the next.
func (s *scanner) next(data []byte) (int, bool) {
	lf := -1 // the next line feed, once it was looked for; len(data) = there is none
	for i := 0; i < len(data); {
		switch s.mode {
		case quoted:
			end := bytes.IndexByte(data[i:], '"')
			if end < 0 {
				s.inside(data[i:])
				return len(data), false
			}
			s.inside(data[i : i+end])
			s.mode, s.cr = afterQuote, false
			i += end + 1
		case afterQuote:
			c := data[i]
			i++
			switch {
			case c == '\n':
				return i, s.end()
			case c == '"':
				s.mode = quoted
			case c == s.delimiter:
				s.mode = fieldStart
			case c == '\r': // the break that follows decides
			default:
				s.mode = bare
			}
			s.cr = c == '\r'
		default:
			if lf < i {
				if lf = bytes.IndexByte(data[i:], '\n'); lf < 0 {
					lf = len(data)
				} else {
					lf += i
				}
			}
			quote := bytes.IndexByte(data[i:lf], '"')
			if quote < 0 {
				s.outside(data[i:lf])
				if lf == len(data) {
					return lf, false
				}
				return lf + 1, s.end()
			}
			s.outside(data[i : i+quote])
			if s.mode == fieldStart {
				s.mode = quoted
			}
			s.cr = false
			i += quote + 1
		}
	}
	return len(data), false
}

// end notes the line feed behind a record.
func (s *scanner) end() bool {
	if s.cr {
		s.endCRLF = true
	} else {
		s.endLF = true
	}
	s.mode, s.cr = fieldStart, false
	return true
}

// outside passes bytes of values without quotes; there is neither a quote nor a line feed among them.
func (s *scanner) outside(data []byte) {
	if len(data) == 0 {
		return
	}
	last := data[len(data)-1]
	s.cr = last == '\r'
	if s.mode = bare; last == s.delimiter {
		s.mode = fieldStart
	}
}

// inside passes bytes of a value in quotes; there is no quote among them.
func (s *scanner) inside(data []byte) {
	if len(data) == 0 {
		return
	}
	for from := 0; !s.embeddedLF || !s.embeddedCRLF; {
		at := bytes.IndexByte(data[from:], '\n')
		if at < 0 {
			break
		}
		at += from
		if (at == 0 && s.cr) || (at > 0 && data[at-1] == '\r') {
			s.embeddedCRLF = true
		} else {
			s.embeddedLF = true
		}
		from = at + 1
	}
	s.cr = data[len(data)-1] == '\r'
}

// trimBreak cuts the line break off a record.
func trimBreak[T []byte | string](line T) T {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}

// blank says that a record consists of its line break only; such lines are no rows.
func blank[T []byte | string](line T) bool { return len(trimBreak(line)) == 0 }
