package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// csvReader reads rows of cells as RFC 4180 writes them, with any ASCII character as delimiter that neither quotes nor ends rows: quoted cells may hold delimiters, quotes (doubled) and line
// ends, which are kept as they are. Rows end with LF or CRLF. An empty line is no row.
type csvReader struct {
	r     *bufio.Reader
	name  string
	delim byte
	// most bounds a row, in bytes of its cells: what is longer is read to its end and refused.
	most int

	line int64 // of the next byte
	buf  []byte
	ends []int // where each cell ends in buf
}

func newCSV(r *bufio.Reader, name string, delim byte, most int) *csvReader {
	return &csvReader{r: r, name: name, delim: delim, most: most, line: 1}
}

// cells is one row; its bytes are good until the next one is read.
type cells struct {
	line int64
	buf  []byte
	ends []int
	// defect says why the row cannot be used; "" = it can.
	defect string
}

func (c cells) len() int { return len(c.ends) }

func (c cells) at(i int) []byte {
	if i == 0 {
		return c.buf[:c.ends[0]]
	}
	return c.buf[c.ends[i-1]:c.ends[i]]
}

// next returns the next row, or io.EOF.
func (c *csvReader) next() (cells, error) {
	for {
		row, empty, err := c.read()
		if err != nil || !empty {
			return row, err
		}
	}
}

// read reads one row up to its line end; empty says that there was nothing before it.
func (c *csvReader) read() (row cells, empty bool, err error) {
	c.buf, c.ends = c.buf[:0], c.ends[:0]
	row = cells{line: c.line}
	defect := func(line int64, format string, args ...any) {
		if row.defect == "" {
			row.defect = fmt.Sprintf(format, args...)
			if line != row.line {
				row.defect = fmt.Sprintf("line %d: %s", line, row.defect)
			}
		}
	}
	for first := true; ; first = false {
		end, err := c.cell(defect)
		if first && errors.Is(err, errNothing) {
			if end == endFile {
				return cells{}, false, io.EOF
			}
			return cells{}, true, nil
		}
		if err != nil && !errors.Is(err, errNothing) {
			return cells{}, false, err
		}
		c.ends = append(c.ends, len(c.buf))
		if end != endCell {
			break
		}
	}
	if len(c.buf) > c.most || len(c.ends) > c.most {
		defect(row.line, "the row has more than %d bytes", c.most)
	}
	row.buf, row.ends = c.buf, c.ends
	return row, false, nil
}

type ending int

const (
	endCell ending = iota
	endRow
	endFile
)

// errNothing says that a cell ended without a byte, quotes included, and without a delimiter.
var errNothing = errors.New("nothing")

// cell reads one cell behind what is in buf.
func (c *csvReader) cell(defect func(line int64, format string, args ...any)) (ending, error) {
	b, err := c.r.ReadByte()
	switch {
	case errors.Is(err, io.EOF):
		return endFile, errNothing
	case err != nil:
		return 0, err
	case b == '"':
		return c.quoted(defect)
	}
	return c.unquoted(b, defect)
}

// aloneReturn is what is wrong with a carriage return that ends no row.
const aloneReturn = "a carriage return stands alone outside of quotes: end rows with LF or CRLF"

// unquoted reads a cell, or what is left of one, whose first byte is read already.
func (c *csvReader) unquoted(b byte, defect func(line int64, format string, args ...any)) (_ ending, err error) {
	for start := true; ; start = false {
		switch {
		case b == c.delim:
			return endCell, nil
		case b == '\n':
			c.line++
			return endRow, nothing(start)
		case b == '\r':
			switch next, err := c.r.Peek(1); {
			case err == nil && next[0] == '\n':
				_, _ = c.r.Discard(1)
				c.line++
				return endRow, nothing(start)
			case errors.Is(err, io.EOF):
				return endFile, nothing(start) // a carriage return ends the file
			case err != nil:
				return 0, err
			}
			defect(c.line, aloneReturn)
		case b == '"':
			defect(c.line, "a quote stands inside a cell that does not begin with one: enclose the cell in quotes and double the quotes inside")
		}
		c.put(b)
		if b, err = c.r.ReadByte(); errors.Is(err, io.EOF) {
			return endFile, nil
		} else if err != nil {
			return 0, err
		}
	}
}

func nothing(yes bool) error {
	if yes {
		return errNothing
	}
	return nil
}

