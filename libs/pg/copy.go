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

// Copy writes n rows into a table by COPY in its binary format, for tables that get a row per record, or very large values, which are not copied on their
// way: encode appends the values of row i to to, in the order of columns and of exactly the columns' types. It is called once for each row, in order. What it
// adds must stay as it is until Copy returns. A ledger that is not PostgreSQL gets the same values by CopyFrom.
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
	large  []largeValue // the rising places in buf where they belong
	values []any
	added  int
}

// largeValue is one that is sent from where it lies.
type largeValue struct {
	at    int
	value []byte
}

// The format of COPY BINARY: a signature with flags and the length of an extension, rows of a count and the values, each behind its length, and an end.
var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

const (
	copyEnd  = 0xffff // -1
	copyNull = -1
	// copyAhead is how much is encoded before it is handed on, and the size of a large value.
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
	if len(v) >= copyAhead {
		r.large = append(r.large, largeValue{at: len(r.buf), value: v})
		return
	}
	r.buf = append(r.buf, v...)
}

// Text adds a text.
func (r *CopyRow) Text(v string) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(len(v))
	r.buf = append(r.buf, v...)
}

// jsonbVersion is the form of a jsonb's text.
const jsonbVersion = 1

// JSONB adds a jsonb by its text, which must be JSON.
func (r *CopyRow) JSONB(v []byte) {
	if !r.raw {
		r.add(v)
		return
	}
	r.length(1 + len(v))
	r.buf = append(append(r.buf, jsonbVersion), v...)
}

// oidText is the type text's number, the same in every database.
const oidText = 25

// Texts adds an array of text; nil is an empty one.
func (r *CopyRow) Texts(v []string) {
	if !r.raw {
		r.add(append([]string{}, v...))
		return
	}
	size := 12 // dimensions, a flag for NULL, the elements' type
	if len(v) > 0 {
		size += 8 // length and first index of the dimension
	}
	for _, s := range v {
		size += 4 + len(s)
	}
	r.length(size)
	dimensions := uint32(min(len(v), 1))
	r.buf = binary.BigEndian.AppendUint32(r.buf, dimensions)
	r.buf = binary.BigEndian.AppendUint32(r.buf, 0)
	r.buf = binary.BigEndian.AppendUint32(r.buf, oidText)
	if dimensions == 0 {
		return
	}
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(v)))
	r.buf = binary.BigEndian.AppendUint32(r.buf, 1)
	for _, s := range v {
		r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(s)))
		r.buf = append(r.buf, s...)
	}
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
	row := &s.row
	if s.sent == len(row.buf) && len(row.large) == 0 {
		row.buf, s.sent = row.buf[:0], 0
		if err := s.encodeAhead(); err != nil {
			return 0, err
		}
		if len(row.buf) == 0 {
			return 0, io.EOF
		}
	}
	if len(row.large) > 0 && row.large[0].at == s.sent {
		n := copy(p, row.large[0].value)
		if row.large[0].value = row.large[0].value[n:]; len(row.large[0].value) == 0 {
			row.large = slices.Delete(row.large, 0, 1)
		}
		return n, nil
	}
	to := len(row.buf)
	if len(row.large) > 0 {
		to = row.large[0].at
	}
	n := copy(p, row.buf[s.sent:to])
	s.sent += n
	return n, nil
}

// encodeAhead encodes the next rows, and the end behind the last.
func (s *copyStream) encodeAhead() error {
	for s.at < s.n && len(s.row.buf) < copyAhead && len(s.row.large) == 0 {
		s.row.buf = binary.BigEndian.AppendUint16(s.row.buf, uint16(s.columns))
		s.row.added = 0
		s.encode(s.at, &s.row)
		if err := checkAdded(s.at, s.row.added, s.columns); err != nil {
			return err
		}
		s.at++
	}
	if s.at == s.n && !s.ended {
		s.ended = true
		s.row.buf = binary.BigEndian.AppendUint16(s.row.buf, copyEnd)
	}
	return nil
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
