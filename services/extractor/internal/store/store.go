// Package store is the extractor's ledger: its schema's migrations and queries, and one function per legal move.
//
// What always holds:
//   - Every move of a pipeline's reader is fenced by its epoch ([Fence]): when another instance has taken the lease since, the move
//     changes nothing and answers with pg.ErrLost.
//   - [Store.Commit] is the only way in for fresh records: rows, records, letters, repeats, marks and what follows from them are one
//     transaction, and every mark moves by compare-and-set.
//   - Replays are taken once, by one transaction that holds the pipeline's advisory lock ([Store.TakeReplays]). They are counted, so that a reader which
//     remembers what it stored knows that it was not alone ([Store.Asides]).
//
// Parts of a stream that are read again move by [Store.Reread], fenced like the reader that carries the order out.
//
// Views of other services that it reads: reconciler_pub (outcomes, outcome_runs, failures, resolutions), retrier_pub (chunks, taken, waiting, dead,
// resent, letters_taken, resolutions_taken), ops_pub (replays, letters, rereads). What others may read of it stands in schema extractor_pub.
//
// What it leaves to others: every decision (package decide), and definitions (libs/catalog).
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"bulkhead/libs/pg"
	"bulkhead/services/extractor/internal/store/db"
)

// Schema is the schema that the extractor owns.
const Schema = "extractor"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema's.
func Migrations() pg.Migrations { return pg.Migrations{Service: Schema, FS: migrations} }

// Store runs the moves on one pool.
type Store struct {
	pool pg.DB
	q    *db.Queries
}

// New uses a pool that is connected as the extractor's role.
func New(pool pg.DB) *Store { return &Store{pool: pool, q: db.New(pool)} }

// Clock is the ledger's clock.
func (s *Store) Clock() pg.Clock { return pg.ClockOf(s.pool) }

// Target is what a chunk is made for: the part of a definition that stands in the chunk's row.
type Target struct {
	Pipeline   string
	PipelineID int16
	Revision   int
	Org        string
	Object     string
	Operation  string
	// KeyField is the column by which result rows are matched; "" = by their content.
	KeyField string
	Space    string
	Header   []string
}

// Labels of the transactions, and so the first words of their fault points.
const (
	labelPipeline   = "extractor.pipeline"
	labelSwitch     = "extractor.switch"
	labelSeal       = "extractor.seal"
	labelFree       = "extractor.free"
	labelReplay     = "extractor.replay"
	labelResume     = "extractor.resume"
	labelRepublish  = "extractor.republish"
	labelReread     = "extractor.reread"
	maxColumns      = 4096 // ordinals of a pipeline's columns over all revisions: a bitmap of 512 bytes
	partitionsAhead = 2    // months
	freeAtOnce      = 100
)

// Pipeline returns the small number of a pipeline and the ordinals of its columns, giving numbers to what is new. Both only grow.
func (s *Store) Pipeline(ctx context.Context, name string, columns []string) (id int16, ordinals map[string]int, err error) {
	err = pg.InTx(ctx, s.pool, labelPipeline, func(ctx context.Context, tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		if err := q.LockPipeline(ctx, name); err != nil {
			return err
		}
		id, err = q.PipelineID(ctx, name)
		if errors.Is(err, pgx.ErrNoRows) {
			id, err = q.AddPipeline(ctx, name)
		}
		if err != nil {
			return err
		}
		has, err := q.Columns(ctx, id)
		if err != nil {
			return err
		}
		ordinals = make(map[string]int, len(has)+len(columns))
		for _, c := range has {
			ordinals[c.Name] = int(c.Ordinal)
		}
		for _, c := range columns {
			if _, ok := ordinals[c]; ok {
				continue
			}
			n := len(ordinals)
			if n >= maxColumns {
				return fmt.Errorf("pipeline %s has named more than %d columns in all its revisions: start a pipeline of a new name", name, maxColumns)
			}
			if err := q.AddColumn(ctx, db.AddColumnParams{PipelineID: id, Ordinal: int32(n), Name: c}); err != nil {
				return err
			}
			ordinals[c] = n
		}
		return nil
	})
	return id, ordinals, err
}

// EnsurePartitions makes the partitions of records for the month of at and those after it. Rows outside all of them are kept in the
// default partition: slower to drop, never lost.
func (s *Store) EnsurePartitions(ctx context.Context, at time.Time) error {
	first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	for n := range partitionsAhead {
		month := first.AddDate(0, n, 0)
		if err := s.q.EnsurePartition(ctx, pgtype.Date{Time: month, Valid: true}); err != nil {
			return fmt.Errorf("partition of records for %s: %w", month.Format("2006-01"), err)
		}
	}
	return nil
}
