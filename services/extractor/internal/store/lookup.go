package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store/db"
)

// LookUp answers what an engine has to know of a batch. What is not wanted is not asked.
func (s *Store) LookUp(ctx context.Context, t Target, w decide.Wanted) (a decide.Answers, err error) {
	if a.Keys, err = s.Known(ctx, t, w.Keys); err != nil {
		return a, err
	}
	if len(w.Newest) > 0 {
		rows, err := s.q.NewestRecords(ctx, db.NewestRecordsParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, Entities: uuids(w.Newest)})
		if err != nil {
			return a, fmt.Errorf("look up the newest records of %d entities: %w", len(w.Newest), err)
		}
		a.Newest = make(map[record.Hash]decide.Known, len(rows))
		for _, r := range rows {
			a.Newest[r.EntityHash.UUID] = decide.Known{Content: r.ContentHash, Place: place(r.Seq, r.Idx), GivenUp: r.GivenUp}
		}
	}
	if len(w.NewestVersions) > 0 {
		rows, err := s.q.NewestVersions(ctx, db.NewestVersionsParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, Entities: uuids(w.NewestVersions)})
		if err != nil {
			return a, fmt.Errorf("look up the newest versions of %d entities: %w", len(w.NewestVersions), err)
		}
		a.NewestVersions = make(map[record.Hash]decide.Dated, len(rows))
		for _, r := range rows {
			a.NewestVersions[r.EntityHash.UUID] = decide.Dated{
				Known: decide.Known{Content: r.ContentHash, Place: place(r.Seq, r.Idx), GivenUp: r.GivenUp}, Version: r.Version,
			}
		}
	}
	a.Newer, err = s.newer(ctx, t, w.Newer)
	return a, err
}

// Known looks keys up.
func (s *Store) Known(ctx context.Context, t Target, keys [][16]byte) (map[record.Hash]decide.Known, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := s.q.KnownKeys(ctx, db.KnownKeysParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, Keys: uuids(keys)})
	if err != nil {
		return nil, fmt.Errorf("look up %d keys: %w", len(keys), err)
	}
	out := make(map[record.Hash]decide.Known, len(rows))
	for _, r := range rows {
		out[r.KeyHash] = decide.Known{
			Content: r.ContentHash, Place: place(r.Seq, r.Idx), Generation: int32(r.Generation), GivenUp: r.GivenUp,
		}
	}
	return out, nil
}

// newer looks up the records of entities that are of a version or newer.
func (s *Store) newer(ctx context.Context, t Target, wanted []decide.EntityVersion) (map[record.Hash][]decide.Named, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	entities, versions := entityVersions(wanted)
	rows, err := s.q.NewerVersions(ctx, db.NewerVersionsParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, Entities: entities, Versions: versions})
	if err != nil {
		return nil, fmt.Errorf("look up newer versions of %d entities: %w", len(wanted), err)
	}
	out := make(map[record.Hash][]decide.Named, len(rows))
	for _, r := range rows {
		out[r.EntityHash.UUID] = append(out[r.EntityHash.UUID], decide.Named{
			Owner: decide.Owner{Version: r.Version, KeyHash: r.KeyHash, Place: place(r.Seq, r.Idx)}, Columns: r.Columns,
		})
	}
	return out, nil
}

// Equal looks up the records of exactly these versions.
func (s *Store) Equal(ctx context.Context, t Target, wanted []decide.EntityVersion) (map[decide.EntityVersion][]decide.Same, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	entities, versions := entityVersions(wanted)
	rows, err := s.q.EqualVersions(ctx, db.EqualVersionsParams{PipelineID: t.PipelineID, Pipeline: t.Pipeline, Entities: entities, Versions: versions})
	if err != nil {
		return nil, fmt.Errorf("look up %d versions: %w", len(wanted), err)
	}
	out := make(map[decide.EntityVersion][]decide.Same, len(rows))
	for _, r := range rows {
		v := decide.EntityVersion{Entity: r.EntityHash.UUID, Version: string(r.Version)}
		out[v] = append(out[v], decide.Same{
			Owner: decide.Owner{Version: r.Version, KeyHash: r.KeyHash, Place: place(r.Seq, r.Idx)}, Content: r.ContentHash,
		})
	}
	return out, nil
}

func entityVersions(in []decide.EntityVersion) (entities []uuid.UUID, versions [][]byte) {
	entities, versions = make([]uuid.UUID, len(in)), make([][]byte, len(in))
	for i, v := range in {
		entities[i], versions[i] = v.Entity, []byte(v.Version)
	}
	return entities, versions
}

func uuids(in [][16]byte) []uuid.UUID {
	out := make([]uuid.UUID, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}

// Asides is how often records of a pipeline were stored apart from its reader.
func (s *Store) Asides(ctx context.Context, pipeline string) (int64, error) {
	n, err := s.q.Asides(ctx, pipeline)
	if err != nil {
		return 0, fmt.Errorf("look whether records of %s were stored apart: %w", pipeline, err)
	}
	return n, nil
}

// EntitiesAfter calls each for the entities of a pipeline's records among the ledger's next ones behind a hash, in the order of hashes, and answers how many
// it read, of any pipeline, at most so many: fewer = there are no more. The last one that was read is told of whosever it is: a record of the pipeline may
// stand right behind it with the same hash, and the next part begins behind that.
func (s *Store) EntitiesAfter(ctx context.Context, pipelineID int16, after record.Hash, most int, each func(*record.Hash)) (int, error) {
	rows, err := s.q.EntitiesAfter(ctx, db.EntitiesAfterParams{PipelineID: pipelineID, After: after, Most: int32(most)})
	if err != nil {
		return 0, fmt.Errorf("read the entities that the ledger holds: %w", err)
	}
	for i := range rows {
		if rows[i].Own || i == len(rows)-1 {
			each((*record.Hash)(&rows[i].Hash))
		}
	}
	return len(rows), nil
}

// KeysAfter is the same for keys, but for those that say their place.
func (s *Store) KeysAfter(ctx context.Context, pipelineID int16, after record.Hash, most int, each func(*record.Hash)) (int, error) {
	rows, err := s.q.KeysAfter(ctx, db.KeysAfterParams{PipelineID: pipelineID, After: after, Most: int32(most)})
	if err != nil {
		return 0, fmt.Errorf("read the keys that the ledger holds: %w", err)
	}
	for i := range rows {
		if rows[i].Own || i == len(rows)-1 {
			each((*record.Hash)(&rows[i].Hash))
		}
	}
	return len(rows), nil
}
