package collect

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// simCollection is a call of collections, as the control API tells of it.
type simCollection struct {
	N         int64     `json:"n"`
	At        time.Time `json:"at"`
	Ended     time.Time `json:"ended_at"`
	Object    string    `json:"object"`
	Operation string    `json:"operation"`
	User      string    `json:"user"`
	Rows      []struct {
		Cells   map[string]string `json:"cells"`
		Outcome string            `json:"outcome"`
		ID      string            `json:"id"`
		Error   string            `json:"error"`
	} `json:"rows"`
}

// name is what a call is called among the jobs.
func (s simCollection) name() string { return fmt.Sprintf("call-%d", s.N) }

// collections reads what calls of collections did.
func (c *collector) collections(ctx context.Context) ([]simCollection, error) {
	var out []simCollection
	err := again(ctx, func(int) error {
		out = nil
		return read(ctx, c.target, c.sim("collections"), "", func(head http.Header, body io.Reader) error {
			if lost := head.Get("Lost"); lost != "" && lost != "0" {
				return fmt.Errorf("the org has forgotten %s calls of collections: a run may not make more than it keeps", lost)
			}
			for s, err := range history.Lines[simCollection](body) {
				if err != nil {
					return err
				}
				out = append(out, s)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("calls of collections: %w", err)
	}
	return out, nil
}

// calledJob is a call in the form of a job that was made, closed and carried out at once.
func (c *collector) calledJob(s simCollection, user string) history.OrgJob {
	return history.OrgJob{
		ID: s.name(), Object: s.Object, Operation: s.Operation, State: "JobComplete", Created: c.since(s.At), Closed: c.since(s.At), Ended: c.since(s.Ended),
		Rows: len(s.Rows), Uploads: 1, Foreign: s.User != user, Called: true,
	}
}

// history are the rows of a call.
func (s simCollection) history() []history.OrgRow {
	out := make([]history.OrgRow, len(s.Rows))
	for n, r := range s.Rows {
		out[n] = history.OrgRow{Job: s.name(), N: n, Cells: r.Cells, Outcome: r.Outcome, ID: r.ID, Error: r.Error, Hidden: "called"}
	}
	return out
}

// writers find the call that wrote a version of a row of the org: versions name no call.
type writers map[string][]written

type written struct {
	call      string
	n         int
	at, ended time.Time
}

func writersOf(collections []simCollection) writers {
	out := writers{}
	for _, s := range collections {
		for n, r := range s.Rows {
			if r.ID != "" && r.Outcome != "failed" {
				out[r.ID] = append(out[r.ID], written{s.name(), n, s.At.Truncate(time.Millisecond), s.Ended})
			}
		}
	}
	return out
}

// find is the call that wrote to a row at a time, and the row of the call; "" = none did.
func (w writers) find(id string, at time.Time) (call string, n int) {
	for _, x := range w[id] {
		if !at.Before(x.at) && !at.After(x.ended) {
			return x.call, x.n
		}
	}
	return "", 0
}
