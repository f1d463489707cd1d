package extract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/catalog"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
	"bulkhead/services/extractor/internal/store"
)

// open makes ready to read from the stored marks; false = it cannot now.
func (r *Reader) open(ctx context.Context) (bool, error) {
	h := r.held
	if h.engine != nil {
		return true, nil
	}
	if h.StoppedCode != "" && r.Now().Before(h.recheck) {
		return false, nil
	}
	if h.Revision == 0 {
		def, err := r.current(ctx)
		if err != nil || def == nil {
			return false, err
		}
		if err := r.Store.Switch(ctx, h.Fence, r.Lease, 0, def.Revision, def.Lanes, record.Place{}, nil); err != nil {
			return false, err
		}
		h.Revision = def.Revision
	}
	def, err := r.Catalog.Definition(ctx, r.pipeline, h.Revision)
	if err != nil {
		return false, err
	}
	id, ordinals, err := r.Store.Pipeline(ctx, r.pipeline, def.Header())
	if err != nil {
		return false, err
	}
	marks, err := r.Store.Marks(ctx, r.pipeline)
	if err != nil {
		return false, err
	}
	skipped, err := r.Store.Skipped(ctx, r.pipeline)
	if err != nil {
		return false, err
	}
	engine := decide.New(engineConfig(def, ordinals), marks)
	stream, err := r.openStream(ctx, engine, skipped)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		r.missing(ctx)
		return false, nil
	}
	if err != nil {
		if stopped, stopErr := r.stopFor(ctx, err); stopped || stopErr != nil {
			return false, stopErr
		}
		return false, err
	}
	h.def, h.target, h.mapper, h.config = def, targetOf(def, id), newMapper(def, ordinals), engineConfig(def, ordinals)
	h.engine, h.stream, h.pending, h.switched, h.missing = engine, stream, nil, false, false
	h.skipped, h.passed = skipped, 0
	return true, nil
}

// openStream opens the stream behind what every lane has decided. The message at the smallest mark is read again unless all of it is.
func (r *Reader) openStream(ctx context.Context, engine *decide.Engine, skipped []bus.Range) (Stream, error) {
	h := r.held
	low := engine.Lowest()
	after := low.Seq
	if low.Idx != decide.EndOfFrame && after > 0 {
		after--
	}
	incarnation, witness := h.Incarnation, h.Read
	if planted.On(planted.CheckpointWithoutIncarnation) {
		incarnation, witness = time.Time{}, bus.Witness{}
	}
	stream, err := r.Open(ctx, bus.ReaderConfig{Stream: bus.RecordsStream(r.pipeline), After: after, Incarnation: incarnation, Witness: witness, Lost: skipped})
	if err != nil {
		return nil, err
	}
	if high := engine.Highest(); stream.Last() < high.Seq {
		last := stream.Last()
		stream.Close(ctx)
		return nil, &bus.ShortenedError{Stream: bus.RecordsStream(r.pipeline), After: high.Seq, Last: last}
	}
	if h.Incarnation.IsZero() {
		if err := r.Store.NoteIncarnation(ctx, h.Fence, stream.Incarnation()); err != nil {
			stream.Close(ctx)
			return nil, err
		}
		h.Incarnation = stream.Incarnation()
	}
	if h.StoppedCode != "" {
		if err := r.stillLost(ctx, after, skipped); err != nil {
			stream.Close(ctx)
			return nil, err
		}
		if err := r.Store.Stop(ctx, h.Fence, "", ""); err != nil {
			stream.Close(ctx)
			return nil, err
		}
		r.Logger.InfoContext(ctx, "reading goes on: the stream is as it was left", "was", h.StoppedCode)
		h.StoppedCode, h.StoppedMessage = "", ""
		r.Metrics.stopped(r.pipeline, false)
	}
	return stream, nil
}

