package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// maxKeys bounds the records of one entity and pipeline in an answer: the newest are what is asked for.
const maxKeys = 100

// Question asks for a record by key, or for all records of an entity; Pipeline "" asks in every pipeline.
type Question struct {
	Pipeline, Key, Entity string
}

// History answers a question, a pipeline's records in the order of the stream; no records is no error. older is how many records the entity has before
// those: the newest hundred of each pipeline are told of.
func (r *Reader) History(ctx context.Context, q Question) (out []*opsv1.RecordHistory, older int64, err error) {
	current, err := r.store.Current(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the definitions: %w", err)
	}
	for _, d := range current {
		if q.Pipeline != "" && q.Pipeline != d.Name {
			continue
		}
		found, before, err := r.historiesIn(ctx, d, q)
		if err != nil {
			return nil, 0, err
		}
		out, older = append(out, found...), older+before
	}
	return out, older, nil
}

func (r *Reader) historiesIn(ctx context.Context, d store.Definition, q Question) (out []*opsv1.RecordHistory, older int64, err error) {
	name := d.Name
	if q.Key != "" {
		h, err := r.historyOf(ctx, name, q.Key, record.HashKey(name, q.Key), uuid.NullUUID{})
		if err != nil || h == nil {
			return nil, 0, err
		}
		return []*opsv1.RecordHistory{h}, 0, nil
	}
	definition, _, err := pipeline.ParseDefinition([]byte(d.YAML))
	if err != nil {
		return nil, 0, fmt.Errorf("definition %s: %w", name, err)
	}
	definition.CaseSensitive = d.CaseSensitive
	entity := uuid.NullUUID{UUID: definition.EntityHash(q.Entity), Valid: true}
	keys, err := r.store.Read().EntityKeys(ctx, db.EntityKeysParams{Pipeline: name, EntityHash: entity, MaxKeys: maxKeys})
	if err != nil {
		return nil, 0, fmt.Errorf("look for the entity's records: %w", err)
	}
	for _, k := range slices.Backward(keys) {
		key, err := r.keyText(ctx, name, k.KeyHash, k.Chunk, k.Row)
		if err != nil {
			return nil, 0, err
		}
		h, err := r.historyOf(ctx, name, key, k.KeyHash, entity)
		if err != nil {
			return nil, 0, err
		}
		if h != nil {
			out = append(out, h)
		}
		older = k.Known - int64(len(keys))
	}
	return out, older, nil
}

// keyText is the key behind a hash: from the manifest of its chunk, from its refusal, or from where it was superseded. "" when none names it.
func (r *Reader) keyText(ctx context.Context, name string, hash uuid.UUID, chunk uuid.NullUUID, row *int32) (string, error) {
	if chunk.Valid && row != nil {
		packed, err := r.store.Read().ChunkManifest(ctx, chunk.UUID)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return "", fmt.Errorf("read the manifest of chunk %s: %w", chunk.UUID, err)
		}
		if err == nil {
			manifest, err := rowfile.DecodeManifest(packed)
			if err != nil {
				return "", fmt.Errorf("chunk %s: %w", chunk.UUID, err)
			}
			if int(*row) < len(manifest.GetRows()) {
				for _, e := range manifest.GetRows()[*row].GetRecords() {
					if slices.Equal(e.GetKeyHash(), hash[:]) {
						return e.GetKey(), nil
					}
				}
			}
		}
	}
	refusals, err := r.store.Read().KeyRefusals(ctx, db.KeyRefusalsParams{Pipeline: name, KeyHash: hash})
	if err != nil {
		return "", fmt.Errorf("read refusals: %w", err)
	}
	if len(refusals) > 0 {
		return refusals[0].Key, nil
	}
	overtaken, err := r.store.Read().KeyOvertaken(ctx, db.KeyOvertakenParams{Pipeline: name, KeyHash: hash})
	if err != nil {
		return "", fmt.Errorf("read superseded records: %w", err)
	}
	if len(overtaken) > 0 {
		return overtaken[0].Key, nil
	}
	return "", nil
}

