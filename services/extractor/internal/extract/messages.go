package extract

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/extractor/internal/decide"
)

// follows lists the messages that follow from a commit: a fact for each chunk, a letter for each refused record.
func follows(def *pipeline.Definition, kind string, c decide.Commit) ([]record.Message, error) {
	out := make([]record.Message, 0, len(c.Chunks)+len(c.Dead))
	for i := range c.Chunks {
		ch := &c.Chunks[i]
		e := bus.NewEnvelope(def.Name, def.Revision, &flowv1.ChunkSealed{
			Chunk: uuid.UUID(ch.ID).String(), Kind: kind, Space: def.Space(), Lane: int32(ch.Lane),
			Rows: int32(ch.Rows), Records: int32(ch.Records), Bytes: ch.Bytes,
		})
		e.Traceparent = ch.Trace
		out = append(out, bus.FlowMessage(e))
	}
	for i := range c.Dead {
		m, err := letter(def.Name, def.Revision, &c.Dead[i], c.At)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// letter is the dead letter of a refused record. It has no row and no attempts: nothing was ever sent.
func letter(pipelineName string, revision int, d *decide.Dead, at time.Time) (record.Message, error) {
	accepted := d.AcceptedAt
	if accepted.IsZero() {
		accepted = at
	}
	m, err := bus.DeadLetterMessage(bus.DeadLetter{
		ID: uuid.UUID(d.LetterID).String(), Pipeline: pipelineName, Revision: revision,
		Key: d.Key, Generation: d.Generation, Entity: d.Entity,
		Class: string(record.ClassData), Code: d.Code, Message: d.Message, Fields: d.Fields, Stage: record.StageExtract,
		Payload: d.Payload, Run: d.Run, Traceparent: d.Trace, AcceptedAt: accepted, DeadAt: at,
		Origin: bus.LetterOrigin{Stream: bus.RecordsStream(pipelineName), Sequence: d.Place.Seq, Index: d.Place.Idx},
	})
	if err != nil {
		return record.Message{}, fmt.Errorf("letter of record %s: %w", d.Place, err)
	}
	return m, nil
}
