package submit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"slices"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/rowfile"
	"bulkhead/services/submitter/internal/store"
)

// upload is the content of one chunk's job: its rows as sealed, less what is left out, and with ids instead of the key where the org was asked for
// them. It can be opened any number of times, and gives the same bytes each time.
type upload struct {
	chunk   store.Chunk
	omitted store.Omitted
	ordinal []int  // of each header column in bitmaps; -1 = not counted there
	key     int    // the key field's place in the header; -1 = rows have none
	ids     []byte // store.IDLength bytes a row, to send as Id in place of the key; nil = rows are sent as they are
	pieces  func(context.Context) iter.Seq2[[]byte, error]
}

// pieceSource reads a chunk's pieces one after the other, and checks that they hold as many rows as were sealed.
func pieceSource(s *store.Store, c store.Chunk) func(context.Context) iter.Seq2[[]byte, error] {
	return func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			rows := 0
			for after := -1; ; {
				piece, ok, err := s.NextPiece(ctx, c.ID, after)
				if err == nil && !ok && rows != c.Rows {
					err = fmt.Errorf("the pieces of chunk %s hold %d rows, %d were sealed", c.ID, rows, c.Rows)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if !ok || !yield(piece.Data, nil) {
					return
				}
				rows += piece.Rows
				after = piece.N
			}
		}
	}
}

// open gives the CSV as it is uploaded.
func (u *upload) open(ctx context.Context) io.ReadCloser {
	if len(u.omitted.Rows) == 0 && len(u.omitted.Columns) == 0 && u.ids == nil {
		return rowfile.Raw(u.chunk.Header, u.pieces(ctx))
	}
	return &reducedReader{u: u, rows: rowfile.Rows(u.chunk.Header, u.pieces(ctx)), buf: rowfile.AppendRow(nil, u.header())}
}

// header names the columns as they are uploaded.
func (u *upload) header() []string {
	if u.ids == nil {
		return u.chunk.Header
	}
	out := slices.Clone(u.chunk.Header)
	out[u.key] = pipeline.FieldID
	return out
}

// id is the id to send for a row; "" = the org was not asked.
func (u *upload) id(row int) string {
	if u.ids == nil {
		return ""
	}
	return string(u.ids[row*store.IDLength : (row+1)*store.IDLength])
}

// measure reads the content once and says what it is.
func (u *upload) measure(ctx context.Context) (store.Upload, error) {
	body := u.open(ctx)
	defer body.Close()
	m := newMeter(body)
	if _, err := io.Copy(io.Discard, m); err != nil {
		return store.Upload{}, fmt.Errorf("reading chunk %s: %w", u.chunk.ID, err)
	}
	return u.measured(m), nil
}

func (u *upload) measured(m *meter) store.Upload {
	return store.Upload{Rows: u.chunk.Rows - len(u.omitted.Rows), Bytes: m.bytes, SHA256: m.hash.Sum(nil)}
}

// reducedReader writes the rows anew, without what is left out.
type reducedReader struct {
	u    *upload
	rows *rowfile.RowReader
	buf  []byte
	at   int
	err  error
}

// reducedBuffer is how much is made ready at a time.
const reducedBuffer = 64 << 10

func (r *reducedReader) Read(p []byte) (int, error) {
	for r.at == len(r.buf) {
		if r.err != nil {
			return 0, r.err
		}
		r.buf, r.at = r.buf[:0], 0
		for len(r.buf) < reducedBuffer && r.err == nil {
			r.err = r.addRow()
		}
	}
	n := copy(p, r.buf[r.at:])
	r.at += n
	return n, nil
}

func (r *reducedReader) addRow() error {
	row := r.rows.Row()
	cells, err := r.rows.Next()
	if err != nil || r.u.omitted.Rows[row] {
		return err
	}
	r.buf = rowfile.AppendRow(r.buf, r.u.asSent(row, cells))
	return nil
}

// asSent is a row as it is sent: with its id in place of its key where the org was asked for one, and without the columns that are left out.
func (u *upload) asSent(row int, cells []string) []string {
	columns, reduced := u.omitted.Columns[row]
	id := u.id(row)
	if reduced || id != "" {
		cells = slices.Clone(cells)
	}
	if id != "" {
		cells[u.key] = id
	}
	if reduced {
		for i, ordinal := range u.ordinal {
			if columns.Has(ordinal) {
				cells[i] = "" // an empty cell leaves the field alone
			}
		}
	}
	return cells
}

// Close ends reading. It is safe while a Read goes on elsewhere only in so far as the HTTP client never reads after it closed.
func (r *reducedReader) Close() error {
	r.rows.Close()
	return nil
}

// meter counts and hashes what is read through it.
type meter struct {
	r     io.Reader
	bytes int64
	hash  hash.Hash
	ended bool // the end was seen
}

func newMeter(r io.Reader) *meter { return &meter{r: r, hash: sha256.New()} }

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.bytes += int64(n)
	m.hash.Write(p[:n])
	m.ended = m.ended || errors.Is(err, io.EOF)
	return n, err
}

// ordinals are the places of the header's columns in bitmaps.
func ordinals(header []string, columns map[string]int) []int {
	out := make([]int, len(header))
	for i, name := range header {
		out[i] = -1
		if n, ok := columns[name]; ok {
			out[i] = n
		}
	}
	return out
}
