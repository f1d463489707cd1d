package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// Fault points inside the transaction that seals: behind the marks, and behind the rows.
const (
	pointMarked = "extractor.seal.after_marks"
	pointStored = "extractor.seal.after_rows"
)

// Commit stores what an engine cut: all of it or nothing. messages go into the outbox. It fails with pg.ErrLost when the lease or a
// mark is another one's by now; the caller then throws its engine away.
func (s *Store) Commit(ctx context.Context, f Fence, lease time.Duration, t Target, c decide.Commit, messages []record.Message) error {
	if planted.On(planted.AckBeforeCommit) {
		err := pg.InTx(ctx, s.pool, labelSeal, func(ctx context.Context, tx pgx.Tx) error {
			return moveMarks(ctx, s.q.WithTx(tx), t.Pipeline, c.Marks)
		})
		if err != nil {
			return err
		}
		c.Marks = nil
	}
	return pg.InTx(ctx, s.pool, labelSeal, func(ctx context.Context, tx pgx.Tx) error {
		q, began := s.q.WithTx(tx), time.Now()
		if err := fence(ctx, q, f, lease); err != nil {
			return err
		}
		if err := moveMarks(ctx, q, t.Pipeline, c.Marks); err != nil {
			return err
		}
		if err := fault.Point(ctx, pointMarked); err != nil {
			return err
		}
		if err := insert(ctx, tx, q, t, record.ChunkFresh, c); err != nil {
			return err
		}
		if err := fault.Point(ctx, pointStored); err != nil {
			return err
		}
		if err := pg.Enqueue(ctx, tx, Schema, messages...); err != nil {
			return err
		}
		// Nobody can renew the lease while this transaction holds its row: one that stores a large chunk on a slow disk may outlast it. Another instance
		// that waits for the row would take it at the commit, and whatever this one has read ahead would be read again.
		if time.Since(began) > lease/3 {
			return fence(ctx, q, f, lease)
		}
		return nil
	})
}

// insert writes everything of a commit but its marks.
func insert(ctx context.Context, tx pgx.Tx, q *db.Queries, t Target, kind string, c decide.Commit) error {
	for i := range c.Chunks {
		if err := insertChunk(ctx, tx, q, t, kind, &c.Chunks[i], c.At); err != nil {
			return fmt.Errorf("chunk of lane %d: %w", c.Chunks[i].Lane, err)
		}
	}
	if c.Follower > 0 {
		if err := q.NoteFollower(ctx, db.NoteFollowerParams{Pipeline: t.Pipeline, Seq: int64(c.Follower)}); err != nil {
			return fmt.Errorf("note which record may follow another: %w", err)
		}
	}
	if c.Records.Len() > 0 {
		if err := copyRecords(ctx, tx, t, c); err != nil {
			return fmt.Errorf("%d records: %w", c.Records.Len(), err)
		}
	}
	if len(c.Dead) > 0 {
		if _, err := q.CopyDead(ctx, deadRows(t, c)); err != nil {
			return fmt.Errorf("%d refused records: %w", len(c.Dead), err)
		}
	}
	if len(c.Superseded) > 0 {
		if _, err := q.CopySuperseded(ctx, supersededRows(t, c)); err != nil {
			return fmt.Errorf("%d superseded records: %w", len(c.Superseded), err)
		}
	}
	if len(c.Repeats) > 0 {
		p := db.AddRepeatsParams{Pipeline: t.Pipeline, Runs: slices.Sorted(maps.Keys(c.Repeats))}
		for _, run := range p.Runs {
			p.Counts = append(p.Counts, c.Repeats[run])
		}
		if err := q.AddRepeats(ctx, p); err != nil {
			return fmt.Errorf("repeats: %w", err)
		}
	}
	return nil
}

// The columns of extractor.chunks in the order in which [insertChunk] writes them.
var (
	chunksTable   = pgx.Identifier{Schema, "chunks"}
	chunksColumns = []string{
		"chunk", "pipeline", "revision", "kind", "org", "object", "operation", "external_id_field", "space", "lane", "header", "rows", "records", "bytes",
		"manifest", "first_seq", "traceparent", "sealed_at", "versioned", "last_seq",
	}
)