// current is the newest revision of this pipeline; nil = there is none.
func (r *Reader) current(ctx context.Context) (*pipeline.Definition, error) {
	defs, err := r.Catalog.Current(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(defs, func(d *pipeline.Definition) bool { return d.Name == r.pipeline })
	if i < 0 {
		return nil, nil //nolint:nilnil // no definition is no error: it may have been taken away
	}
	return defs[i], nil
}

// lookForRevision notes whether a newer revision waits.
func (r *Reader) lookForRevision(ctx context.Context) error {
	def, err := r.current(ctx)
	if err != nil || def == nil {
		return err
	}
	r.held.switched = def.Revision > r.held.def.Revision
	return nil
}

// changeRevision brings a newer revision into force: everything read is committed under the old one first, so that all lanes stand at
// one place and each record is judged under one revision, however often it is read.
func (r *Reader) changeRevision(ctx context.Context, room int) (int, error) {
	h := r.held
	seal := h.engine.All()
	if len(seal) > room {
		return 0, nil // the bound holds for this as well
	}
	if err := r.commit(ctx, seal); err != nil {
		return 0, err
	}
	at := h.engine.Lowest()
	if h.engine.Unsealed() > 0 || at != h.engine.Highest() {
		return 0, fmt.Errorf("change to a newer revision: lanes are not even after everything was sealed: %v", h.engine.Marks())
	}
	def, err := r.current(ctx)
	if err != nil || def == nil {
		return 0, err
	}
	drained, err := r.mustDrain(ctx, def)
	if err != nil {
		return 0, err
	}
	err = r.Store.Switch(ctx, h.Fence, r.Lease, h.def.Revision, def.Revision, def.Lanes, at, drained)
	if errors.Is(err, store.ErrBusy) {
		r.Logger.DebugContext(ctx, "other lanes wait until nothing can still be sent as it was routed", "space", def.Space(), "lanes", def.Lanes)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	r.Logger.InfoContext(ctx, "another revision is in force", "was", h.def.Revision, "revision", def.Revision, "lanes", def.Lanes, "after", at.String())
	h.Revision = def.Revision
	r.reopen(ctx)
	return 1, nil
}

// mustDrain is what must be quiet before a revision may route its records; nil = nothing. Rows of one object that are told apart by another field from
// now on have other lanes, so that nothing would keep an older version that is on its way from landing over a newer one: all of the pipeline has to
// have an outcome. Within one space another number of lanes has to wait for the space, also one that an older revision routed the same space by, since
// something of it may still be on its way; and so has another way to compare values, which gives the same rows of the org other lanes.
func (r *Reader) mustDrain(ctx context.Context, def *pipeline.Definition) (*store.Space, error) {
	space, err := r.otherLanes(ctx, def)
	if err != nil {
		return nil, err
	}
	if was := r.held.def; was.Org == def.Org && was.Object == def.Object && !sameRows(was, def) {
		if space == nil {
			space = &store.Space{Pipelines: []string{r.pipeline}}
		}
		space.Own = r.pipeline
	}
	return space, nil
}

// otherLanes is the space of a definition if an earlier one gave its rows other lanes; nil = none did.
func (r *Reader) otherLanes(ctx context.Context, def *pipeline.Definition) (*store.Space, error) {
	for n := r.held.def.Revision; n > 0; n-- {
		was, err := r.Catalog.Definition(ctx, r.pipeline, n)
		var none *catalog.NotFoundError
		switch {
		case errors.As(err, &none): // numbers may be left out
		case err != nil:
			return nil, err
		case !sameRows(was, def):
		case was.Lanes == def.Lanes && was.Space() == def.Space():
			return nil, nil //nolint:nilnil // nothing has to wait
		default:
			return r.space(ctx, was.Space())
		}
	}
	return nil, nil //nolint:nilnil // the space is new to this pipeline
}

// sameRows says whether two definitions write the same rows of the org, told apart by the same field. Content spaces are one pipeline's.
func sameRows(a, b *pipeline.Definition) bool {
	return a.Org == b.Org && a.Object == b.Object && a.KeyField() == b.KeyField() && a.Content() == b.Content()
}

// space is an entity space with all pipelines that write it.
func (r *Reader) space(ctx context.Context, name string) (*store.Space, error) {
	defs, err := r.Catalog.Current(ctx)
	if err != nil {
		return nil, err
	}
	s := &store.Space{Name: name, Pipelines: []string{r.pipeline}}
	for _, d := range defs {
		if d.Space() == name && d.Name != r.pipeline {
			s.Pipelines = append(s.Pipelines, d.Name)
		}
	}
	return s, nil
}

// engineConfig is what an engine works by under a definition; ordinals are those of its columns.
func engineConfig(def *pipeline.Definition, ordinals map[string]int) decide.Config {
	c := decide.Config{
		Pipeline: def.Name, Header: def.Header(), Lanes: def.Lanes,
		Limits: decide.Limits{Rows: def.Chunk.Rows, Bytes: def.ChunkBytes(), Age: def.Chunk.Age},
		Apart:  !def.Merges(), Versioned: len(def.Version) > 0 && def.Merges(), Whole: def.Whole, KeyIsVersioned: def.KeyIsVersioned(),
	}
	for _, name := range c.Header {
		c.Ordinals = append(c.Ordinals, ordinals[name])
	}
	return c
}

func targetOf(def *pipeline.Definition, id int16) store.Target {
	return store.Target{
		Pipeline: def.Name, PipelineID: id, Revision: def.Revision, Org: def.Org, Object: def.Object,
		Operation: def.Operation, KeyField: def.KeyField(), Space: def.Space(), Header: def.Header(),
	}
}
