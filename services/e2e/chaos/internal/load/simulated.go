package load

import (
	"context"

	"github.com/nats-io/nats.go"

	"bulkhead/services/e2e/chaos/internal/history"
)

// What follows is for who publishes a load in another way than [Run], as the simulation does.

// Seed puts the seeded rows into the org. It returns the Ids of those that records name by them, by Ext__c.
func (l *Load) Seed(ctx context.Context, t history.Target) (map[string]string, error) {
	return l.seed(ctx, t)
}

// Encode makes the message that is sent to a pipeline. ids are what Seed returned.
func (m *Message) Encode(pipeline string, ids map[string]string) (*nats.Msg, error) {
	return m.encode(pipeline, ids)
}

// Tell says of each record of a message what became of one try to publish it to a pipeline.
func (m *Message) Tell(p history.Pipeline, ids map[string]string, try history.Publication) []history.Publication {
	out := make([]history.Publication, len(m.Entries))
	for i, e := range m.Entries {
		r := e.Publication
		r.Message, r.MsgID, r.Sent, r.Acked, r.Answer = try.Message, try.MsgID, try.Sent, try.Acked, try.Answer
		r.Seq, r.Dup, r.Refused = try.Seq, try.Dup, try.Refused
		r.Repeat, r.Index = e.Again, i
		if p.Field == "Id" && r.Entity != "" {
			r.Entity = ids[r.Entity]
		}
		out[i] = r
	}
	return out
}

// For is the number of records of a plan in which these pipelines have about so many.
func For(records int, pipelines ...string) int {
	mine, sum := 0, 0
	for _, p := range all() {
		sum += p.share
		for _, name := range pipelines {
			if p.Name == name {
				mine += p.share
			}
		}
	}
	if mine == 0 {
		return records
	}
	return records * sum / mine
}
