// Package store is the reconciler's ledger: the work per chunk and who holds it, the one outcome row of each chunk, the failures by row and
// record with their payload, pauses, and the outbox.
//
// Every legal move of a work is one method here, an UPDATE with the old state, the claim's epoch and its owner in the WHERE. No row hit means
// that somebody was first: the method returns an error that wraps pg.ErrLost and the caller stops. Leases are judged by the
// database's clock, and so is what is due: the caller hands in what [Store.Clock] says.
//
//	(nothing) ──Note──▶ reading ──ReadAgain, LookedUp, BrokeOff, Gone──▶ reading
//	                       ├──Reconcile──▶ reconciled      with outcome, transfers, failures, letters, pauses and the fact
//	                       └──Quarantine─▶ quarantined     with its pause
//	quarantined ──LiftQuarantined──▶ reading               when a person has lifted that pause
//
// A failure of disposition unresolved gets one resolution, when somebody has decided on it ([Store.Resolve]); nothing undoes it.
//
// Others read reconciler_pub. Of other services it reads their published views only.
package store

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/services/reconciler/internal/store/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the schema that this service writes; no other one does.
const Schema = "reconciler"

// Migrations are this service's, to be run by the database's owner.
func Migrations() pg.Migrations { return pg.Migrations{Service: Schema, FS: migrations} }

// Labels of the transactions: each has the fault points <label>.before_commit and <label>.after_commit.
const (
	txNote       = "reconciler.note"
	txClaim      = "reconciler.claim"
	txRenew      = "reconciler.renew"
	txRelease    = "reconciler.release"
	txReadAgain  = "reconciler.read_again"
	txBrokeOff   = "reconciler.broke_off"
	txGone       = "reconciler.gone"
	txQuarantine = "reconciler.quarantine"
	txLift       = "reconciler.lift"
	txSettle     = "reconciler.settle"
	txRepublish  = "reconciler.republish"
	txLookedUp   = "reconciler.looked_up"
	txResolve    = "reconciler.resolve"
)

// Store reads and writes the reconciler's tables. It is safe for concurrent use.
type Store struct {
	pool pg.DB
}

// New returns a store on a pool of the service's role.
func New(pool pg.DB) *Store { return &Store{pool: pool} }

// Clock is the ledger's clock.
func (s *Store) Clock() pg.Clock { return pg.ClockOf(s.pool) }

// Claim is the right to move one work, until its lease ends or somebody else takes it.
type Claim struct {
	Chunk uuid.UUID
	Epoch int64
	Owner string
}

