package rowfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// RowReader gives the rows of a chunk, one after the other.
type RowReader struct {
	columns int
	next    func() ([]byte, error, bool)
	stop    func()
	raw     []byte
	row     int
	cells   []string
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
	if r.err != nil {
		return nil, r.err
	}
	cells, err := r.read()
	if err != nil {
		r.err = err
		r.stop()
	}
	return cells, err
}

func (r *RowReader) read() ([]string, error) {
	for len(r.raw) == 0 {
		data, err, ok := r.next()
		if !ok {
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		if r.raw, err = DecodePiece(data); err != nil {
			return nil, err
		}
	}
	cells, size, err := splitRow(r.raw, r.cells)
	switch {
	case err != nil:
		return nil, fmt.Errorf("row %d: %w", r.row, err)
	case size == 0:
		return nil, fmt.Errorf("row %d: %w: the piece ends inside it", r.row, ErrMalformed)
	case len(cells) != r.columns:
		return nil, fmt.Errorf("row %d: %w: %d cells, the header has %d", r.row, ErrMalformed, len(cells), r.columns)
	}
	r.raw, r.cells = r.raw[size:], cells
	r.row++
	return cells, nil
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
	next func() ([]byte, error, bool)
	stop func()
	rest []byte
	err  error
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
			r.rest, r.err = DecodePiece(data)
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
