package submit

import (
	"context"
	"slices"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

// doubtWords say why a chunk is not sent.
const doubtWords = "the ledger was restored to an earlier moment, and a job that it has forgotten may have carried rows of this chunk"

// undecided is a number of recoveries that no pipeline has had: who has it passes no gate.
const undecided = -1

const (
	// maxDoubts bounds the ranges of rows that are told apart; of a chunk with more everything between the first and the last is in doubt.
	maxDoubts = 500
	// doubtBatch is how many failures are asked about at a time.
	doubtBatch = 5000
)

// rememberForgotten learns what the ledger had forgotten of the chunk in hand, if it was ever restored: the job that the chunk is to be bound to, and the
// rows that must not be sent blindly.
func (t *turn) rememberForgotten(ctx context.Context) (adopted string, err error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	stage := Stage(t.w.State)
	if stage != StageClaimed && stage != StageCreated && stage != StageSent {
		return "", nil
	}
	recovering, err := t.c.Store.Recovering(ctx, t.w)
	if err != nil {
		return "", err
	}
	t.w.Recoveries = recovering.Recoveries
	switch {
	case recovering.Open:
		t.w.Recoveries = undecided // its gate is closed, and what follows from it is not known yet: whoever comes when it is open decides
		return "", nil
	case recovering.Recoveries == 0:
		return "", nil
	}
	if stage != StageSent {
		if adopted, err = t.c.Store.AdoptedJob(ctx, t.w.Chunk); err != nil || adopted != "" {
			return adopted, err
		}
	}
	t.doubt, err = t.findDoubt(ctx)
	return "", err
}

// repeats says whether the same row sent twice is the same row, and the answer to the second sending the same as to the first.
func repeats(operation string) bool {
	return operation == pipeline.OperationUpsert || operation == pipeline.OperationUpdate
}

// findDoubt finds the rows of the chunk that a forgotten job may have carried. None are in doubt where sending them again does no harm.
func (t *turn) findDoubt(ctx context.Context) ([]store.Range, error) {
	if err := t.load(ctx); err != nil || repeats(t.chunk.Operation) {
		return nil, err
	}
	forgotten, err := t.c.Store.Forgotten(ctx, t.w.Pipeline)
	if err != nil || len(forgotten) == 0 {
		return nil, err
	}
	packed, err := t.c.Store.Manifest(ctx, t.w.Chunk)
	if err != nil {
		return nil, err
	}
	m, err := rowfile.ReadManifest(packed)
	if err != nil {
		return nil, err
	}
	could := carriedBy(forgotten)
	rows := make([][]*flowv1.ManifestEntry, m.Len())
	for row := range rows {
		entries, err := m.Row(row)
		if err != nil {
			return nil, err
		}
		for _, e := range entries.GetRecords() {
			if could.InDoubt(e.GetSeq(), time.Time{}) {
				rows[row] = append(rows[row], e)
			}
		}
	}
	sent, err := t.lastSent(ctx, rows)
	if err != nil {
		return nil, err
	}
	return ranges(len(rows), func(row int) bool {
		return slices.ContainsFunc(rows[row], func(e *flowv1.ManifestEntry) bool { return could.InDoubt(e.GetSeq(), sent(e)) })
	}), nil
}

// lastSent learns when records were sent last, as far as the ledger knows; the zero time = never.
func (t *turn) lastSent(ctx context.Context, rows [][]*flowv1.ManifestEntry) (func(*flowv1.ManifestEntry) time.Time, error) {
	var failures []int64
	var letters []uuid.UUID
	for _, entries := range rows {
		for _, e := range entries {
			if id, err := uuid.FromBytes(e.GetLetterId()); err == nil && e.GetFailureId() == 0 {
				letters = append(letters, id)
			}
			if e.GetFailureId() != 0 {
				failures = append(failures, e.GetFailureId())
			}
		}
	}
	behind := map[uuid.UUID][]int64{}
	for batch := range slices.Chunk(letters, doubtBatch) {
		found, err := t.c.Store.FailuresOfLetters(ctx, batch)
		if err != nil {
			return nil, err
		}
		for letter, ids := range found {
			behind[letter] = ids
			failures = append(failures, ids...)
		}
	}
	at := make(map[int64]time.Time, len(failures))
	for batch := range slices.Chunk(failures, doubtBatch) {
		found, err := t.c.Store.LastSent(ctx, batch)
		if err != nil {
			return nil, err
		}
		for id, when := range found {
			at[id] = when
		}
	}
	return func(e *flowv1.ManifestEntry) time.Time {
		last := at[e.GetFailureId()]
		if id, err := uuid.FromBytes(e.GetLetterId()); err == nil {
			for _, failure := range behind[id] {
				if at[failure].After(last) {
					last = at[failure]
				}
			}
		}
		return last
	}, nil
}

// ranges are the runs of rows that are in doubt, at most maxDoubts.
func ranges(rows int, doubtful func(row int) bool) []store.Range {
	var out []store.Range
	for row := range rows {
		switch {
		case !doubtful(row):
		case len(out) > 0 && (out[len(out)-1].End == row || len(out) == maxDoubts):
			out[len(out)-1].End = row + 1
		default:
			out = append(out, store.Range{First: row, End: row + 1})
		}
	}
	return out
}

// carried are places in RECORDS that forgotten jobs may have carried, by when they were found out: intervals in their order, none of which touch.
type carried map[time.Time][]store.Forgotten

func carriedBy(forgotten []store.Forgotten) carried {
	sorted := slices.Clone(forgotten)
	slices.SortFunc(sorted, func(a, b store.Forgotten) int {
		switch {
		case a.From < b.From:
			return -1
		case a.From > b.From:
			return 1
		}
		return 0
	})
	out := carried{}
	for _, f := range sorted {
		found := f.FoundAt.UTC()
		list := out[found]
		if n := len(list); n > 0 && f.From <= list[n-1].Through {
			list[n-1].Through = max(list[n-1].Through, f.Through)
			continue
		}
		out[found] = append(list, f)
	}
	return out
}

// InDoubt says whether a record at this place may have been sent by a job that the ledger has forgotten, behind the last sending of it that the ledger knows
// of, which began at sent; the zero time = it knows of none.
func (c carried) InDoubt(seq uint64, sent time.Time) bool {
	for found, list := range c {
		if !sent.Before(found) {
			continue
		}
		at, ok := slices.BinarySearchFunc(list, seq, func(f store.Forgotten, seq uint64) int {
			switch {
			case f.Through < seq:
				return -1
			case f.From > seq:
				return 1
			}
			return 0
		})
		if ok && at < len(list) {
			return true
		}
	}
	return false
}

func (t *turn) adopt(ctx context.Context, jobID string) (Event[string], error) {
	var gate store.Gate
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		gate, err = t.c.Store.Adopt(ctx, t.w, jobID)
		return err
	})
	if e = t.gated(e, gate); e.Kind == Done {
		t.w.Tries = 0
		t.log.Info("bound again to the job that the ledger had forgotten", "job_id", jobID)
	}
	return e, err
}

func (t *turn) saveDoubted(ctx context.Context) (Event[string], error) {
	if e, err := t.ledgerKnows(ctx); e.Kind != Done {
		return e, err
	}
	var gate store.Gate
	e, err := t.write(ctx, func(ctx context.Context) (err error) {
		gate, err = t.c.Store.SaveDoubted(ctx, t.w, t.doubt, doubtWords, t.answeredFact())
		return err
	})
	if e = t.gated(e, gate); e.Kind == Done {
		rows := 0
		for _, d := range t.doubt {
			rows += d.End - d.First
		}
		t.c.Metrics.doubt(rows)
		t.log.Warn("rows that a forgotten job may have carried are not sent: they are looked for first, or a person decides", "rows", rows)
	}
	return e, err
}
