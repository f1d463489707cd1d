package rowfile

import (
	"errors"
	"fmt"
)

const (
	// MaxBytes bounds a chunk's raw CSV, header included. Salesforce takes 150 MB base64-encoded, which is what it makes of an upload: 100 MB raw.
	MaxBytes = 100_000_000
	// PieceBytes is the raw size at which a piece is closed. A piece holds whole rows, so it can exceed this by one row.
	PieceBytes = 1 << 20
	// MaxRowBytes bounds one row: Salesforce takes records of at most 400,000 characters, quoted and in up to four bytes each.
	MaxRowBytes = 4 << 20
	// maxPieceRaw bounds what a piece may become when it is unpacked.
	maxPieceRaw = PieceBytes + MaxRowBytes
)

var (
	// ErrFull says that a row does not fit the chunk any more: seal it and begin another.
	ErrFull = errors.New("chunk is full")
	// ErrRowTooLarge says that a row exceeds [MaxRowBytes]: it fits no chunk.
	ErrRowTooLarge = errors.New("row is too large for any chunk")
)

// Piece is a compressed part of a chunk's rows.
type Piece struct {
	// N numbers the chunk's pieces from 0.
	N    int
	Rows int
	// Raw is the size of its rows before compression, in bytes.
	Raw int
	// Data are CSV rows without header, as [DecodePiece] reads them.
	Data []byte
}

// Writer cuts rows into pieces. It holds at most one piece; the caller stores each as it comes. Not for concurrent use.
type Writer struct {
	columns int
	bytes   int64 // raw, header included
	rows    int
	pieces  int

	buf     []byte
	bufRows int
}

// NewWriter begins a chunk with these columns.
func NewWriter(header []string) *Writer {
	return &Writer{columns: len(header), bytes: int64(RowSize(header))}
}

// Reset begins another chunk with these columns, in the memory of the one before.
func (w *Writer) Reset(header []string) {
	*w = Writer{columns: len(header), bytes: int64(RowSize(header)), buf: w.buf[:0]}
}

// Bytes is the raw size of the chunk's CSV so far, header included.
func (w *Writer) Bytes() int64 { return w.bytes }

// Rows is the number of rows so far.
func (w *Writer) Rows() int { return w.rows }

// Pieces is the number of pieces given out so far.
func (w *Writer) Pieces() int { return w.pieces }

// Open are the rows of the piece that is not complete; good until the next row.
func (w *Writer) Open() []byte { return w.buf }

// Fits says whether a row can still be added below [MaxBytes].
func (w *Writer) Fits(cells []string) bool { return w.bytes+int64(RowSize(cells)) <= MaxBytes }

// Add adds a row, and returns the piece that it completed, else nil. It fails, with nothing added, with [ErrFull] when the chunk would exceed
// [MaxBytes] and with [ErrRowTooLarge] when no chunk can hold the row.
func (w *Writer) Add(cells []string) (*Piece, error) {
	if len(cells) != w.columns {
		return nil, fmt.Errorf("row has %d cells, the header %d", len(cells), w.columns)
	}
	if err := w.fits(RowSize(cells)); err != nil {
		return nil, err
	}
	before := len(w.buf)
	w.buf = AppendRow(w.buf, cells)
	return w.added(len(w.buf) - before)
}

// AddRow is [Writer.Add] for a row that [AppendRow] wrote of as many cells as the header has.
func (w *Writer) AddRow(row []byte) (*Piece, error) {
	if err := w.fits(len(row)); err != nil {
		return nil, err
	}
	w.buf = append(w.buf, row...)
	return w.added(len(row))
}

func (w *Writer) fits(size int) error {
	if size > MaxRowBytes {
		return fmt.Errorf("%w: %d bytes", ErrRowTooLarge, size)
	}
	if w.bytes+int64(size) > MaxBytes {
		return ErrFull
	}
	return nil
}

// added counts a row of the buffer, and cuts a piece when it is complete.
func (w *Writer) added(size int) (*Piece, error) {
	w.bytes += int64(size)
	w.rows++
	w.bufRows++
	if len(w.buf) < PieceBytes {
		return nil, nil //nolint:nilnil // no piece is complete, and nothing is wrong
	}
	return w.cut(), nil
}

// Close returns the last piece; nil when all rows are in pieces given out before. A chunk can be closed early and go on: pieces may be short.
func (w *Writer) Close() *Piece {
	if w.bufRows == 0 {
		return nil
	}
	return w.cut()
}

func (w *Writer) cut() *Piece {
	p := &Piece{N: w.pieces, Rows: w.bufRows, Raw: len(w.buf), Data: pack(w.buf)}
	w.pieces++
	w.buf, w.bufRows = w.buf[:0], 0
	return p
}
