package rowfile

import (
	"bytes"
	"fmt"
	"strings"
)

// cutter finds the rows of a piece, and the cells of a row when they are asked for. Rows without quotes, which most are, are found by their line feed.
type cutter struct {
	piece    []byte
	from, to int // the row that was found last, its line feed included
	plain    bool
	cells    []cell // of a row that is not plain; of a plain one as many as were asked for
	// special is the place of the first quote or carriage return at or behind the row's start, as far as anybody looked; len(piece) = there is none.
	special int
}

// cell is a cell's place in the piece, quotes around it left out. doubled says that quotes in it stand twice.
type cell struct {
	from, to int
	doubled  bool
}

func (c *cutter) begin(piece []byte) {
	*c = cutter{piece: piece, cells: c.cells, special: -1}
}

// spent says that no row is left.
func (c *cutter) spent() bool { return c.to == len(c.piece) }

// line is the row that was found last.
func (c *cutter) line() []byte { return c.piece[c.from:c.to:c.to] }

// next finds the next row and says how many cells it has; 0 = the piece ends inside it.
func (c *cutter) next() (cells int, err error) {
	c.from, c.cells, c.plain = c.to, c.cells[:0], false
	if c.special < c.from {
		c.special = c.from + firstOf(c.piece[c.from:], '"', '\r')
	}
	size := bytes.IndexByte(c.piece[c.from:], '\n')
	if size < 0 && c.special == len(c.piece) {
		return 0, nil
	}
	if end := c.from + size; size >= 0 && end < c.special {
		c.to, c.plain = end+1, true
		return bytes.Count(c.piece[c.from:end], comma) + 1, nil
	}
	return c.split()
}

// texts appends the cells of the row that was found last.
func (c *cutter) texts(to []string, columns int) []string {
	row := string(c.line()) // all cells stand in one string
	for i := range columns {
		at := c.cell(i)
		cell := row[at.from-c.from : at.to-c.from]
		if at.doubled {
			cell = strings.ReplaceAll(cell, `""`, `"`)
		}
		to = append(to, cell)
	}
	return to
}

var comma = []byte{','}

// firstOf is the first place of one of two bytes; the length of data when neither is in it.
func firstOf(data []byte, a, b byte) int {
	if i := bytes.IndexByte(data, a); i >= 0 {
		data = data[:i]
	}
	if i := bytes.IndexByte(data, b); i >= 0 {
		return i
	}
	return len(data)
}

// cell finds a cell of the row that was found last.
func (c *cutter) cell(n int) cell {
	if !c.plain {
		return c.cells[n]
	}
	for len(c.cells) <= n {
		from := c.from
		if k := len(c.cells); k > 0 {
			from = c.cells[k-1].to + 1
		}
		end := c.to - 1
		if i := bytes.IndexByte(c.piece[from:end], ','); i >= 0 {
			end = from + i
		}
		c.cells = append(c.cells, cell{from: from, to: end})
	}
	return c.cells[n]
}

// split finds the cells of a row that has quotes, or is malformed.
func (c *cutter) split() (int, error) {
	for at := c.from; ; {
		var found cell
		var end int // the place of what ends the cell; -1 = it is not in the piece
		var err error
		if at < len(c.piece) && c.piece[at] == '"' {
			found, end, err = c.quoted(at)
		} else {
			found, end, err = c.bare(at)
		}
		if err != nil || end < 0 {
			return 0, err
		}
		c.cells = append(c.cells, found)
		at = end + 1
		if c.piece[end] == '\n' {
			c.to = at
			return len(c.cells), nil
		}
	}
}

// bare reads a cell without quotes.
func (c *cutter) bare(at int) (cell, int, error) {
	end := at
	for ; end < len(c.piece); end++ {
		switch b := c.piece[end]; b {
		case ',', '\n':
			return cell{from: at, to: end}, end, nil
		case '"', '\r':
			return cell{}, 0, fmt.Errorf("%w: %q in a cell without quotes", ErrMalformed, b)
		}
	}
	return cell{}, -1, nil
}

// quoted reads a cell that begins with a quote.
func (c *cutter) quoted(at int) (cell, int, error) {
	found := cell{from: at + 1}
	for i := at + 1; ; {
		quote := bytes.IndexByte(c.piece[i:], '"')
		if quote < 0 || i+quote+1 >= len(c.piece) {
			return cell{}, -1, nil
		}
		i += quote
		switch b := c.piece[i+1]; b {
		case '"':
			found.doubled = true
			i += 2
		case ',', '\n':
			found.to = i
			return found, i + 1, nil
		default:
			return cell{}, 0, fmt.Errorf("%w: %q behind a closing quote", ErrMalformed, b)
		}
	}
}
