package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/fault"
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/pipeline"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// Fault points around a purge.
const (
	pointPurge  = "ops.streams.before_purge"
	pointPurged = "ops.streams.after_purge"
)

// Config is what the passes need. Store, Conn and Logger are required.
type Config struct {
	Store  *store.Store
	Conn   *bus.Conn
	Logger *slog.Logger
	// Replicas of every stream: 1 on one machine, 3 in a cluster; 0 = 1.
	Replicas int
	// FlowBytes and DLQBytes bound these streams; 0 = the defaults of package bus.
	FlowBytes, DLQBytes int64
	// Horizon is how long decided records stay for reading again after a restore; 0 = they go at once.
	Horizon time.Duration
}

// Streams applies and purges. Its passes may run at once.
type Streams struct {
	c Config

	mu       sync.Mutex
	horizons map[string]time.Duration
}

// New makes the passes.
func New(c Config) *Streams {
	return &Streams{c: c, horizons: map[string]time.Duration{}}
}

// Apply makes every stream what it should be, those of all current definitions included.
func (s *Streams) Apply(ctx context.Context) error {
	errs := []error{
		bus.EnsureFlow(ctx, s.c.Conn, bus.Limits{MaxBytes: s.c.FlowBytes, Replicas: s.c.Replicas}),
		bus.EnsureDLQ(ctx, s.c.Conn, bus.Limits{MaxBytes: s.c.DLQBytes, Replicas: s.c.Replicas}),
	}
	current, err := s.c.Store.Current(ctx)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("read the definitions: %w", err))...)
	}
	for _, d := range current {
		definition, _, err := pipeline.ParseDefinition([]byte(d.YAML))
		if err != nil {
			errs = append(errs, fmt.Errorf("definition %s, revision %d: %w", d.Name, d.Revision, err))
			continue
		}
		errs = append(errs, s.ApplyRecords(ctx, d.Name, definition.Backlog))
	}
	return errors.Join(errs...)
}

// ApplyRecords makes one pipeline's stream what it should be; backlog is its max_bytes. One that is not there, though it was read before, begins behind what
// was read. One whose reader has stopped with an alarm stays as it is: a person decides, and may be storing messages of it again.
func (s *Streams) ApplyRecords(ctx context.Context, name string, backlog int64) error {
	limits := bus.Limits{MaxBytes: backlog, Replicas: s.c.Replicas}
	standing, err := bus.WantedRecords(name, limits).Look(ctx, s.c.Conn)
	missing := errors.Is(err, jetstream.ErrStreamNotFound)
	switch {
	case err != nil && !missing:
		return err
	case !missing && len(standing.Differences) == 0:
		return nil
	}
	reader, err := s.c.Store.Read().RecordsReader(ctx, name)
	if err != nil {
		return fmt.Errorf("read how far records of %s are read: %w", name, err)
	}
	if reader.Stopped && !missing {
		return nil
	}
	limits.Behind = uint64(max(reader.ReadSeq, 0))
	if missing && limits.Behind > 0 {
		s.c.Logger.WarnContext(ctx, "the stream of a pipeline is gone and made again", "stream", bus.RecordsStream(name), "behind", limits.Behind)
	}
	return bus.EnsureRecords(ctx, s.c.Conn, name, limits)
}

// Wanted are the streams that there must be, those of all current definitions included. A definition that cannot be read any more has none.
func (s *Streams) Wanted(ctx context.Context) ([]bus.Wanted, error) {
	out := []bus.Wanted{
		bus.WantedFlow(bus.Limits{MaxBytes: s.c.FlowBytes, Replicas: s.c.Replicas}),
		bus.WantedDLQ(bus.Limits{MaxBytes: s.c.DLQBytes, Replicas: s.c.Replicas}),
	}
	current, err := s.c.Store.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	for _, d := range current {
		if definition, _, err := pipeline.ParseDefinition([]byte(d.YAML)); err == nil {
			out = append(out, bus.WantedRecords(d.Name, bus.Limits{MaxBytes: definition.Backlog, Replicas: s.c.Replicas}))
		}
	}
	return out, nil
}

// Purge lets go what nobody needs any more, in every pipeline, and says from how many something went.
func (s *Streams) Purge(ctx context.Context) (int, error) {
	marks, err := s.c.Store.Read().PurgeMarks(ctx)
	if err != nil {
		return 0, fmt.Errorf("read how far records are decided: %w", err)
	}
	var (
		purged int
		errs   []error
	)
	for _, m := range marks {
		// A reader that stopped with an alarm rests on a stream that is not the one it read: nothing of it is touched.
		if m.Undecided < 0 || m.StoppedCode != "" || m.Incarnation == nil {
			continue
		}
		oldest := oldestOf(m.OldestNeeded, m.RereadFrom)
		if planted.On(planted.SourcePurgedWhileChunkOpen) {
			oldest = 0
		}
		ok, err := s.purge(ctx, m, oldest)
		if err != nil {
			errs = append(errs, fmt.Errorf("purge records of %s: %w", m.Pipeline, err))
		}
		if ok {
			purged++
		}
	}
	return purged, errors.Join(errs...)
}

