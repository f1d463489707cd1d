// Package store is the submitter's ledger: its tables, and every legal move of a submission as one function.
//
// What always holds:
//   - A move names the owner's epoch and the state that it moves on, in the WHERE of its UPDATE. When that hits no row, somebody was first:
//     the move answers [pg.ErrLost], and the late one stops.
//   - A move, what follows from it and what it announces commit together.
//   - A lane has at most one holder. It is taken with TakeLane or Bind and freed by End, when the chunk's outcome stands in the
//     reconciler's view. Only a chunk that is bound to no job may lose it before (HandBackLanes), and then begins anew.
//   - What a chunk leaves out, and the ids that its rows have in the org, is decided once, under the lane, and never changes while the lane
//     is held (SaveChecked).
//   - Behind the name of an org stands one Salesforce org until a person names another in its document (KnowOrg).
//   - A call of sObject Collections is written down before it is made (SaveSent), with until when it may land: nobody takes the submission up before. Its
//     answer is stored row by row (SaveAnswer), once; what became of rows is the reconciler's to say.
//   - Leases are judged by the database's clock.
//
// Others read the views of schema submitter_pub: submissions, lanes, jobs, superseded, reduced, unsent, calls, refused,
// resolutions, orgs, pauses. It reads the views of extractor_pub
// (chunks, pieces, records, columns, dead), retrier_pub (chunks, pieces, resent, dead, pauses), reconciler_pub (outcomes, failures, pauses),
// poller_pub (watches) and ops_pub (pauses, lifts, letters, definitions).
//
// Start reading at queries/moves.sql. What the moves mean for the protocol stands in package submit.
package store

import (
	"context"
	"embed"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/services/submitter/internal/store/db"

	"github.com/google/uuid"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is the schema that this service owns.
const Schema = "submitter"

// Migrations are the schema's migrations.
func Migrations() pg.Migrations { return pg.Migrations{Service: Schema, FS: files} }

// Store reads and moves submissions.
type Store struct {
	pool pg.DB
	q    *db.Queries
}

// New makes a store on a pool of the submitter's role.
func New(pool pg.DB) *Store { return &Store{pool: pool, q: db.New(pool)} }

// Upload is what was, or will be, really uploaded for a submission.
type Upload struct {
	Rows int
	// Bytes of the raw CSV with its header, and its hash.
	Bytes  int64
	SHA256 []byte
}

// Work is a submission as the claim found it, with the epoch that is the claimer's.
type Work struct {
	Chunk    uuid.UUID
	Pipeline string
	Revision int
	// Kind is fresh, replay or resend.
	Kind   string
	Org    string
	Space  string
	Lane   int
	SealNo int64
	State  string
	Epoch  int64
	// Tries counts failures in a row, which waits grow with.
	Tries int
	JobID string
	// Resolves says that the rows are named by another field than Id: see [Store.TakeLane].
	Resolves bool
	// Versioned says that a fresh chunk's records carry versions, so that newer ones may have been sent before it: see [Store.TakeLane].
	Versioned bool
	// Checked says that what to leave out is decided and the lane is held; Uploaded that the job holds the whole upload.
	Checked, Uploaded bool
	// Upload is nil while it is not known.
	Upload *Upload
	// ByJob is why the chunk goes by a job however small it is: a call of sObject Collections was refused with these words; "" = none was.
	ByJob string
	// CloseRefused is what Salesforce said when it refused the close for good; "" if it has not.
	CloseRefused string
	// Recoveries is how many recoveries of the pipeline were done when it was decided what to send: see [Store.Recovering].
	Recoveries int
}

// Claim takes up to limit submissions that are due, for lease, each with a new epoch.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration, limit int) ([]Work, error) {
	rows, err := s.q.Claim(ctx, db.ClaimParams{Owner: owner, LeaseSeconds: lease.Seconds(), Max: int32(limit)})
	if err != nil {
		return nil, err
	}
	out := make([]Work, len(rows))
	for i, r := range rows {
		out[i] = Work{
			Chunk: r.Chunk, Pipeline: r.Pipeline, Revision: int(r.Revision), Kind: r.Kind, Org: r.Org, Space: r.Space, Lane: int(r.Lane),
			SealNo: r.SealNo, State: r.State, Epoch: r.Epoch, Tries: int(r.Tries), JobID: r.JobID,
			Resolves: r.Resolves, Versioned: r.Versioned, ByJob: r.ByJob, Checked: r.Checked, Uploaded: r.Uploaded, CloseRefused: r.CloseRefused,
		}
		if r.UploadRows != nil && r.UploadBytes != nil {
			out[i].Upload = &Upload{Rows: int(*r.UploadRows), Bytes: *r.UploadBytes, SHA256: r.UploadSha256}
		}
	}
	return out, nil
}

// HasOpen says whether anything waits to be claimed, now or later: without it nobody has to look again before something is noted.
func (s *Store) HasOpen(ctx context.Context) (bool, error) { return s.q.HasOpen(ctx) }

// Renew prolongs the lease. [pg.ErrLost] says that somebody else owns the submission now, or that it was given back.
func (s *Store) Renew(ctx context.Context, w *Work, lease time.Duration) error {
	return one(s.q.Renew(ctx, db.RenewParams{LeaseSeconds: lease.Seconds(), Chunk: w.Chunk, Epoch: w.Epoch}))
}

// Parked says why a submission is given back and when it is to be tried again.
type Parked struct {
	Wait  time.Duration
	Tries int
	// LastError is what went wrong; WaitingFor the gate that is closed. Both are for people.
	LastError, WaitingFor string
}

// Park gives the lease back and names the next try.
func (s *Store) Park(ctx context.Context, w *Work, p Parked) error {
	return one(s.q.Park(ctx, db.ParkParams{
		WaitSeconds: p.Wait.Seconds(), Tries: int32(p.Tries), LastError: p.LastError, WaitingFor: p.WaitingFor, Chunk: w.Chunk, Epoch: w.Epoch,
	}))
}

// Release gives the lease back and changes nothing else.
func (s *Store) Release(ctx context.Context, w *Work) error {
	return one(s.q.Release(ctx, db.ReleaseParams{Chunk: w.Chunk, Epoch: w.Epoch}))
}

// one is the outcome of a compare-and-set: a row was moved, or somebody was first.
func one(rows int64, err error) error {
	if err == nil && rows == 0 {
		return pg.ErrLost
	}
	return err
}