// insertChunk writes a chunk with its pieces. The manifest of a large one is megabytes: as a parameter of a statement it would be in memory three times.
func insertChunk(ctx context.Context, tx pgx.Tx, q *db.Queries, t Target, kind string, c *decide.Chunk, at time.Time) error {
	err := pg.Copy(ctx, tx, chunksTable, chunksColumns, 1, func(_ int, to *pg.CopyRow) {
		to.UUID(&c.ID)
		to.Text(t.Pipeline)
		to.Int4(int32(t.Revision))
		to.Text(kind)
		to.Text(t.Org)
		to.Text(t.Object)
		to.Text(t.Operation)
		to.Text(t.KeyField)
		to.Text(t.Space)
		to.Int4(int32(c.Lane))
		to.Texts(t.Header)
		to.Int4(int32(c.Rows))
		to.Int4(int32(c.Records))
		to.Int8(c.Bytes)
		to.Bytes(c.Manifest)
		to.Int8(int64(c.FirstSeq))
		to.Text(c.Trace)
		to.Time(at)
		to.Bool(c.Versioned)
		to.Int8(int64(c.LastSeq))
	})
	if err != nil {
		return err
	}
	var runs []db.CopyChunkRunsParams
	accepted := make([]int32, len(c.Runs))
	for i, run := range slices.Sorted(maps.Keys(c.Runs)) {
		accepted[i] = int32(c.Runs[run].Accepted)
		runs = append(runs, db.CopyChunkRunsParams{
			Chunk: c.ID, Pipeline: t.Pipeline, Run: run, Kind: kind, Records: int32(c.Runs[run].Records), Accepted: &accepted[i],
		})
	}
	if _, err := q.CopyChunkRuns(ctx, runs); err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	pieces := make([]db.CopyPiecesParams, len(c.Pieces))
	for i, p := range c.Pieces {
		pieces[i] = db.CopyPiecesParams{Chunk: c.ID, N: int32(i), Rows: int32(p.Rows), Data: p.Data}
	}
	if _, err := q.CopyPieces(ctx, pieces); err != nil {
		return fmt.Errorf("pieces: %w", err)
	}
	return nil
}

func deadRows(t Target, c decide.Commit) []db.CopyDeadParams {
	out := make([]db.CopyDeadParams, len(c.Dead))
	accepted := make([]bool, len(c.Dead))
	for i := range c.Dead {
		d := &c.Dead[i]
		accepted[i] = d.Accepted()
		p := db.CopyDeadParams{
			LetterID: d.LetterID, Pipeline: t.Pipeline, Revision: int32(t.Revision), Run: d.Run, Key: d.Key, KeyHash: d.KeyHash,
			Generation: int16(d.Generation), Entity: d.Entity, Class: string(record.ClassData), Code: d.Code, Message: d.Message,
			Fields: d.Fields, Payload: d.Payload, Seq: int64(d.Place.Seq), Idx: int32(d.Place.Idx), AcceptedAt: d.AcceptedAt, DeadAt: c.At,
			Accepted: &accepted[i],
		}
		if p.AcceptedAt.IsZero() {
			p.AcceptedAt = c.At
		}
		if p.Fields == nil {
			p.Fields = []string{}
		}
		if p.Payload == nil {
			p.Payload = []byte{}
		}
		out[i] = p
	}
	return out
}

func supersededRows(t Target, c decide.Commit) []db.CopySupersededParams {
	out := make([]db.CopySupersededParams, len(c.Superseded))
	for i := range c.Superseded {
		s := &c.Superseded[i]
		out[i] = db.CopySupersededParams{
			Pipeline: t.Pipeline, Revision: int32(t.Revision), Run: s.Run, Key: s.Key, KeyHash: s.KeyHash, Generation: int16(s.Generation),
			Entity: s.Entity, Seq: int64(s.Place.Seq), Idx: int32(s.Place.Idx), Version: s.Version,
			SuccessorKeyHash: s.Successor.KeyHash, SuccessorSeq: int64(s.Successor.Place.Seq), SuccessorIdx: int32(s.Successor.Place.Idx),
			AcceptedAt: c.At, DecidedAt: c.At,
		}
	}
	return out
}
