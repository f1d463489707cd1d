package extract

import (
	"context"

	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/seen"
)

// Bounds of learning what the ledger holds. A pass reads about as many hashes as it has records that would be looked up, so that learning costs what looking up
// does, whatever the ledger's size and however few of its records are the pipeline's.
const (
	learnLeast = 500
	learnMost  = 20_000
	// crowdedLearning and crowdedUse are the loads of a filter from which it is no use to learn on, and to ask it: one of ten, and one of three, new hashes have to be
	// looked up all the same.
	crowdedLearning = 2
	crowdedUse      = 3
)

// memory is what the holder of a lease remembers of the ledger's keys and entities of its pipeline, so that it need not look up what certainly is new.
//
// Only three write such rows: the holder's own commits, which are added when they are stored, those of replays and whoever held the lease before. The
// last has written nothing since the lease was taken, so whatever is read from then on has all of its rows. Replays are counted in the ledger (asides), by the
// transaction that stores them: when the count is not the one that the memory began with, it begins anew. So does it after an error, which may have been
// that of a commit that happened all the same. A ledger that holds more than fits the memory is not learned, and everything is looked up.
type memory struct {
	asides   int64
	counted  bool // asides was read
	keys     remembered
	entities remembered
}

// remembered are the hashes of one kind.
type remembered struct {
	filter *seen.Filter // nil = nobody has asked for this kind yet, or there are too many
	after  record.Hash  // those up to here were read from the ledger
	whole  bool         // all were
}

// tooMany says of which kinds the ledger holds more than a reader can remember. It holds for as long as the process runs: ledgers grow.
type tooMany struct{ keys, entities bool }

// news tells what certainly is new by what is remembered whole.
func (m *memory) news() decide.News {
	var n decide.News
	if m.keys.whole {
		n.Keys = m.keys.filter
	}
	if m.entities.whole {
		n.Entities = m.entities.filter
	}
	return n
}

// note adds what was stored.
func (m *memory) note(records *decide.Records) {
	if m.keys.filter == nil && m.entities.filter == nil {
		return
	}
	for i := range records.Len() {
		key, entity := records.Hashes(i)
		if m.keys.filter != nil && key != nil {
			m.keys.filter.Add(key)
		}
		if m.entities.filter != nil && entity != nil {
			m.entities.filter.Add(entity)
		}
	}
}

// remember makes ready to tell what of a batch certainly is new: it sees whether what is remembered is still all that there is, and learns a part of what
// it does not know yet.
func (r *Reader) remember(ctx context.Context, batch []decide.Candidate) error {
	h := r.held
	wantKeys, wantEntities := h.engine.Kinds(batch)
	wantKeys, wantEntities = wantKeys && !r.tooMany.keys, wantEntities && !r.tooMany.entities
	if !wantKeys && !wantEntities {
		return nil
	}
	asides, err := r.Store.Asides(ctx, r.pipeline)
	if err != nil {
		return err
	}
	m := &h.memory
	if !m.counted || m.asides != asides {
		*m = memory{asides: asides, counted: true}
	}
	most := min(max(len(batch), learnLeast), learnMost)
	if wantKeys {
		if r.tooMany.keys, err = r.learn(ctx, "keys", &m.keys, most, r.Store.KeysAfter); err != nil {
			return err
		}
	}
	if wantEntities {
		r.tooMany.entities, err = r.learn(ctx, "entities", &m.entities, most, r.Store.EntitiesAfter)
	}
	return err
}

// learn reads the next hashes of one kind from the ledger, at most so many. It answers whether there are more than can be remembered: they are
// forgotten then.
func (r *Reader) learn(ctx context.Context, kind string, of *remembered, most int,
	read func(ctx context.Context, pipelineID int16, after record.Hash, most int, each func(*record.Hash)) (int, error),
) (tooMany bool, err error) {
	if of.filter == nil {
		of.filter = seen.New(r.Remember)
	}
	if !of.whole {
		n, err := read(ctx, r.held.target.PipelineID, of.after, most, func(hash *record.Hash) {
			of.filter.Add(hash)
			of.after = *hash
		})
		if err != nil {
			return false, err
		}
		of.whole = n < most
	}
	load := of.filter.Load()
	if tooMany = load > crowdedUse || load > crowdedLearning && !of.whole; tooMany {
		*of = remembered{}
		r.Logger.InfoContext(ctx, "the ledger holds more than is remembered: everything is looked up from now on; a larger rememberMiB makes new records cheaper",
			"kind", kind, "remember_bytes", r.Remember)
	}
	r.Metrics.remembers(r.pipeline, kind, of)
	return tooMany, nil
}
