package bus

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// Message is one message to be published.
type Message = record.Message

// Fact is one of the facts of an envelope: *flowv1.ChunkSealed and the like.
type Fact = proto.Message

// NewEnvelope wraps a fact with a fresh id and the time now. It panics on a message that is no fact: that is a mistake of the
// program, never of its input.
func NewEnvelope(pipeline string, revision int, fact Fact) *flowv1.Envelope {
	e := &flowv1.Envelope{
		Id:       uuid.Must(uuid.NewV7()).String(),
		At:       timestamppb.New(time.Now().UTC()),
		Pipeline: pipeline,
		Revision: int32(revision),
	}
	switch f := fact.(type) {
	case *flowv1.ChunkSealed:
		e.Fact = &flowv1.Envelope_ChunkSealed{ChunkSealed: f}
	case *flowv1.ChunkAnswered:
		e.Fact = &flowv1.Envelope_ChunkAnswered{ChunkAnswered: f}
	case *flowv1.JobBound:
		e.Fact = &flowv1.Envelope_JobBound{JobBound: f}
	case *flowv1.JobSubmitted:
		e.Fact = &flowv1.Envelope_JobSubmitted{JobSubmitted: f}
	case *flowv1.JobFinished:
		e.Fact = &flowv1.Envelope_JobFinished{JobFinished: f}
	case *flowv1.ChunkReconciled:
		e.Fact = &flowv1.Envelope_ChunkReconciled{ChunkReconciled: f}
	case *flowv1.RowsResolved:
		e.Fact = &flowv1.Envelope_RowsResolved{RowsResolved: f}
	case *flowv1.ReplayOrdered:
		e.Fact = &flowv1.Envelope_ReplayOrdered{ReplayOrdered: f}
	case *flowv1.DefinitionChanged:
		e.Fact = &flowv1.Envelope_DefinitionChanged{DefinitionChanged: f}
	default:
		panic(fmt.Sprintf("bus: %T is not a fact of the envelope", fact))
	}
	return e
}

// FactOf names the fact that an envelope carries; "" for none.
func FactOf(e *flowv1.Envelope) string {
	switch e.GetFact().(type) {
	case *flowv1.Envelope_ChunkSealed:
		return FactChunkSealed
	case *flowv1.Envelope_ChunkAnswered:
		return FactChunkAnswered
	case *flowv1.Envelope_JobBound:
		return FactJobBound
	case *flowv1.Envelope_JobSubmitted:
		return FactJobSubmitted
	case *flowv1.Envelope_JobFinished:
		return FactJobFinished
	case *flowv1.Envelope_ChunkReconciled:
		return FactChunkReconciled
	case *flowv1.Envelope_RowsResolved:
		return FactRowsResolved
	case *flowv1.Envelope_ReplayOrdered:
		return FactReplayOrdered
	case *flowv1.Envelope_DefinitionChanged:
		return FactDefinitionChanged
	}
	return ""
}

// FlowMessage is the message of an envelope, ready for an outbox. It panics on an envelope without a fact, or whose pipeline cannot
// stand in a subject: both are mistakes of the program.
func FlowMessage(e *flowv1.Envelope) Message {
	fact := FactOf(e)
	if fact == "" {
		panic("bus: envelope without a fact")
	}
	if err := checkToken("pipeline", e.GetPipeline()); err != nil {
		panic("bus: " + err.Error())
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		// Only invalid UTF-8 in a string field can do this; every string here is an id or a word of ours, except error texts, which
		// package salesforce hands out as valid UTF-8.
		panic(fmt.Sprintf("bus: marshal %s: %v", fact, err))
	}
	m := Message{Subject: FlowSubject(e.GetPipeline(), fact), MsgID: e.GetId(), Body: body}
	if e.GetTraceparent() != "" {
		m.Headers = map[string]string{HeaderTraceparent: e.GetTraceparent()}
	}
	return m
}

// ParseEnvelope reads the body of a FLOW message. It refuses one without a fact, and one whose pipeline cannot be one: what it returns can always be
// published again.
func ParseEnvelope(body []byte) (*flowv1.Envelope, error) {
	var e flowv1.Envelope
	if err := proto.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("not an envelope: %w", err)
	}
	if FactOf(&e) == "" {
		return nil, fmt.Errorf("envelope %q carries no fact known here", e.GetId())
	}
	if err := checkToken("pipeline", e.GetPipeline()); err != nil {
		return nil, fmt.Errorf("envelope %q: %w", e.GetId(), err)
	}
	return &e, nil
}
