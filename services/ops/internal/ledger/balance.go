package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/store"
	"bulkhead/services/ops/internal/store/db"
)

// Broker asks for what is published and not accepted yet.
type Broker interface {
	// Unread is what a pipeline's stream holds behind the marks. A stream that is not there holds nothing.
	Unread(ctx context.Context, pipeline string, marks []Mark) (Unread, error)
}

// Orgs tells what the last reply of each org said.
type Orgs interface {
	// Usage is the org's id and API usage; an error says why nothing is known.
	Usage(ctx context.Context, org string) (id string, used, limit int64, err error)
	// LastUsage is what Usage said last, however long ago, and asks nobody; zero where it never said anything.
	LastUsage(ctx context.Context, org string) (id string, used, limit int64, err error)
}

// Mark is a place of a pipeline's checkpoint vector.
type Mark struct {
	Lane  int
	Place record.Place
}

// Unread is what was received and not accepted yet.
type Unread struct {
	Messages, Bytes int64
	// Oldest is the age of its oldest message.
	Oldest time.Duration
}

// Config is what a reader needs; Store, Broker and Logger are required.
type Config struct {
	Store  *store.Store
	Broker Broker
	// Orgs may be nil: then nothing is said of orgs.
	Orgs   Orgs
	Logger *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Reader answers questions about the ledger. It is safe for concurrent use.
type Reader struct {
	store  *store.Store
	broker Broker
	orgs   Orgs
	logger *slog.Logger
	now    func() time.Time
}

// New makes a reader.
func New(c Config) *Reader {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Reader{store: c.Store, broker: c.Broker, orgs: c.Orgs, logger: c.Logger, now: c.Now}
}

// Totals is the balance of one pipeline.
type Totals struct {
	record.Balance
	Repeats int64
}

// Totals is the balance by pipeline; "" for pipeline or run means all.
func (r *Reader) Totals(ctx context.Context, pipeline, run string) (map[string]Totals, error) {
	rows, err := r.store.Read().Balance(ctx, db.BalanceParams{Pipeline: pipeline, Run: run})
	if err != nil {
		return nil, fmt.Errorf("read the balance: %w", err)
	}
	out := make(map[string]Totals, len(rows))
	for _, b := range rows {
		out[b.Pipeline] = Totals{
			Balance: record.Balance{
				Accepted: b.Accepted, Landed: b.Landed, InFlight: b.InFlight, Retrying: b.Retrying, WaitingForParent: b.WaitingForParent,
				Unresolved: b.Unresolved, Dead: b.Dead, Superseded: b.Superseded, Discarded: b.Discarded, RolledBack: b.RolledBack,
			},
			Repeats: b.Repeats,
		}
	}
	return out, nil
}

// Balance answers for one pipeline or all, one run or all.
func (r *Reader) Balance(ctx context.Context, pipeline, run string) (*opsv1.GetBalanceResponse, error) {
	totals, err := r.Totals(ctx, pipeline, run)
	if err != nil {
		return nil, err
	}
	attempts, err := r.store.Read().FailedAttempts(ctx, db.FailedAttemptsParams{Pipeline: pipeline, Run: run})
	if err != nil {
		return nil, fmt.Errorf("count failed attempts: %w", err)
	}
	names, marks, err := r.pipelines(ctx)
	if err != nil {
		return nil, err
	}
	out := &opsv1.GetBalanceResponse{FailedAttempts: map[string]int64{}, Unread: &opsv1.Unread{}}
	for _, a := range attempts {
		out.FailedAttempts[a.Class] = a.Attempts
	}
	if pipeline == "" {
		out.Pipelines = map[string]*opsv1.PipelineBalance{}
	}
	var sum Totals
	for _, name := range names {
		if pipeline != "" && name != pipeline {
			continue
		}
		t := totals[name]
		unread, err := r.unread(ctx, name, marks[name])
		if err != nil {
			r.logger.WarnContext(ctx, "unread records are not known", "pipeline", name, "error", err)
		}
		addUnread(out.GetUnread(), unread)
		if pipeline == "" {
			out.Pipelines[name] = &opsv1.PipelineBalance{Balance: balanceOf(t.Balance), Repeats: t.Repeats, Unread: unread}
		}
	}
	for _, t := range totals {
		sum.Balance, sum.Repeats = sum.Balance.Add(t.Balance), sum.Repeats+t.Repeats
	}
	out.Balance, out.Repeats, out.AddsUp = balanceOf(sum.Balance), sum.Repeats, addsUp(totals)
	return out, nil
}

// addsUp asks each pipeline: two differences must not hide each other.
func addsUp(totals map[string]Totals) bool {
	for _, t := range totals {
		if !t.AddsUp() {
			return false
		}
	}
	return true
}

// pipelines are the names of all pipelines, by name, with the marks of those that are read.
func (r *Reader) pipelines(ctx context.Context) ([]string, map[string][]Mark, error) {
	current, err := r.store.Current(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the definitions: %w", err)
	}
	names := make([]string, len(current))
	for i, d := range current {
		names[i] = d.Name
	}
	places, err := r.store.Read().ReadingPlaces(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	marks := map[string][]Mark{}
	for _, p := range places {
		marks[p.Pipeline] = append(marks[p.Pipeline], Mark{Lane: int(p.Lane), Place: record.Place{Seq: uint64(p.Seq), Idx: uint32(p.Idx)}})
	}
	return names, marks, nil
}

// unread is what the broker says; unknown is told from none by -1.
func (r *Reader) unread(ctx context.Context, pipeline string, marks []Mark) (*opsv1.Unread, error) {
	u, err := r.broker.Unread(ctx, pipeline, marks)
	if err != nil {
		return &opsv1.Unread{Messages: -1, Bytes: -1, OldestSeconds: -1}, err
	}
	return &opsv1.Unread{Messages: u.Messages, Bytes: u.Bytes, OldestSeconds: u.Oldest.Seconds()}, nil
}

// addUnread adds what is known; one unknown makes the sum unknown.
func addUnread(sum, u *opsv1.Unread) {
	if u.GetMessages() < 0 || sum.GetMessages() < 0 {
		sum.Messages, sum.Bytes, sum.OldestSeconds = -1, -1, -1
		return
	}
	sum.Messages += u.GetMessages()
	sum.Bytes += u.GetBytes()
	sum.OldestSeconds = max(sum.GetOldestSeconds(), u.GetOldestSeconds())
}

func balanceOf(b record.Balance) *opsv1.Balance {
	return &opsv1.Balance{
		Accepted: b.Accepted, Landed: b.Landed, InFlight: b.InFlight, Retrying: b.Retrying, WaitingForParent: b.WaitingForParent,
		Unresolved: b.Unresolved, Dead: b.Dead, Superseded: b.Superseded, Discarded: b.Discarded, RolledBack: b.RolledBack,
	}
}