// Note takes up chunks whose job has ended, that needed no job, or whose calls have been answered, as work that is due at once; with a chunk only that one. It returns how
// many are new.
func (s *Store) Note(ctx context.Context, chunk uuid.NullUUID, now time.Time) (int, error) {
	var noted int64
	err := pg.InTx(ctx, s.pool, txNote, func(ctx context.Context, tx pgx.Tx) error {
		q := db.New(tx)
		ended, err := q.NoteEnded(ctx, db.NoteEndedParams{Clock: now, Chunk: chunk})
		if err != nil {
			return err
		}
		nothing, err := q.NoteNothingSent(ctx, db.NoteNothingSentParams{Clock: now, Chunk: chunk})
		if err != nil {
			return err
		}
		answered, err := q.NoteAnswered(ctx, db.NoteAnsweredParams{Clock: now, Chunk: chunk})
		noted = ended + nothing + answered
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("note ended jobs: %w", err)
	}
	return int(noted), nil
}

// ClaimDue claims up to limit works that are due at the time given and that nobody holds, the longest due first. The claims belong to owner for the
// lease.
func (s *Store) ClaimDue(ctx context.Context, owner string, due time.Time, lease time.Duration, limit int) ([]db.ReconcilerWork, error) {
	var rows []db.ReconcilerWork
	err := pg.InTx(ctx, s.pool, txClaim, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = db.New(tx).ClaimDue(ctx, db.ClaimDueParams{Owner: owner, LeaseSeconds: lease.Seconds(), DueAt: due, MaxRows: int32(limit)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim due work: %w", err)
	}
	return rows, nil
}

// Renew makes a claim last for another lease; one that was given back is lost.
func (s *Store) Renew(ctx context.Context, c Claim, lease time.Duration) error {
	return s.move(ctx, txRenew, c, func(q *db.Queries) (int64, error) {
		return q.Renew(ctx, db.RenewParams{LeaseSeconds: lease.Seconds(), Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner})
	})
}

// Release hands a claim back without a read.
func (s *Store) Release(ctx context.Context, c Claim) error {
	return s.move(ctx, txRelease, c, func(q *db.Queries) (int64, error) {
		return q.Release(ctx, db.ReleaseParams{Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner})
	})
}

// Again is what a complete read leaves that does not decide the chunk.
type Again struct {
	Reads               int
	FirstReadAt, ReadAt time.Time
	NextReadAt          time.Time
	Digest              []byte
	Reason              string
}

// ReadAgain stores a complete read and when the next one is due, and hands the claim back.
func (s *Store) ReadAgain(ctx context.Context, c Claim, a Again) error {
	return s.move(ctx, txReadAgain, c, func(q *db.Queries) (int64, error) {
		return q.ReadAgain(ctx, db.ReadAgainParams{
			Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, Reads: int32(a.Reads), FirstReadAt: &a.FirstReadAt, LastReadAt: &a.ReadAt,
			NextReadAt: a.NextReadAt, LastDigest: a.Digest, Reason: a.Reason,
		})
	})
}

// Broken is what a read leaves that broke off.
type Broken struct {
	NextReadAt                  time.Time
	Errors, Malformed, NotFound int
	FirstNotFoundAt             *time.Time
	LastError                   string
}

// BrokeOff stores why a read broke off and when the next one is due, and hands the claim back.
func (s *Store) BrokeOff(ctx context.Context, c Claim, b Broken) error {
	return s.move(ctx, txBrokeOff, c, func(q *db.Queries) (int64, error) {
		return q.BrokeOff(ctx, db.BrokeOffParams{
			Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, NextReadAt: b.NextReadAt, Errors: int32(b.Errors), Malformed: int32(b.Malformed),
			NotFound: int32(b.NotFound), FirstNotFoundAt: b.FirstNotFoundAt, LastError: b.LastError,
		})
	})
}

// Look is what a look-up leaves that did not find every row.
type Look struct {
	NextReadAt time.Time
	// Lookups counts this one.
	Lookups    int
	LookedUpAt time.Time
	Reason     string
}

// LookedUp stores a look-up that decides nothing yet and when the next one is due, and hands the claim back.
func (s *Store) LookedUp(ctx context.Context, c Claim, l Look) error {
	return s.move(ctx, txLookedUp, c, func(q *db.Queries) (int64, error) {
		return q.LookedUp(ctx, db.LookedUpParams{
			Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, NextReadAt: l.NextReadAt, Lookups: int32(l.Lookups), LookedUpAt: &l.LookedUpAt, Reason: l.Reason,
		})
	})
}

// Gone stores that Salesforce does not know the job any more; the work is due at once.
func (s *Store) Gone(ctx context.Context, c Claim, now time.Time, lastError string) error {
	return s.move(ctx, txGone, c, func(q *db.Queries) (int64, error) {
		return q.Gone(ctx, db.GoneParams{Chunk: c.Chunk, Epoch: c.Epoch, Owner: c.Owner, NextReadAt: now, LastError: lastError})
	})
}

// LiftQuarantined has the files of quarantined chunks read again whose pause was lifted. It returns how many.
func (s *Store) LiftQuarantined(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := pg.InTx(ctx, s.pool, txLift, func(ctx context.Context, tx pgx.Tx) (err error) {
		n, err = db.New(tx).LiftQuarantined(ctx, now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take up lifted chunks: %w", err)
	}
	return int(n), nil
}

// Queue is what there is to do.
type Queue struct {
	// Wait is how long until a work can be claimed; negative = there is none.
	Wait time.Duration
	// Reading and Quarantined count the works in these states.
	Reading, Quarantined int
	// Oldest is how long ago the first of those in reading was noted; 0 = there is none.
	Oldest time.Duration
}

// maxAgeSeconds is beyond any age and keeps one from overflowing.
const maxAgeSeconds = 1e9

// NextDue looks at the queue.
func (s *Store) NextDue(ctx context.Context, now time.Time) (Queue, error) {
	row, err := db.New(s.pool).NextDue(ctx, now)
	if err != nil {
		return Queue{}, fmt.Errorf("read the next due work: %w", err)
	}
	q := Queue{Wait: -1, Reading: int(row.Reading), Quarantined: int(row.Quarantined)}
	if row.Reading > 0 {
		q.Oldest = time.Duration(min(row.OldestSeconds, maxAgeSeconds) * float64(time.Second))
		// A day is beyond every sweep, and keeps a far date from overflowing.
		q.Wait = time.Duration(min(max(row.Seconds, 0), 86_400) * float64(time.Second))
	}
	return q, nil
}

func (s *Store) move(ctx context.Context, label string, c Claim, update func(*db.Queries) (int64, error)) error {
	err := pg.InTx(ctx, s.pool, label, func(_ context.Context, tx pgx.Tx) error {
		return won(update(db.New(tx)))
	})
	if err != nil {
		return fmt.Errorf("chunk %s: %w", c.Chunk, err)
	}
	return nil
}

// won turns a compare-and-set that hit no row into [pg.ErrLost].
func won(rows int64, err error) error {
	if err == nil && rows == 0 {
		return pg.ErrLost
	}
	return err
}
