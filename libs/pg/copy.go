package pg

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Copy writes n rows into a table by COPY in its binary format, for tables that get a row per record: encode appends the values of row i to to, in the order
// of columns and of exactly the columns' types. It is called once for each row, in order. A ledger that is not PostgreSQL gets the same values by
// CopyFrom.
func Copy(ctx context.Context, tx pgx.Tx, table pgx.Identifier, columns []string, n int, encode func(i int, to *CopyRow)) error {
	conn := tx.Conn()
	if conn == nil {
		_, err := tx.CopyFrom(ctx, table, columns, &copyValues{columns: len(columns), n: n, encode: encode})
		return err
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	sql := "COPY " + table.Sanitize() + " (" + strings.Join(quoted, ", ") + ") FROM STDIN BINARY"
	source := &copyStream{columns: len(columns), n: n, encode: encode, row: CopyRow{raw: true, buf: slices.Clone(copyHeader)}}
	tag, err := conn.PgConn().CopyFrom(ctx, source, sql)
	switch {
	case err != nil:
		return err
	case tag.RowsAffected() != int64(n):
		return fmt.Errorf("copy %s: %d of %d rows were written", table.Sanitize(), tag.RowsAffected(), n)
	}
	return nil
}

// CopyRow is a row that [Copy] writes. Each method adds the value of the next column.
type CopyRow struct {
	raw    bool // bytes for the server, else values
	buf    []byte
	values []any
	added  int
}

// The format of COPY BINARY: a signature with flags and the length of an extension, rows of a count and the values, each behind its length, and an end.
var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

const (
	copyEnd  = 0xffff // -1
	copyNull = -1
	// copyAhead is how much is encoded before it is handed on.
	copyAhead = 64 << 10
)

// copyEpoch is the moment from which PostgreSQL counts microseconds.
var copyEpoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (r *CopyRow) add(v any) {
	r.values = append(r.values, v)
	r.added++
}

func (r *CopyRow) length(n int) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(int32(n)))
	r.added++
}

// Null adds no value.
func (r *CopyRow) Null() {
	if !r.raw {
		r.add(nil)
		return
	}
	r.length(copyNull)
}

// Bool adds a boolean.
func (r *CopyRow) Bool(v bool) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(1)
	b := byte(0)
	if v {
		b = 1
	}
	r.buf = append(r.buf, b)
}

// Int2 adds a smallint.
func (r *CopyRow) Int2(v int16) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(2)
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(v))
}

// Int4 adds an integer.
func (r *CopyRow) Int4(v int32) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(v))
}

// Int8 adds a bigint.
func (r *CopyRow) Int8(v int64) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(v))
}

// Time adds a timestamptz, which has microseconds.
func (r *CopyRow) Time(v time.Time) {
	if !r.raw {
		r.add(v)
		return
	}
	r.Int8(v.UnixMicro() - copyEpoch)
}

// UUID adds a uuid.
func (r *CopyRow) UUID(v *[16]byte) {
	if !r.raw {
		r.add(uuid.UUID(*v))
		return
	}
	r.length(len(v))
	r.buf = append(r.buf, v[:]...)
}

// Bytes adds a bytea; nil is an empty one.
func (r *CopyRow) Bytes(v []byte) {
	if !r.raw {
		r.add(nonNil(v))
		return
	}
	r.length(len(v))
	r.buf = append(r.buf, v...)
}

func checkAdded(i, added, columns int) error {
	if added != columns {
		return fmt.Errorf("row %d has %d values for %d columns", i, added, columns)
	}
	return nil
}

// copyStream encodes rows as they are read.
type copyStream struct {
	columns, n, at int
	encode         func(i int, to *CopyRow)
	row            CopyRow
	sent           int // of row.buf
	ended          bool
}

func (s *copyStream) Read(p []byte) (int, error) {
	if s.sent == len(s.row.buf) {
		s.row.buf, s.sent = s.row.buf[:0], 0
	}
	for s.at < s.n && len(s.row.buf) < copyAhead {
		s.row.buf = binary.BigEndian.AppendUint16(s.row.buf, uint16(s.columns))
		s.row.added = 0
		s.encode(s.at, &s.row)
		if err := checkAdded(s.at, s.row.added, s.columns); err != nil {
			return 0, err
		}
		s.at++
	}
	if s.at == s.n && !s.ended {
		s.ended = true
		s.row.buf = binary.BigEndian.AppendUint16(s.row.buf, copyEnd)
	}
	if s.sent == len(s.row.buf) {
		return 0, io.EOF
	}
	n := copy(p, s.row.buf[s.sent:])
	s.sent += n
	return n, nil
}

// copyValues gives the same rows as values.
type copyValues struct {
	columns, n, at int
	encode         func(i int, to *CopyRow)
	err            error
}

func (v *copyValues) Next() bool { return v.at < v.n && v.err == nil }

func (v *copyValues) Values() ([]any, error) {
	row := CopyRow{values: make([]any, 0, v.columns)}
	v.encode(v.at, &row)
	v.err = checkAdded(v.at, row.added, v.columns)
	v.at++
	return row.values, v.err
}

func (v *copyValues) Err() error { return v.err }
