package pg_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

const copiedTable = `CREATE TABLE retrier.copied (n smallint, i integer, b bigint, at timestamptz, id uuid, data bytea, yes boolean, word text, words text[], doc jsonb);
	GRANT USAGE ON SCHEMA retrier TO bulkhead_retrier;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retrier TO bulkhead_retrier;`

var (
	copied        = pgx.Identifier{"retrier", "copied"}
	copiedColumns = []string{"n", "i", "b", "at", "id", "data", "yes", "word", "words", "doc"}
)

// copiedRow writes row i: each third one of nothing but NULL.
func copiedRow(i int, to *pg.CopyRow) {
	if i%3 == 2 {
		to.Int2(int16(i))
		for range len(copiedColumns) - 1 {
			to.Null()
		}
		return
	}
	to.Int2(int16(i))
	to.Int4(math.MinInt32 + int32(i))
	to.Int8(math.MaxInt64 - int64(i))
	to.Time(time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).Add(time.Duration(i) * time.Microsecond))
	id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i))
	to.UUID((*[16]byte)(&id))
	switch {
	case i%3 == 0:
		to.Bytes(nil)
	case i%100 == 1: // around the size from which they are sent from where they lie
		to.Bytes(bytes.Repeat([]byte{byte(i / 100)}, 64<<10+i/100-4))
	default:
		to.Bytes([]byte(strings.Repeat("\x00x", i*10)))
	}
	to.Bool(i%2 == 0)
	to.Text(strings.Repeat("ü", i%4))
	to.Texts([]string{"", "a,b", `"{é}"`}[:i%4*3/4])
	to.JSONB(fmt.Appendf(nil, `[{"n": %d, "é": "\"\\u0001", "at": null}]`, i))
}

// readCopied lists the rows as text.
func readCopied(ctx context.Context, t *testing.T, db pg.DB) []string {
	t.Helper()
	rows, err := db.Query(ctx, `SELECT n, i, b, at, id, data, yes, word, words, doc->0->>'n', doc->0->>'é' FROM retrier.copied ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		var (
			n    int16
			i    *int32
			b    *int64
			at   *time.Time
			id   uuid.NullUUID
			data []byte
			yes  *bool
			word *string
			all  []string
			doc  [2]*string
		)
		if err := r.Scan(&n, &i, &b, &at, &id, &data, &yes, &word, &all, &doc[0], &doc[1]); err != nil {
			return "", err
		}
		if i == nil {
			return fmt.Sprint(n, b == nil, at == nil, id.Valid, data == nil, yes == nil, word == nil, all == nil, doc[0] == nil), nil
		}
		return fmt.Sprintf("%d %d %d %s %s %x %v %q %t %q %s %q", n, *i, *b, at.UTC(), id.UUID, data, *yes, *word, all == nil, all, *doc[0], *doc[1]), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCopy(t *testing.T) {
	t.Parallel()
	const rows = 1_000 // more than is encoded ahead
	write := func(t *testing.T, db pg.DB) []string {
		t.Helper()
		err := pg.InTx(t.Context(), db, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
			return pg.Copy(ctx, tx, copied, copiedColumns, rows, copiedRow)
		})
		if err != nil {
			t.Fatal(err)
		}
		return readCopied(t.Context(), t, db)
	}
	memory := func(t *testing.T) pg.DB {
		t.Helper()
		db, err := ledger.Open(files("retrier", copiedTable))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		return db.As("retrier")
	}
	t.Run("rows come back as they were written, and alike from the ledger in memory", func(t *testing.T) {
		t.Parallel()
		want := write(t, memory(t))
		if len(want) != rows {
			t.Fatalf("%d rows in memory", len(want))
		}
		got := write(t, testkit.Database(t, files("retrier", copiedTable)).Pool(t, "retrier"))
		if !slices.Equal(got, want) {
			t.Errorf("%d rows; the first are\n%s\nin memory\n%s", len(got), strings.Join(got[:3], "\n"), strings.Join(want[:3], "\n"))
		}
	})
	t.Run("no rows are written by none", func(t *testing.T) {
		t.Parallel()
		db := testkit.Database(t, files("retrier", copiedTable)).Pool(t, "retrier")
		err := pg.InTx(t.Context(), db, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
			return pg.Copy(ctx, tx, copied, copiedColumns, 0, copiedRow)
		})
		if got := readCopied(t.Context(), t, db); err != nil || len(got) != 0 {
			t.Errorf("%d rows: %v", len(got), err)
		}
	})
	t.Run("a row of too few values fails the whole of it", func(t *testing.T) {
		t.Parallel()
		for name, db := range map[string]pg.DB{
			"postgres": testkit.Database(t, files("retrier", copiedTable)).Pool(t, "retrier"), "memory": memory(t),
		} {
			err := pg.InTx(t.Context(), db, "retrier.test", func(ctx context.Context, tx pgx.Tx) error {
				return pg.Copy(ctx, tx, copied, copiedColumns, 3, func(i int, to *pg.CopyRow) {
					if i == 1 {
						to.Null()
						return
					}
					copiedRow(i, to)
				})
			})
			if err == nil || !strings.Contains(err.Error(), "row 1 has 1 values for 10 columns") {
				t.Errorf("%s: %v", name, err)
			}
			if got := readCopied(t.Context(), t, db); len(got) != 0 {
				t.Errorf("%s: %d rows stay", name, len(got))
			}
		}
	})
}
