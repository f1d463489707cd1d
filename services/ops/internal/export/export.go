package export

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	rec "bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// Rows of one page: a payload may be a megabyte, a row without one is a few hundred bytes.
const (
	payloadPage = 50
	plainPage   = 1000
	// letterPage is of letters without their payloads, a kilobyte each.
	letterPage = 20_000
)

// idBytes is the length of a Salesforce id in an outcome's row_ids.
const idBytes = 18

// ErrUnknownPipeline says that no definition has this name.
var ErrUnknownPipeline = errors.New("this pipeline is not defined")

// ErrDiffers says that the ledger's rows and its balance disagree, which is an incident.
var ErrDiffers = errors.New("the export differs from the balance")

// Exporter reads the ledger for exports. It is safe for concurrent use.
type Exporter struct {
	store *store.Store
}

// New makes an exporter.
func New(s *store.Store) *Exporter { return &Exporter{store: s} }

// sink takes what an export reads.
type sink interface {
	// start is called once, before any record, with the number of records to come.
	start(records int64, header []string) error
	put(r record) error
	// pause is called between pages: what was put may go out now.
	pause() error
}

// Run gives a request's records to a sink, all of one moment. ErrUnknownPipeline comes before start, ErrDiffers in place of a good end.
func (e *Exporter) Run(ctx context.Context, r Request, to sink) (records int64, err error) {
	err = e.store.Snapshot(ctx, func(ctx context.Context, q *db.Queries) error {
		want, err := expected(ctx, q, r)
		if err != nil {
			return err
		}
		x := &run{q: q, r: r, to: to}
		header, read := failedRecord{}.header(), x.failed
		if r.Kind == Landed {
			header, read = landedRecord{}.header(), x.landed
		}
		if err := to.start(want, header); err != nil {
			return err
		}
		err = read(ctx)
		records = x.n
		if err != nil {
			return err
		}
		if records != want {
			return fmt.Errorf("%w: %d records of pipeline %s, run %q are %s, the balance says %d", ErrDiffers, records, r.Pipeline, r.Run, r.Kind, want)
		}
		return nil
	})
	if err != nil {
		return records, fmt.Errorf("export %s of %s: %w", r.Kind, r.Pipeline, err)
	}
	return records, nil
}

// expected is what the balance says of the export's terms, in the export's own snapshot.
func expected(ctx context.Context, q *db.Queries, r Request) (int64, error) {
	known, err := q.PipelineStates(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the definitions: %w", err)
	}
	defined := false
	for _, p := range known {
		defined = defined || p.Pipeline == r.Pipeline
	}
	if !defined {
		return 0, ErrUnknownPipeline
	}
	rows, err := q.Balance(ctx, db.BalanceParams{Pipeline: r.Pipeline, Run: r.Run})
	if err != nil {
		return 0, fmt.Errorf("read the balance: %w", err)
	}
	var n int64
	for _, b := range rows {
		if r.Kind == Landed {
			n += b.Landed
			continue
		}
		n += b.Dead + b.Retrying + b.WaitingForParent + b.Unresolved
	}
	return n, nil
}

// run is one export under way.
type run struct {
	q  *db.Queries
	r  Request
	to sink
	n  int64
}

func (x *run) put(r record) error {
	x.n++
	return x.to.put(r)
}

// landed goes chunk by chunk: the manifest says which records a row carries, the outcome what became of it.
func (x *run) landed(ctx context.Context) error {
	var (
		at    time.Time
		after uuid.UUID
	)
	for {
		c, err := x.q.NextLandedChunk(ctx, db.NextLandedChunkParams{Pipeline: x.r.Pipeline, Run: x.r.Run, AfterAt: at, After: after})
		if errors.Is(err, pgx.ErrNoRows) {
			return x.resolved(ctx)
		}
		if err != nil {
			return fmt.Errorf("look for the next chunk: %w", err)
		}
		if err := x.chunk(c); err != nil {
			return fmt.Errorf("chunk %s: %w", c.Chunk, err)
		}
		if err := x.to.pause(); err != nil {
			return err
		}
		at, after = c.ReconciledAt, c.Chunk
	}
}

// resolved are the records of which no result file told that they landed, and that were decided to have.
func (x *run) resolved(ctx context.Context) error {
	after := int64(0)
	for {
		rows, err := x.q.ExportResolved(ctx, db.ExportResolvedParams{Pipeline: x.r.Pipeline, Run: x.r.Run, After: after, PageSize: plainPage})
		if err != nil {
			return fmt.Errorf("read decided records: %w", err)
		}
		for _, r := range rows {
			err := x.put(landedRecord{
				Pipeline: x.r.Pipeline, Key: r.Key, Generation: int(r.Generation), Run: r.Run, SalesforceID: r.SfID, JobID: r.JobID,
				Chunk: r.Chunk.String(), Sequence: uint64(r.Seq), Index: uint32(r.Idx), AcceptedAt: r.AcceptedAt.UTC(), LandedAt: r.DecidedAt.UTC(),
			})
			if err != nil {
				return err
			}
			after = r.FailureID
		}
		if err := x.to.pause(); err != nil || len(rows) < plainPage {
			return err
		}
	}
}

func (x *run) chunk(c db.NextLandedChunkRow) error {
	m, err := rowfile.DecodeManifest(c.Manifest)
	if err != nil {
		return err
	}
	rows := m.GetRows()
	if len(rows) != len(c.RowStates) || len(c.RowIds) != idBytes*len(rows) {
		return fmt.Errorf("its manifest has %d rows, its outcome %d states and %d bytes of ids", len(rows), len(c.RowStates), len(c.RowIds))
	}
	for i, row := range rows {
		if outcome, ok := rec.OutcomeOf(c.RowStates[i]); !ok || outcome != rec.OutcomeLanded {
			continue
		}
		id := strings.TrimRight(string(c.RowIds[i*idBytes:(i+1)*idBytes]), "\x00")
		for _, e := range row.GetRecords() {
			name := m.GetRuns()[e.GetRun()]
			if x.r.Run != "" && name != x.r.Run {
				continue
			}
			err := x.put(landedRecord{
				Pipeline: x.r.Pipeline, Key: e.GetKey(), Generation: int(e.GetGeneration()), Run: name, SalesforceID: id, JobID: c.JobID,
				Chunk: c.Chunk.String(), Sequence: e.GetSeq(), Index: e.GetIdx(), AcceptedAt: time.UnixMicro(e.GetAcceptedAt()).UTC(),
				LandedAt: c.ReconciledAt.UTC(),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
