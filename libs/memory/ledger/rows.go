package ledger

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"bulkhead/libs/memory/ledger/internal/engine"
)

// rows is a pgx.Rows over a result.
type rows struct {
	plan *engine.Plan
	all  [][]any
	at   int
	tag  pgconn.CommandTag
	err  error
	done bool
}

var _ pgx.Rows = (*rows)(nil)

func (r *rows) Close()                        { r.done = true }
func (r *rows) Err() error                    { return r.err }
func (r *rows) CommandTag() pgconn.CommandTag { return r.tag }
func (r *rows) Conn() *pgx.Conn               { return nil }

func (r *rows) TypeMap() *pgtype.Map { return types() }

func (r *rows) FieldDescriptions() []pgconn.FieldDescription {
	if r.plan == nil {
		return nil
	}
	out := make([]pgconn.FieldDescription, len(r.plan.Names))
	for i, name := range r.plan.Names {
		out[i] = pgconn.FieldDescription{Name: name, DataTypeOID: r.plan.Types[i].OID(), Format: pgtype.TextFormatCode}
	}
	return out
}

func (r *rows) Next() bool {
	if r.err != nil || r.done {
		return false
	}
	r.at++
	if r.at >= len(r.all) {
		r.done = true
		return false
	}
	return true
}

func (r *rows) row() ([]any, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.at < 0 || r.at >= len(r.all) {
		return nil, errors.New("there is no row here: call Next first")
	}
	return r.all[r.at], nil
}

func (r *rows) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			return s.ScanRow(r)
		}
	}
	row, err := r.row()
	if err != nil {
		return err
	}
	if len(dest) != len(row) {
		r.err = fmt.Errorf("number of field descriptions must equal number of destinations, got %d and %d", len(row), len(dest))
		return r.err
	}
	for i, d := range dest {
		if err := scan(r.plan.Types[i], row[i], d); err != nil {
			r.err = pgx.ScanArgError{ColumnIndex: i, FieldName: r.plan.Names[i], Err: err}
			return r.err
		}
	}
	return nil
}

func (r *rows) Values() ([]any, error) {
	row, err := r.row()
	if err != nil {
		return nil, err
	}
	out := make([]any, len(row))
	for i, v := range row {
		if out[i], err = natural(r.plan.Types[i], v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *rows) RawValues() [][]byte {
	row, err := r.row()
	if err != nil {
		return nil
	}
	out := make([][]byte, len(row))
	for i, v := range row {
		out[i] = text(v)
	}
	return out
}

// oneRow is a pgx.Row.
type oneRow struct {
	rows pgx.Rows
	err  error
}

func (o oneRow) Scan(dest ...any) error {
	if o.err != nil {
		return o.err
	}
	defer o.rows.Close()
	if !o.rows.Next() {
		if err := o.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	return o.rows.Scan(dest...)
}
