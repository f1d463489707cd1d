package demo

import (
	"context"
	"encoding/json"
	"time"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// PipelineBalance is a balance below its pipeline's name.
type PipelineBalance struct {
	Balance record.Balance `json:"balance"`
}

// Replayed is what the demo healed.
type Replayed struct {
	Class   string `json:"class"`
	Records int64  `json:"records"`
	Landed  int64  `json:"landed"`
}

// Result is what `bulkhead demo --json` prints.
type Result struct {
	OK               bool                       `json:"ok"`
	Records          int                        `json:"records"`
	Seed             uint64                     `json:"seed"`
	Balance          record.Balance             `json:"balance"`
	Repeats          int64                      `json:"repeats"`
	Unread           int64                      `json:"unread"`
	Pipelines        map[string]PipelineBalance `json:"pipelines"`
	Dead             map[string]int64           `json:"dead"`
	FailedAttempts   map[string]int64           `json:"failed_attempts"`
	Replayed         Replayed                   `json:"replayed"`
	Org              map[string]orgCount        `json:"org"`
	Jobs             int                        `json:"jobs"`
	APICalls         int                        `json:"api_calls"`
	Seconds          float64                    `json:"seconds"`
	RecordsPerSecond float64                    `json:"records_per_second"`
	// Complaints names what does not agree; absent when all does.
	Complaints []string `json:"complaints,omitempty"`
}

// JSON is the result on one line.
func (r *Result) JSON() ([]byte, error) { return json.Marshal(r) }

func (r *Result) orgRows() int {
	n := 0
	for _, c := range r.Org {
		n += c.Rows - c.Seeded
	}
	return n
}

func (r *runner) result(ctx context.Context, b *opsv1.GetBalanceResponse, groups []*opsv1.DeadLetterGroup, replayed Replayed, took time.Duration) (*Result, error) {
	res := &Result{
		Records: r.Records, Seed: r.Seed, Balance: opsclient.BalanceOf(b.GetBalance()), Repeats: b.GetRepeats(), Unread: b.GetUnread().GetMessages(),
		Pipelines: map[string]PipelineBalance{}, Dead: map[string]int64{}, FailedAttempts: b.GetFailedAttempts(), Replayed: replayed,
		Seconds: took.Seconds(), RecordsPerSecond: float64(r.Records) / took.Seconds(),
	}
	for name, p := range b.GetPipelines() {
		res.Pipelines[name] = PipelineBalance{Balance: opsclient.BalanceOf(p.GetBalance())}
	}
	for _, g := range groups {
		res.Dead[g.GetClass()] += g.GetCount()
	}
	counts, err := r.sim.counts(ctx)
	if err != nil {
		return nil, err
	}
	res.Org = map[string]orgCount{"Account": counts["Account"], "Contact": counts["Contact"]}
	res.Jobs, res.APICalls, err = r.sim.work(ctx)
	return res, err
}
