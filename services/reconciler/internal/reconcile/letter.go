package reconcile

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

// letterSource is what a letter is made of: a failure, new or read back from the ledger.
type letterSource struct {
	ID                         uuid.UUID
	Pipeline, Run, Key, Entity string
	Revision                   int32
	Generation                 int16
	Seq                        int64
	Idx                        int32
	AcceptedAt, DecidedAt      time.Time
	Class, Code, Message       string
	Fields, Header, Cells      []string
	Payload, Attempts          []byte
	Traceparent                string
}

// letterOf makes the message of a dead letter. The same failure gives the same letter.
func letterOf(s letterSource) (record.Message, error) {
	letter := bus.DeadLetter{
		ID: s.ID.String(), Pipeline: s.Pipeline, Revision: int(s.Revision), Key: s.Key, Generation: int(s.Generation), Entity: s.Entity,
		Class: s.Class, Code: s.Code, Message: s.Message, Fields: s.Fields, Stage: record.StageReconcile, Payload: s.Payload,
		Row:    map[string]string{},
		Origin: bus.LetterOrigin{Stream: bus.RecordsStream(s.Pipeline), Sequence: uint64(s.Seq), Index: uint32(s.Idx)},
		Run:    s.Run, Traceparent: s.Traceparent, AcceptedAt: s.AcceptedAt, DeadAt: s.DecidedAt,
	}
	for i, name := range s.Header {
		if i < len(s.Cells) && s.Cells[i] != "" {
			letter.Row[name] = s.Cells[i]
		}
	}
	if err := json.Unmarshal(s.Attempts, &letter.Attempts); err != nil {
		return record.Message{}, fmt.Errorf("attempts of letter %s: %w", s.ID, err)
	}
	return bus.DeadLetterMessage(letter)
}
