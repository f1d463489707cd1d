package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/libs/rowfile"
)

// rowTexts are a lane's rows, written as they will be uploaded and packed into pieces as they come: what a lane holds of them is a fraction of their size. A row that
// others are merged into while its piece is open is replaced, and lies by itself then; of one whose piece is packed what changes is kept, and laid over it when
// the lane is sealed: unpacking a piece for each would cost a thousand times what the row does. Pieces with such rows are written anew then.
type rowTexts struct {
	w        *rowfile.Writer
	pieces   []Piece
	starts   []int32 // by piece, and for the rows behind the last: its first row
	sizes    []int32 // by piece: bytes of its rows
	replaced map[int32][]byte
	patches  map[int32]*patch
	room     []byte

	// unpacked is the piece that was unpacked last.
	unpacked struct {
		piece int32
		raw   []byte
	}
}

// patch are cells that are laid over a row.
type patch struct {
	columns []int
	cells   []string
	size    int // by how much the row grows at most
}

// write lays a row out, without keeping it; it is good until the next call.
func (t *rowTexts) write(cells []string) []byte {
	t.room = rowfile.AppendRow(t.room[:0], cells)
	return t.room
}

// keep stores a row at the end and says where it begins in its piece; false = no chunk can hold it beside the others.
func (t *rowTexts) keep(line []byte, header []string) (at int32, ok bool) {
	if t.w == nil {
		t.w = rowfile.NewWriter(header)
	}
	if len(t.starts) == 0 {
		t.starts = append(t.starts, 0)
	}
	at = int32(len(t.w.Open()))
	p, err := t.w.AddRow(line)
	if p != nil {
		t.pieces = append(t.pieces, Piece{Rows: p.Rows, Data: p.Data})
		t.sizes = append(t.sizes, int32(p.Raw))
		t.starts = append(t.starts, t.starts[len(t.starts)-1]+int32(p.Rows))
	}
	return at, err == nil
}

// pieceOf is the piece that a row came into.
func (t *rowTexts) pieceOf(n int32) int32 {
	i, found := slices.BinarySearch(t.starts, n)
	if !found {
		i--
	}
	return int32(i)
}

// sizeOf is a row's size as it came.
func (l *lane) sizeOf(n int32) int {
	t := &l.texts
	piece, end := t.pieceOf(n), 0
	switch {
	case n+1 < int32(l.rows.size()) && (int(piece) == len(t.pieces) || n+1 < t.starts[piece+1]):
		end = int(l.rows.at(n + 1).at)
	case int(piece) == len(t.pieces):
		end = len(t.w.Open())
	default:
		end = int(t.sizes[piece])
	}
	return end - int(l.rows.at(n).at)
}

// raw are the rows of a piece.
func (t *rowTexts) raw(piece int32) []byte {
	if int(piece) == len(t.pieces) {
		return t.w.Open()
	}
	if t.unpacked.raw != nil && t.unpacked.piece == piece {
		return t.unpacked.raw
	}
	raw, err := rowfile.DecodePiece(t.pieces[piece].Data)
	if err != nil {
		panic(fmt.Sprintf("decide: a piece that was packed here: %v", err))
	}
	t.unpacked.piece, t.unpacked.raw = piece, raw
	return raw
}

// line is a row, by its number; it is good until another one is asked for.
func (l *lane) line(n int32) []byte {
	if line, ok := l.texts.replaced[n]; ok {
		return line
	}
	at := int(l.rows.at(n).at)
	line := l.texts.raw(l.texts.pieceOf(n))[at : at+l.sizeOf(n)]
	p := l.texts.patches[n]
	if p == nil {
		return line
	}
	cells := l.taken(line)
	for i, column := range p.columns {
		cells[column] = p.cells[i]
	}
	return l.texts.write(cells)
}

// taken takes a row apart.
func (l *lane) taken(line []byte) []string {
	cells, err := rowfile.ParseRow(line, l.columns)
	if err != nil {
		panic(fmt.Sprintf("decide: a row that was written here: %v", err)) // by rowfile, of as many cells
	}
	return cells
}