// quoted reads a cell behind its opening quote.
func (c *csvReader) quoted(defect func(line int64, format string, args ...any)) (ending, error) {
	opened := c.line
	for {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, &BrokenError{Name: c.name, Line: opened, What: "a quote opens here and is not closed before the end of the file: close it. Nothing was published"}
		case err != nil:
			return 0, err
		case b == '\n':
			c.line++
		case b == '"':
			done, end, err := c.afterQuote(defect)
			if err != nil || done {
				return end, err
			}
			continue
		}
		c.put(b)
	}
}

// afterQuote reads what follows a quote inside a quoted cell; done says that the cell ends there.
func (c *csvReader) afterQuote(defect func(line int64, format string, args ...any)) (done bool, _ ending, _ error) {
	b, err := c.r.ReadByte()
	switch {
	case errors.Is(err, io.EOF):
		return true, endFile, nil
	case err != nil:
		return true, 0, err
	case b == '"':
		c.put('"')
		return false, 0, nil
	case b == c.delim:
		return true, endCell, nil
	case b == '\n':
		c.line++
		return true, endRow, nil
	case b == '\r':
		next, err := c.r.Peek(1)
		switch {
		case err == nil && next[0] == '\n':
			_, _ = c.r.Discard(1)
			c.line++
			return true, endRow, nil
		case errors.Is(err, io.EOF):
			return true, endFile, nil
		case err != nil:
			return true, 0, err
		}
		defect(c.line, aloneReturn)
	default:
		defect(c.line, "%q follows a quote that closes a cell: double the quotes inside of cells", string(rune(b)))
	}
	// Whether the quote closed the cell or should have been doubled nobody knows: the row is given up, reading goes on at its end.
	end, err := c.unquoted(b, func(int64, string, ...any) {})
	if err != nil && !errors.Is(err, errNothing) {
		return true, 0, err
	}
	return true, end, nil
}

// put keeps a byte, as far as the row can be used at all.
func (c *csvReader) put(b byte) {
	if len(c.buf) <= c.most {
		c.buf = append(c.buf, b)
	}
}

// delimiters that are looked for, the likeliest first.
const delimiters = ",;\t|"

// detectDelimiter finds the delimiter by which the first row falls into most cells; a comma when there is one cell only.
func detectDelimiter(start []byte) byte {
	var counts [256]int
	quoted := false
	start = bytes.TrimLeft(start, "\r\n")
	for _, b := range start {
		if b == '"' {
			quoted = !quoted
		}
		if !quoted {
			if b == '\n' || b == '\r' {
				break
			}
			counts[b]++
		}
	}
	best := delimiters[0]
	for _, d := range []byte(delimiters) {
		if counts[d] > counts[best] {
			best = d
		}
	}
	return best
}

// ParseDelimiter reads a delimiter as a person writes it: one ASCII character that neither quotes nor ends rows, as itself or by its number in hexadecimal
// digits (\x01, \u0001), or tab, \t, comma, semicolon, pipe, space.
func ParseDelimiter(s string) (byte, error) {
	switch strings.ToLower(s) {
	case "tab", `\t`:
		return '\t', nil
	case "comma":
		return ',', nil
	case "semicolon":
		return ';', nil
	case "pipe":
		return '|', nil
	case "space":
		return ' ', nil
	}
	d, ok := byNumber(s)
	if !ok && len(s) == 1 {
		d, ok = s[0], true
	}
	if !ok || d >= utf8.RuneSelf || strings.IndexByte("\x00\r\n\"", d) >= 0 {
		return 0, usagef(`--delimiter %q: one ASCII character is needed that is no quote and no line end, as itself or as \x01, or tab, comma, semicolon, pipe, space`, s)
	}
	return d, nil
}

// byNumber reads \xNN and \u00NN.
func byNumber(s string) (byte, bool) {
	for _, start := range []string{`\x`, `\u00`} {
		if digits, ok := strings.CutPrefix(s, start); ok && len(digits) == 2 {
			n, err := strconv.ParseUint(digits, 16, 8)
			return byte(n), err == nil
		}
	}
	return 0, false
}

// nameDelimiter is the delimiter in words.
func nameDelimiter(d byte) string {
	switch d {
	case '\t':
		return "tab"
	case ';':
		return "semicolon"
	case '|':
		return "pipe"
	case ',':
		return "comma"
	case ' ':
		return "space"
	}
	return string(rune(d))
}
