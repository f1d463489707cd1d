package extract

import (
	"context"
	"fmt"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/store"
)

// Resumed says what a resume did.
type Resumed struct {
	// After is the sequence behind which reading goes on.
	After uint64
	// Raised is the number of lanes whose marks were raised: with 0 nothing was given up.
	Raised int
}

// Resume lets a stopped pipeline go on, on a person's word that what is missing from its stream is lost. Sequences must never run
// backwards, for they say which version of an entity is newer: a stream that was made again has to begin behind everything read so far.
func Resume(ctx context.Context, s *store.Store, info bus.StreamInfo, pipelineName string) (Resumed, error) {
	status, ok, err := s.Status(ctx, pipelineName)
	if err != nil {
		return Resumed{}, err
	}
	if !ok || status.StoppedCode == "" {
		return Resumed{}, fmt.Errorf("pipeline %s: %w", pipelineName, store.ErrNotStopped)
	}
	marks, err := s.Marks(ctx, pipelineName)
	if err != nil {
		return Resumed{}, err
	}
	var high record.Place
	for _, m := range marks {
		if high.Less(m) {
			high = m
		}
	}
	if info.First <= high.Seq && (status.StoppedCode == StoppedRecreated || info.Last < high.Seq) {
		return Resumed{}, fmt.Errorf("stream %s holds messages %d to %d and was read up to %d: make it again with first sequence %d or above, so that new records stand behind old ones",
			bus.RecordsStream(pipelineName), info.First, info.Last, high.Seq, high.Seq+1)
	}
	r := Resumed{After: info.First - 1}
	r.Raised, err = s.Resume(ctx, pipelineName, info.Incarnation, r.After)
	return r, err
}