// facts are all that the ledger knows of one key.
type facts struct {
	pipeline, key string
	rows          []db.RecordRowsRow
	refusals      []db.KeyRefusalsRow
	resends       []db.KeyResendsRow
	fates         map[chunkRow]db.ChunkFatesRow
	failures      []db.KeyFailuresRow
	waiting       []db.KeyWaitingRow
	exhausted     []db.KeyExhaustedRow
	letters       []db.KeyLettersRow
	superseded    []db.KeySupersededRow
	overtaken     []db.KeyOvertakenRow
	decisions     []db.KeyDecisionsRow
	successor     string
}

type chunkRow struct {
	chunk uuid.UUID
	row   int32
}

// historyOf is the history of a key; entity is that of its record where the question was about it.
func (r *Reader) historyOf(ctx context.Context, name, key string, hash record.Hash, entity uuid.NullUUID) (*opsv1.RecordHistory, error) {
	f, err := r.collect(ctx, name, key, hash, entity)
	if err != nil {
		return nil, err
	}
	if len(f.rows)+len(f.refusals)+len(f.failures)+len(f.letters)+len(f.overtaken) == 0 {
		return nil, nil //nolint:nilnil // a key that is not known is an answer, not an error
	}
	now := f.standing()
	h := &opsv1.RecordHistory{
		Pipeline: name, Key: key, State: string(now.state), Generation: int32(now.generation), SalesforceId: now.salesforceID,
		Events: f.events(), Successor: f.successor, LetterId: now.letterID, NextRetryAt: stampOrNil(now.nextRetry), Why: now.why,
	}
	if place, at, ok := f.origin(); ok {
		h.Origin = &opsv1.Origin{Stream: bus.RecordsStream(name), Sequence: int64(place.Seq), Index: int32(place.Idx)}
		h.AcceptedAt = timestamppb.New(at)
	}
	return h, nil
}

// recordRows are the rows of a key that the extractor keeps.
func (r *Reader) recordRows(ctx context.Context, name, key string, id uuid.UUID, entity uuid.NullUUID) ([]db.RecordRowsRow, error) {
	if !entity.Valid {
		place, _ := record.PlaceOf(key)
		return r.store.Read().RecordRows(ctx, db.RecordRowsParams{Pipeline: name, KeyHash: id, Seq: int64(place.Seq), Idx: int32(place.Idx)})
	}
	rows, err := r.store.Read().RecordRowsOfEntity(ctx, db.RecordRowsOfEntityParams{Pipeline: name, KeyHash: id, EntityHash: entity})
	out := make([]db.RecordRowsRow, len(rows))
	for i := range rows {
		out[i] = db.RecordRowsRow(rows[i])
	}
	return out, err
}

