package decide

import (
	"fmt"
	"maps"
	"slices"

	"bulkhead/libs/rowfile"
)

// rowTexts are a lane's rows, written as they will be uploaded and packed into pieces as they come: what a lane holds of them is a fraction of their size. A row that
// others are merged into is replaced, and lies by itself then: its piece is written anew when the lane is sealed.
type rowTexts struct {
	w        *rowfile.Writer
	pieces   []Piece
	replaced map[int32][]byte
	room     []byte

	// unpacked are pieces that rows were taken from, the oldest first: merging reads old rows, and mostly those near to each other.
	unpacked []unpacked
}

type unpacked struct {
	piece int32
	raw   []byte
}

// maxUnpacked bounds the pieces that a lane holds unpacked: about as many MiB.
const maxUnpacked = 16

// write lays a row out, without keeping it; it is good until the next call.
func (t *rowTexts) write(cells []string) []byte {
	t.room = rowfile.AppendRow(t.room[:0], cells)
	return t.room
}

// keep stores a row at the end and says where; false = no chunk can hold it beside the others.
func (t *rowTexts) keep(line []byte, header []string) (piece, at int32, ok bool) {
	if t.w == nil {
		t.w = rowfile.NewWriter(header)
	}
	piece, at = int32(len(t.pieces)), int32(len(t.w.Open()))
	p, err := t.w.AddRow(line)
	if p != nil {
		t.pieces = append(t.pieces, Piece{Rows: p.Rows, Data: p.Data})
	}
	return piece, at, err == nil
}

// raw are the rows of a piece.
func (t *rowTexts) raw(piece int32) []byte {
	if int(piece) == len(t.pieces) {
		return t.w.Open()
	}
	if i := slices.IndexFunc(t.unpacked, func(u unpacked) bool { return u.piece == piece }); i >= 0 {
		return t.unpacked[i].raw
	}
	raw, err := rowfile.DecodePiece(t.pieces[piece].Data)
	if err != nil {
		panic(fmt.Sprintf("decide: a piece that was packed here: %v", err))
	}
	if len(t.unpacked) == maxUnpacked {
		t.unpacked = slices.Delete(t.unpacked, 0, 1)
	}
	t.unpacked = append(t.unpacked, unpacked{piece, raw})
	return raw
}

// line is a row, by its number.
func (l *lane) line(n int32) []byte {
	if line, ok := l.texts.replaced[n]; ok {
		return line
	}
	r := l.rows.at(n)
	return l.texts.raw(r.piece)[r.at : r.at+r.bytes]
}

// cells takes a row apart.
func (l *lane) cells(n int32, columns int) []string {
	cells, err := rowfile.ParseRow(l.line(n), columns)
	if err != nil {
		panic(fmt.Sprintf("decide: a row that was written here: %v", err)) // by rowfile, of as many cells
	}
	return cells
}

// replace writes a row anew, unless it does not fit.
func (l *lane) replace(n int32, cells []string, limits Limits) bool {
	line := l.texts.write(cells)
	had := len(l.line(n))
	if !l.fits(had, len(line), limits) {
		return false
	}
	if l.texts.replaced == nil {
		l.texts.replaced = make(map[int32][]byte)
	}
	l.texts.replaced[n] = append(make([]byte, 0, len(line)), line...)
	l.bytes += int64(len(line) - had)
	return true
}

// packed are the lane's rows in pieces, which stay what they are: the lane may be cut again. Pieces without replaced rows are those at hand; the others, and the
// rows that fill none yet, are written anew.
func (l *lane) packed(header []string) ([]Piece, error) {
	t := &l.texts
	touched := map[int32]bool{int32(len(t.pieces)): true}
	for n := range maps.Keys(t.replaced) {
		touched[l.rows.at(n).piece] = true
	}
	out := make([]Piece, 0, len(t.pieces)+1)
	first := int32(0)
	for i := range int32(len(t.pieces)) + 1 {
		to := int32(l.rows.size())
		if int(i) < len(t.pieces) {
			to = first + int32(t.pieces[i].Rows)
		}
		if touched[i] {
			again, err := l.pack(header, first, to)
			if err != nil {
				return nil, err
			}
			out = append(out, again...)
		} else {
			out = append(out, t.pieces[i])
		}
		first = to
	}
	return out, nil
}

// pack writes a part of the rows into pieces.
func (l *lane) pack(header []string, from, to int32) ([]Piece, error) {
	var out []Piece
	w := rowfile.NewWriter(header)
	for n := from; n < to; n++ {
		p, err := w.AddRow(l.line(n))
		if err != nil {
			return nil, fmt.Errorf("row %d of %d: %w", n, l.rows.size(), err)
		}
		if p != nil {
			out = append(out, Piece{Rows: p.Rows, Data: p.Data})
		}
	}
	if p := w.Close(); p != nil {
		out = append(out, Piece{Rows: p.Rows, Data: p.Data})
	}
	return out, nil
}
