package load

import (
	"context"
	"fmt"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// One in reopenEach seeds, those that leave reopenRest, have what was given up published again.
	reopenEach = 8
	reopenRest = 6
	// reopenMost bounds how many records are.
	reopenMost = 3
	// reopenFor bounds publishing them: everything is healed by then.
	reopenFor = 20 * time.Second
)

// ReopenedPipeline is the one whose records are published again.
const ReopenedPipeline = parts

// Reopens says whether an upstream publishes again, at the end of a run of the plan, what a person gave up. Where a stream was
// made again it does: the new one is read.
func Reopens(p history.Plan) bool { return p.Seed%reopenEach == reopenRest || len(p.Resumes) > 0 }

// Reopen publishes records once more whose letters were discarded: that is no repeat, each opens a generation. It says how many, and writes
// its tries as [Run] does.
func Reopen(ctx context.Context, t history.Target, p history.Plan, out *history.Writer) (int, error) {
	m := reopened(Draw(p))
	if len(m.Entries) == 0 {
		return 0, nil
	}
	l, err := dial(t.NATSURL, "upstream that publishes again")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	if _, err := lastSequence(ctx, l, parts); err != nil { // it is connected then
		return 0, err
	}
	u := &upstream{pipeline: lookup(parts), target: t, out: out, until: time.Now().Add(reopenFor), line: l}
	stored, err := u.send(ctx, &m)
	if err != nil {
		return 0, err
	}
	if !stored {
		return 0, fmt.Errorf("what was given up could not be published again within %s", reopenFor)
	}
	return len(m.Entries), nil
}

// reopened is the message that does so.
func reopened(l *Load) Message {
	m := Message{Name: parts + "/reopened", MsgID: parts + "-reopened", Type: typeNDJSON}
	for _, of := range l.Messages[parts] {
		for _, e := range of.Entries {
			if dropped(e) && !e.Again && len(m.Entries) < reopenMost {
				m.Entries = append(m.Entries, Entry{Item: e.Item, Again: true})
			}
		}
	}
	return m
}