func (r *Reader) collect(ctx context.Context, name, key string, hash record.Hash, entity uuid.NullUUID) (*facts, error) {
	q, id := r.store.Read(), uuid.UUID(hash)
	f := &facts{pipeline: name, key: key, fates: map[chunkRow]db.ChunkFatesRow{}}
	var errs [10]error
	f.rows, errs[0] = r.recordRows(ctx, name, key, id, entity)
	f.refusals, errs[1] = q.KeyRefusals(ctx, db.KeyRefusalsParams{Pipeline: name, KeyHash: id})
	f.resends, errs[2] = q.KeyResends(ctx, db.KeyResendsParams{Pipeline: name, KeyHash: id})
	f.failures, errs[3] = q.KeyFailures(ctx, db.KeyFailuresParams{Pipeline: name, KeyHash: id})
	f.waiting, errs[4] = q.KeyWaiting(ctx, db.KeyWaitingParams{Pipeline: name, KeyHash: id})
	f.exhausted, errs[5] = q.KeyExhausted(ctx, db.KeyExhaustedParams{Pipeline: name, KeyHash: id})
	f.letters, errs[6] = q.KeyLetters(ctx, db.KeyLettersParams{Pipeline: name, KeyHash: id})
	f.superseded, errs[7] = q.KeySuperseded(ctx, db.KeySupersededParams{Pipeline: name, KeyHash: id})
	f.overtaken, errs[8] = q.KeyOvertaken(ctx, db.KeyOvertakenParams{Pipeline: name, KeyHash: id})
	f.decisions, errs[9] = q.KeyDecisions(ctx, db.KeyDecisionsParams{Pipeline: name, KeyHash: id})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("read the history of %s in %s: %w", key, name, err)
	}
	var (
		chunks []uuid.UUID
		rows   []int32
	)
	for _, s := range f.sendings() {
		chunks, rows = append(chunks, s.at.chunk), append(rows, s.at.row)
	}
	fates, err := q.ChunkFates(ctx, db.ChunkFatesParams{Chunks: chunks, Rows: rows})
	if err != nil {
		return nil, fmt.Errorf("read what became of the chunks: %w", err)
	}
	for _, fate := range fates {
		f.fates[chunkRow{fate.Chunk, fate.Row}] = fate
	}
	if last, ok := f.lastSuccessor(); ok {
		if f.successor, err = r.successorOf(ctx, name, last); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// successor is the record that covers another one.
type successor struct {
	keyHash uuid.UUID
	place   record.Place
}

// lastSuccessor is that of the newest generation that was superseded: by the submitter under its lane, or by the extractor before anything was sent.
func (f *facts) lastSuccessor() (successor, bool) {
	generation, last := -1, successor{}
	for _, s := range f.superseded {
		if int(s.Generation) >= generation {
			generation = int(s.Generation)
			last = successor{s.SuccessorKeyHash, record.Place{Seq: uint64(s.SuccessorSeq), Idx: uint32(s.SuccessorIdx)}}
		}
	}
	for _, s := range f.overtaken {
		if int(s.Generation) > generation {
			generation = int(s.Generation)
			last = successor{s.SuccessorKeyHash, record.Place{Seq: uint64(s.SuccessorSeq), Idx: uint32(s.SuccessorIdx)}}
		}
	}
	return last, generation >= 0
}

// successorOf names the record that covers this one: by its key where that can be found, else by its place. One of another pipeline has its
// pipeline's name before it: prices/K-17.
func (r *Reader) successorOf(ctx context.Context, name string, s successor) (string, error) {
	place := record.PlaceKey(s.place)
	at, err := r.store.Read().RecordAtPlace(ctx, db.RecordAtPlaceParams{
		Pipeline: name, KeyHash: s.keyHash, Seq: int64(s.place.Seq), Idx: int32(s.place.Idx),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return r.successorElsewhere(ctx, s)
	}
	if err != nil {
		return "", fmt.Errorf("look for the successor: %w", err)
	}
	key, err := r.keyText(ctx, name, s.keyHash, at.Chunk, at.Row)
	if err != nil || key == "" {
		return place, err
	}
	return key, nil
}

func (r *Reader) successorElsewhere(ctx context.Context, s successor) (string, error) {
	place := record.PlaceKey(s.place)
	at, err := r.store.Read().RecordElsewhere(ctx, db.RecordElsewhereParams{
		KeyHash: s.keyHash, Seq: int64(s.place.Seq), Idx: int32(s.place.Idx),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return place, nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the successor in other pipelines: %w", err)
	}
	key, err := r.keyText(ctx, at.Pipeline, s.keyHash, at.Chunk, at.Row)
	if err != nil {
		return "", err
	}
	if key == "" {
		key = place
	}
	return at.Pipeline + "/" + key, nil
}

// sending is one row of one chunk that carried the record.
type sending struct {
	generation int
	at         chunkRow
	resend     *db.KeyResendsRow
}

// sendings are the chunks that carried the record, in the order of generation and of sealing.
func (f *facts) sendings() []sending {
	var out []sending
	for _, r := range f.rows {
		if r.Chunk.Valid && r.Row != nil {
			out = append(out, sending{generation: int(r.Generation), at: chunkRow{r.Chunk.UUID, *r.Row}})
		}
	}
	for i, r := range f.resends {
		out = append(out, sending{generation: int(r.Generation), at: chunkRow{r.Chunk, r.Row}, resend: &f.resends[i]})
	}
	slices.SortStableFunc(out, func(a, b sending) int { return a.generation - b.generation })
	return out
}