// oldestOf is the lower of two sequences, of which one below zero is none; 0 = neither is there.
func oldestOf(a, b int64) uint64 {
	if a < 0 || (b >= 0 && b < a) {
		a = b
	}
	return uint64(max(a, 0))
}

func (s *Streams) purge(ctx context.Context, m db.PurgeMarksRow, oldest uint64) (bool, error) {
	name, stream := m.Pipeline, bus.RecordsStream(m.Pipeline)
	info, err := bus.Info(ctx, s.c.Conn, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Incarnation.UTC().Truncate(time.Microsecond).Equal(m.Incarnation.UTC().Truncate(time.Microsecond)) {
		return false, nil // made again and not noticed by its reader yet: the marks are not of this stream
	}
	keep := Decide(State{
		First: info.First, Last: info.Last, Messages: info.Messages, Bytes: info.Bytes, MaxBytes: info.MaxBytes,
		Undecided: uint64(m.Undecided), OldestNeeded: oldest,
	})
	from, err := s.beyondHorizon(ctx, stream, info, keep.Needed)
	if err != nil {
		return false, err
	}
	from = max(from, keep.Room)
	if from <= info.First {
		return false, s.measure(ctx, name, stream, info.At, info.First, keep.Needed)
	}
	if m.WitnessSeq > 0 && m.WitnessStoredAt != nil {
		err := bus.Witness{Seq: uint64(m.WitnessSeq), Stored: *m.WitnessStoredAt}.Stands(ctx, s.c.Conn, stream, info)
		if isReplaced(err) {
			return false, nil // put back to an earlier state and not noticed by its reader yet: what stands below the marks may be what nobody has read
		}
		if err != nil {
			return false, err
		}
	}
	if err := fault.Point(ctx, pointPurge); err != nil {
		return false, err
	}
	if err := bus.PurgeRecords(ctx, s.c.Conn, name, from); err != nil {
		return false, err
	}
	if err := fault.Point(ctx, pointPurged); err != nil {
		return false, err
	}
	s.c.Logger.DebugContext(ctx, "decided records let go", "pipeline", name, "messages", from-info.First, "first", from)
	return true, s.measure(ctx, name, stream, info.At, from, keep.Needed)
}

// isReplaced says whether a stream holds other messages than were read.
func isReplaced(err error) bool {
	var (
		shortened *bus.ShortenedError
		replaced  *bus.ReplacedError
	)
	return errors.As(err, &shortened) || errors.As(err, &replaced)
}

// ErrNoStream says that a pipeline has no stream yet.
var ErrNoStream = errors.New("the pipeline has no stream yet")

// Range is the first and the last sequence of a pipeline's stream; of an empty one last < first. [ErrNoStream] = it is not there.
func (s *Streams) Range(ctx context.Context, pipeline string) (first, last uint64, err error) {
	info, err := bus.Info(ctx, s.c.Conn, bus.RecordsStream(pipeline))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, 0, ErrNoStream
	}
	return info.First, info.Last, err
}

// FirstSince is the first sequence of a pipeline's stream, from first to last, that was stored at or after a time; last+1 when all are older.
func (s *Streams) FirstSince(ctx context.Context, pipeline string, first, last uint64, since time.Time) (uint64, error) {
	return search(first, last+1, since, s.storedAt(ctx, bus.RecordsStream(pipeline)))
}

// storedAt asks when the message at a sequence was stored, or the next one behind it where that is missing; false = there is none.
func (s *Streams) storedAt(ctx context.Context, stream string) func(seq uint64) (time.Time, bool, error) {
	return func(seq uint64) (time.Time, bool, error) {
		m, err := bus.NextStored(ctx, s.c.Conn, stream, seq)
		if errors.Is(err, bus.ErrNoMessage) {
			return time.Time{}, false, nil
		}
		return m.Time, err == nil, err
	}
}

// beyondHorizon is the first sequence that is not older than the horizon, at most needed: by the broker's clock, which has dated the messages.
func (s *Streams) beyondHorizon(ctx context.Context, stream string, info bus.StreamInfo, needed uint64) (uint64, error) {
	if s.c.Horizon <= 0 {
		return needed, nil
	}
	return search(info.First, needed, info.At.Add(-s.c.Horizon), s.storedAt(ctx, stream))
}

// measure notes how much time the decided part that is kept spans: what a restore from a backup can read again.
func (s *Streams) measure(ctx context.Context, name, stream string, now time.Time, first, needed uint64) error {
	span := time.Duration(0)
	if first < needed {
		stored, ok, err := s.storedAt(ctx, stream)(first)
		if err != nil {
			return err
		}
		if ok {
			span = max(now.Sub(stored), 0)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.horizons[name] = span
	return nil
}

// Horizons is how far back each pipeline's decided records can be read again, as the last purge left it.
func (s *Streams) Horizons() map[string]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]time.Duration, len(s.horizons))
	for name, span := range s.horizons {
		out[name] = span
	}
	return out
}