// lay lays cells over a row, those of some columns, unless it does not fit.
func (l *lane) lay(n int32, columns []int, cells []string, limits Limits) bool {
	t := &l.texts
	if _, ok := t.replaced[n]; !ok && int(t.pieceOf(n)) < len(t.pieces) && l.patch(n, columns, cells, limits) {
		return true
	}
	old := l.line(n)
	all := l.taken(old)
	for _, i := range columns {
		all[i] = cells[i]
	}
	had := len(old)
	if p := t.patches[n]; p != nil {
		had = l.sizeOf(n) + p.size // as it was counted
	}
	line := t.write(all)
	if !l.fits(had, len(line), limits) {
		return false
	}
	if t.replaced == nil {
		t.replaced = make(map[int32][]byte)
	}
	t.replaced[n] = slices.Clone(line)
	delete(t.patches, n)
	l.bytes += int64(len(line) - had)
	return true
}

// patch notes what changes of a row. false = it might not fit; that takes the row itself to say.
func (l *lane) patch(n int32, columns []int, cells []string, limits Limits) bool {
	p := &patch{}
	had := l.sizeOf(n)
	if old := l.texts.patches[n]; old != nil {
		*p = patch{columns: slices.Clone(old.columns), cells: slices.Clone(old.cells)}
		had += old.size
	}
	for _, column := range columns {
		i := slices.Index(p.columns, column)
		if i < 0 {
			i = len(p.columns)
			p.columns, p.cells = append(p.columns, column), append(p.cells, "")
		}
		p.cells[i] = strings.Clone(cells[column]) // the candidate's lies among the texts of the whole message
	}
	p.size = rowfile.RowSize(p.cells)
	size := l.sizeOf(n) + p.size
	if !l.fits(had, size, limits) {
		return false
	}
	if l.texts.patches == nil {
		l.texts.patches = make(map[int32]*patch)
	}
	l.texts.patches[n] = p
	l.bytes += int64(size - had)
	return true
}

// packed are the lane's rows in pieces, and how many bytes they and the header have; the lane stays what it is, and may be cut again. Pieces without rows that
// have changed are those at hand; the others, and the rows that fill none yet, are written anew.
func (l *lane) packed(header []string) (pieces []Piece, bytes int64, err error) {
	t := &l.texts
	touched := map[int32]bool{int32(len(t.pieces)): true}
	for n := range maps.Keys(t.replaced) {
		touched[t.pieceOf(n)] = true
	}
	for n := range maps.Keys(t.patches) {
		touched[t.pieceOf(n)] = true
	}
	bytes = l.bytes
	out := make([]Piece, 0, len(t.pieces)+1)
	first := int32(0)
	for i := range int32(len(t.pieces)) + 1 {
		to := int32(l.rows.size())
		if int(i) < len(t.pieces) {
			to = first + int32(t.pieces[i].Rows)
		}
		if touched[i] {
			again, spared, err := l.pack(header, first, to)
			if err != nil {
				return nil, 0, err
			}
			out = append(out, again...)
			bytes -= spared
		} else {
			out = append(out, t.pieces[i])
		}
		first = to
	}
	return out, bytes, nil
}

// pack writes a part of the rows into pieces. spared is by how much they are smaller than they were counted.
func (l *lane) pack(header []string, from, to int32) (out []Piece, spared int64, err error) {
	w := rowfile.NewWriter(header)
	for n := from; n < to; n++ {
		line := l.line(n)
		if p := l.texts.patches[n]; p != nil {
			spared += int64(l.sizeOf(n) + p.size - len(line))
		}
		p, err := w.AddRow(line)
		if err != nil {
			return nil, 0, fmt.Errorf("row %d of %d: %w", n, l.rows.size(), err)
		}
		if p != nil {
			out = append(out, Piece{Rows: p.Rows, Data: p.Data})
		}
	}
	if p := w.Close(); p != nil {
		out = append(out, Piece{Rows: p.Rows, Data: p.Data})
	}
	return out, spared, nil
}
