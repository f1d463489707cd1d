package export

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	rec "bulkhead/libs/record"
	"bulkhead/services/ops/internal/store/db"
)

func (x *run) withPayload() bool { return x.r.Format == NDJSON }

func (x *run) page() int32 {
	if x.withPayload() {
		return payloadPage
	}
	return plainPage
}

// failed goes through the places where a record can stand that is neither landed nor on its way; each record stands in one of them.
func (x *run) failed(ctx context.Context) error {
	for _, read := range []func(context.Context) error{x.letters, x.untaken, x.waiting} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// add puts a record with its payload, where it was asked for.
func (x *run) add(r failedRecord, payload []byte) error {
	r.Pipeline, r.AcceptedAt, r.DecidedAt = x.r.Pipeline, r.AcceptedAt.UTC(), r.DecidedAt.UTC()
	if r.Fields == nil {
		r.Fields = []string{}
	}
	if x.withPayload() {
		r.carry(payload)
	}
	return x.put(r)
}

// letters reads letters in large pages and their payloads in small ones: a page puts all letters of the pipeline in order, which takes the longer
// the more there are, while a payload is found by its id at once.
func (x *run) letters(ctx context.Context) error {
	after := uuid.Nil
	for {
		rows, err := x.q.ExportLetters(ctx, db.ExportLettersParams{Pipeline: x.r.Pipeline, Run: x.r.Run, After: after, PageSize: letterPage})
		if err != nil {
			return fmt.Errorf("read the letters: %w", err)
		}
		for page := range slices.Chunk(rows, int(x.page())) {
			if err := x.letterPage(ctx, page); err != nil {
				return err
			}
			if err := x.to.pause(); err != nil {
				return err
			}
			after = page[len(page)-1].LetterID
		}
		if len(rows) < letterPage {
			return nil
		}
	}
}

func (x *run) letterPage(ctx context.Context, page []db.ExportLettersRow) error {
	payloads := map[uuid.UUID][]byte{}
	if x.withPayload() {
		ids := make([]uuid.UUID, len(page))
		for i := range page {
			ids[i] = page[i].LetterID
		}
		found, err := x.q.ExportPayloads(ctx, ids)
		if err != nil {
			return fmt.Errorf("read the payloads of letters: %w", err)
		}
		for _, p := range found {
			payloads[p.LetterID] = p.Payload
		}
	}
	for _, l := range page {
		err := x.add(failedRecord{
			Key: l.Key, Entity: l.Entity, Generation: int(l.Generation), Run: l.Run, State: l.State, Class: l.Class, Code: l.Code,
			Message: l.Message, Fields: l.Fields, Attempts: int(l.Tries), JobID: l.JobID, Chunk: l.Chunk, LetterID: l.LetterID.String(),
			Sequence: l.Seq, Index: int(l.Idx), AcceptedAt: l.AcceptedAt, DecidedAt: l.DecidedAt,
		}, payloads[l.LetterID])
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *run) untaken(ctx context.Context) error {
	after := int64(0)
	for {
		rows, err := x.q.ExportUntaken(ctx, db.ExportUntakenParams{
			Pipeline: x.r.Pipeline, Run: x.r.Run, WithPayload: x.withPayload(), After: after, PageSize: x.page(),
		})
		if err != nil {
			return fmt.Errorf("read the failures: %w", err)
		}
		for _, f := range rows {
			err := x.add(failedRecord{
				Key: f.Key, Entity: f.Entity, Generation: int(f.Generation), Run: f.Run, State: waits(f.Class), Class: f.Class, Code: f.Code,
				Message: f.Message, Fields: f.Fields, Attempts: int(f.Tries), JobID: f.JobID, Chunk: f.Chunk,
				Sequence: f.Seq, Index: int(f.Idx), AcceptedAt: f.AcceptedAt, DecidedAt: f.DecidedAt,
			}, f.Payload)
			if err != nil {
				return err
			}
			after = f.ID
		}
		if err := x.to.pause(); err != nil || len(rows) < int(x.page()) {
			return err
		}
	}
}

func (x *run) waiting(ctx context.Context) error {
	after := int64(0)
	for {
		rows, err := x.q.ExportWaiting(ctx, db.ExportWaitingParams{
			Pipeline: x.r.Pipeline, Run: x.r.Run, WithPayload: x.withPayload(), After: after, PageSize: x.page(),
		})
		if err != nil {
			return fmt.Errorf("read what waits: %w", err)
		}
		for _, w := range rows {
			due := w.DueAt.UTC()
			r := failedRecord{
				Key: w.Key, Entity: w.Entity, Generation: int(w.Generation), Run: w.Run, State: waits(w.Class), Class: w.LastClass, Code: w.Code,
				Message: w.Message, Fields: w.Fields, Attempts: int(w.Tries), JobID: w.JobID, Chunk: w.Chunk,
				Sequence: w.Seq, Index: int(w.Idx), AcceptedAt: w.AcceptedAt, DecidedAt: w.DecidedAt, NextTryAt: &due,
			}
			if w.LetterID.Valid {
				r.LetterID = w.LetterID.UUID.String()
			}
			if err := x.add(r, w.Payload); err != nil {
				return err
			}
			after = w.FailureID
		}
		if err := x.to.pause(); err != nil || len(rows) < int(x.page()) {
			return err
		}
	}
}

// waits is the term of the balance that a waiting record of this class counts in.
func waits(class string) string {
	if class == string(rec.ClassReference) {
		return string(rec.StateWaitingForParent)
	}
	return string(rec.StateRetrying)
}
