package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// RowReader gives the rows of a chunk, one after the other, whole ([RowReader.Next]) or as much of each as is needed ([RowReader.NextCell],
// [RowReader.NextLine]): rows that nobody asks the cells of cost next to nothing. It holds one piece.
type RowReader struct {
	columns int
	next    func() ([]byte, error, bool)
	stop    func()
	cut     cutter
	row     int
	cells   []string
	room    []byte
	err     error
}

// Rows reads the rows of a chunk from its pieces, in order. pieces gives compressed pieces, or the error of getting them, which [RowReader.Next]
// passes on. Close must be called when reading stops before the end.
func Rows(header []string, pieces iter.Seq2[[]byte, error]) *RowReader {
	next, stop := iter.Pull2(pieces)
	return &RowReader{columns: len(header), next: next, stop: stop}
}

// Next returns the cells of the next row, [io.EOF] behind the last. The slice is good until the next call; its strings stay good.
func (r *RowReader) Next() ([]string, error) {
	if err := r.advance(); err != nil {
		return nil, err
	}
	r.cells = r.cut.texts(r.cells[:0], r.columns)
	return r.cells, nil
}

// NextCell returns one cell of the next row, by its column from 0; [io.EOF] behind the last row. It is good until the next call.
func (r *RowReader) NextCell(column int) ([]byte, error) {
	if err := r.advance(); err != nil {
		return nil, err
	}
	c := r.cut.cell(column)
	cell := r.cut.piece[c.from:c.to:c.to]
	if c.doubled {
		r.room = appendUndoubled(r.room[:0], cell)
		cell = r.room
	}
	return cell, nil
}

// NextLine returns the next row as it stands in the CSV, with its line feed; [io.EOF] behind the last. It is good until the next call.
func (r *RowReader) NextLine() ([]byte, error) {
	if err := r.advance(); err != nil {
		return nil, err
	}
	return r.cut.line(), nil
}

// appendUndoubled appends a cell of which each quote stands twice.
func appendUndoubled(dst, cell []byte) []byte {
	for {
		i := bytes.IndexByte(cell, '"')
		if i < 0 {
			return append(dst, cell...)
		}
		dst = append(dst, cell[:i+1]...)
		cell = cell[i+2:]
	}
}

// advance goes to the next row.
func (r *RowReader) advance() error {
	if r.err != nil {
		return r.err
	}
	if err := r.read(); err != nil {
		r.err = err
		r.stop()
		return err
	}
	r.row++
	return nil
}

func (r *RowReader) read() error {
	for r.cut.spent() {
		data, err, ok := r.next()
		if !ok {
			return io.EOF
		}
		if err != nil {
			return err
		}
		raw, err := decodePiece(r.cut.piece, data)
		if err != nil {
			return err
		}
		r.cut.begin(raw)
	}
	switch cells, err := r.cut.next(); {
	case err != nil:
		return fmt.Errorf("row %d: %w", r.row, err)
	case cells == 0:
		return fmt.Errorf("row %d: %w: the piece ends inside it", r.row, ErrMalformed)
	case cells != r.columns:
		return fmt.Errorf("row %d: %w: %d cells, the header has %d", r.row, ErrMalformed, cells, r.columns)
	}
	return nil
}

// Row is the number of the row that Next gives next, from 0.
func (r *RowReader) Row() int { return r.row }

// Close ends reading.
func (r *RowReader) Close() {
	if r.err == nil {
		r.err = errors.New("row reader is closed")
		r.stop()
	}
}

// Raw streams a chunk's whole CSV, header first, as it is uploaded. An error of pieces is passed on; Close must be called when reading stops
// before the end.
func Raw(header []string, pieces iter.Seq2[[]byte, error]) io.ReadCloser {
	next, stop := iter.Pull2(pieces)
	return &rawReader{next: next, stop: stop, rest: AppendRow(nil, header)}
}

type rawReader struct {
	next  func() ([]byte, error, bool)
	stop  func()
	piece []byte // where pieces are unpacked
	rest  []byte
	err   error
}

func (r *rawReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		data, err, ok := r.next()
		switch {
		case !ok:
			r.err = io.EOF
		case err != nil:
			r.err = err
		default:
			if r.piece, err = decodePiece(r.piece, data); err != nil {
				r.err = err
			}
			r.rest = r.piece
		}
		if r.err != nil {
			r.stop()
		}
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *rawReader) Close() error {
	if r.err == nil {
		r.err = errors.New("reader is closed")
		r.stop()
	}
	r.rest = nil
	return nil
}

// Pieces adapts pieces at hand to what [Rows] and [Raw] read.
func Pieces(pieces ...[]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, p := range pieces {
			if !yield(p, nil) {
				return
			}
		}
	}
}
