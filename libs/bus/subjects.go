package bus

import (
	"fmt"
	"strings"
)

// Streams. RECORDS has one per pipeline, see [RecordsStream].
const (
	StreamFlow = "FLOW"
	StreamDLQ  = "DLQ"
)

// Facts: the last token of a FLOW subject.
const (
	FactChunkSealed       = "chunk_sealed"
	FactChunkAnswered     = "chunk_answered"
	FactJobBound          = "job_bound"
	FactJobSubmitted      = "job_submitted"
	FactJobFinished       = "job_finished"
	FactChunkReconciled   = "chunk_reconciled"
	FactRowsResolved      = "rows_resolved"
	FactReplayOrdered     = "replay_ordered"
	FactDefinitionChanged = "definition_changed"
)

// Facts returns every fact that a FLOW message can carry. The caller owns the slice.
func Facts() []string {
	return []string{
		FactChunkSealed, FactChunkAnswered, FactJobBound, FactJobSubmitted,
		FactJobFinished, FactChunkReconciled, FactRowsResolved, FactReplayOrdered, FactDefinitionChanged,
	}
}

// RecordsStream is the name of a pipeline's own stream.
func RecordsStream(pipeline string) string { return "RECORDS_" + pipeline }

// RecordsSubject is the subject that upstream publishes a pipeline's records on.
func RecordsSubject(pipeline string) string { return "records." + pipeline }

// FlowSubject is the subject of one fact of a pipeline.
func FlowSubject(pipeline, fact string) string { return "flow." + pipeline + "." + fact }

// DLQSubject is the subject of a pipeline's dead letters of one class.
func DLQSubject(pipeline, class string) string { return "dlq." + pipeline + "." + class }

// checkToken refuses what cannot be one token of a subject: names come from outside and must never widen a subject.
func checkToken(what, s string) error {
	if s == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '.' || r == '*' || r == '>' }) {
		return fmt.Errorf("%s %q cannot be a token of a subject: no dots, wildcards, spaces or control characters", what, s)
	}
	return nil
}
