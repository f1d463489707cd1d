package extract

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

// replaysAtOnce bounds the letters of one transaction; their payloads are in memory.
const replaysAtOnce = 1000

// Replayer maps letters again that a person ordered to be sent again: those refused before Salesforce, and those decided under an older
// revision. It works without the reader's lease, so replays go on while a pipeline's stream is stopped; but no
// letter is taken before every lane is decided up to its place.
type Replayer struct {
	Deps
	// Later is called when letters are left that cannot be taken yet: until every lane is decided up to their place, or another number
	// of lanes is in force. nil = nobody wants to know.
	Later func()
}

// Pass takes at most one batch of letters of each pipeline.
func (r *Replayer) Pass(ctx context.Context) (int, error) {
	names, err := r.Store.PipelinesWithReplays(ctx)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	// A letter is mapped again because of the revision that was in force at the order: an older one must not be taken for it.
	r.Catalog.Invalidate()
	defs, err := r.Catalog.Current(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	var failures []error
	for _, name := range names {
		i := slices.IndexFunc(defs, func(d *pipeline.Definition) bool { return d.Name == name })
		if i < 0 {
			continue // its definition is not visible here yet
		}
		inForce, ready, err := r.ready(ctx, defs[i])
		if err != nil {
			failures = append(failures, err)
		}
		if !ready {
			continue
		}
		n, err := r.take(ctx, defs[i], inForce)
		total += n
		switch {
		case errors.Is(err, pg.ErrLost): // another instance took some of them: look again
			total++
		case err != nil:
			failures = append(failures, fmt.Errorf("replays of %s: %w", name, err))
		}
	}
	if total == 0 && r.Later != nil {
		r.Later()
	}
	return total, errors.Join(failures...)
}

// ready says which revision is in force (0 = none), and whether rows may be routed as the newest revision says. One with another number
// of lanes has to be in force first: before that an entity's newer version may still be on its way in a lane of the old numbering.
func (r *Replayer) ready(ctx context.Context, def *pipeline.Definition) (inForce int, ready bool, err error) {
	st, ok, err := r.Store.Status(ctx, def.Name)
	if err != nil || !ok || st.Revision == 0 || st.Revision == def.Revision {
		return st.Revision, err == nil, err
	}
	was, err := r.Catalog.Definition(ctx, def.Name, st.Revision)
	if err != nil {
		return 0, false, err
	}
	return st.Revision, was.Lanes == def.Lanes || !sameRows(was, def), nil
}

func (r *Replayer) take(ctx context.Context, def *pipeline.Definition, inForce int) (int, error) {
	id, ordinals, err := r.Store.Pipeline(ctx, def.Name, def.Header())
	if err != nil {
		return 0, err
	}
	m := newMapper(def, ordinals)
	at, err := r.acceptedAt(ctx)
	if err != nil {
		return 0, err
	}
	rows, dead := 0, 0
	n, err := r.Store.TakeReplays(ctx, targetOf(def, id), inForce, replaysAtOnce, func(letters []store.Replay) (decide.Commit, []record.Message, error) {
		batch := make([]decide.Candidate, len(letters))
		for i := range letters {
			batch[i] = m.replay(&letters[i])
		}
		c, err := decide.Replay(engineConfig(def, ordinals), batch, at, newChunkID)
		if err != nil {
			return decide.Commit{}, nil, err
		}
		rows, dead = c.Records.Len(), len(c.Dead)
		messages, err := follows(def, record.ChunkReplay, c)
		return c, messages, err
	})
	if err != nil || n == 0 {
		return n, err
	}
	r.Metrics.replays.WithLabelValues(def.Name).Add(float64(n))
	r.Logger.InfoContext(ctx, "letters mapped again", "pipeline", def.Name, "revision", def.Revision, "letters", n, "sent", rows, "refused", dead)
	return n, nil
}

// replay makes the candidate of a letter: its payload under the revision in force, its key as it was, in the next generation. A message that could not
// be taken apart is no record, whatever its bytes look like without the headers that they came with: read as one, what is left of a frame that was cut
// would land and the rest be forgotten. It stays what it is.
func (m *mapper) replay(l *store.Replay) decide.Candidate {
	c := decide.Candidate{
		Place: l.Place, Last: true, Lane: record.LaneNone, Run: l.Run, Payload: l.Payload,
		KeyKind: decide.KeyNamed, Key: l.Key, KeyHash: m.def.KeyHash(l.Key),
		Origin: &decide.Origin{Generation: l.Generation, LetterID: l.LetterID, FailureID: l.FailureID, AcceptedAt: l.AcceptedAt, Ambiguous: l.Ambiguous},
	}
	if l.Code == record.CodeFrameUnreadable {
		c.Content = record.HashRaw(l.Payload)
		c.Refusal = &record.Refusal{Code: l.Code, Message: l.Message, Content: c.Content}
		return c
	}
	switch key := m.mapOne(&c); {
	case m.def.Operation == pipeline.OperationInsert && key == "" && record.IsMadeKey(l.Key):
		m.refuse(&c, record.CodeMissingKey, missingKey)
	case m.def.Content():
		m.route(&c, l.Key)
	}
	return c
}
