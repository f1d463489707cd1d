package extract

import (
	"context"

	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/seen"
)

// rememberAtOnce is how many hashes one pass reads from the ledger while it learns what that holds.
const rememberAtOnce = 20_000

// memory is what the holder of a lease remembers of the ledger's keys and entities of its pipeline, so that it need not look up what certainly is new.
//
// Only three write such rows: the holder's own commits, which are added when they are stored, those of replays and whoever held the lease before. The
// last has written nothing since the lease was taken, so whatever is read from then on has all of its rows. Replays are counted in the ledger (asides), by the
// transaction that stores them: when the count is not the one that the memory began with, it begins anew. So does it after an error, which may have been
// that of a commit that happened all the same.
type memory struct {
	asides   int64
	counted  bool // asides was read
	keys     remembered
	entities remembered
}

// remembered are the hashes of one kind.
type remembered struct {
	filter *seen.Filter // nil = nobody has asked for this kind yet
	after  record.Hash  // those up to here were read from the ledger
	whole  bool         // all were
}

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
		r := records.At(i)
		if m.keys.filter != nil && !r.Placed {
			m.keys.filter.Add(&r.KeyHash)
		}
		if m.entities.filter != nil && r.HasEntity {
			m.entities.filter.Add(&r.EntityHash)
		}
	}
}

// remember makes ready to tell what of a batch certainly is new: it sees whether what is remembered is still all that there is, and learns a part of what
// it does not know yet.
func (r *Reader) remember(ctx context.Context, batch []decide.Candidate) error {
	h := r.held
	wantKeys, wantEntities := h.engine.Kinds(batch)
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
	if wantKeys {
		if err := r.learn(ctx, &m.keys, r.Store.KeysAfter); err != nil {
			return err
		}
	}
	if wantEntities {
		return r.learn(ctx, &m.entities, r.Store.EntitiesAfter)
	}
	return nil
}

// learn reads the next hashes of one kind from the ledger.
func (r *Reader) learn(ctx context.Context, of *remembered,
	read func(ctx context.Context, pipelineID int16, after record.Hash, most int, each func(*record.Hash)) (int, error),
) error {
	if of.whole {
		return nil
	}
	if of.filter == nil {
		of.filter = seen.New(r.Remember)
	}
	n, err := read(ctx, r.held.target.PipelineID, of.after, rememberAtOnce, func(hash *record.Hash) {
		of.filter.Add(hash)
		of.after = *hash
	})
	of.whole = err == nil && n < rememberAtOnce
	return err
}
