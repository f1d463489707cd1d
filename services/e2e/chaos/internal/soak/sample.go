package soak

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
	"bulkhead/services/e2e/chaos/internal/watch"
	"bulkhead/services/e2e/internal/meter"
)

//go:embed sample.sql
var sampleSQL string

const (
	// askFor bounds one question of a sample: what is killed does not answer.
	askFor = 2 * time.Second
	// maxPage bounds the page of metrics of a process.
	maxPage = 8 << 20
)

// Process is what one was at a moment.
type Process struct {
	Start  int     `json:"start"` // which one of its part, from 1
	Age    float64 `json:"age_seconds"`
	Memory int64   `json:"memory"` // bytes: resident; of PostgreSQL the proportional shares of all its processes
	// Goroutines are those of a service, Files its open file descriptors; -1 = it did not say.
	Goroutines int64 `json:"goroutines"`
	Files      int64 `json:"files"`
}

// Sample is what was seen at one moment. What did not answer is absent.
type Sample struct {
	At        float64            `json:"at_seconds"`
	Published int64              `json:"published"`
	Balance   *history.Balance   `json:"balance,omitempty"`
	Processes map[string]Process `json:"processes"`        // by part
	Ledger    map[string]int64   `json:"ledger,omitempty"` // see sample.sql
	// Messages by stream.
	Messages map[string]int64 `json:"messages,omitempty"`
}

// sampler looks at a running stack.
type sampler struct {
	stack  *stack.Stack
	target history.Target
	ledger *pgx.Conn
	broker *nats.Conn
}

func newSampler(s *stack.Stack) (*sampler, error) {
	out := &sampler{stack: s, target: s.Target()}
	var err error
	out.broker, err = nats.Connect(out.target.PlainNATSURL, nats.Name("samples"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return out, nil
}

func (s *sampler) close() {
	s.broker.Close()
	s.hangUp()
}

func (s *sampler) hangUp() {
	if s.ledger == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	_ = s.ledger.Close(ctx) // it only read
	s.ledger = nil
}

// look takes a sample; n counts them.
func (s *sampler) look(ctx context.Context, n int) Sample {
	out := Sample{Processes: map[string]Process{}}
	for _, p := range s.stack.Running() {
		if seen, err := s.process(ctx, p); err == nil { // else it has just ended
			out.Processes[p.Part] = seen
		}
	}
	if all, err := watch.Balances(ctx, s.target, n); err == nil {
		if b, ok := all[pipelineName]; ok {
			out.Balance = &b
		}
	}
	if rows, err := s.rows(ctx); err == nil {
		out.Ledger = rows
	}
	if messages, err := s.messages(ctx); err == nil {
		out.Messages = messages
	}
	return out
}

func (s *sampler) process(ctx context.Context, p stack.Running) (out Process, err error) {
	out = Process{Start: p.Start, Age: time.Since(p.Since).Seconds(), Goroutines: -1, Files: -1}
	if p.Part == stack.Postgres {
		out.Memory, err = meter.Shared(p.PID)
		return out, err
	}
	if out.Memory, err = meter.Resident(p.PID); err != nil {
		return out, err
	}
	if out.Files, err = meter.Files(p.PID); err != nil {
		return out, err
	}
	if p.Page != "" {
		if n, err := s.goroutines(ctx, p.Page); err == nil { // it may be starting
			out.Goroutines = n
		}
	}
	return out, nil
}

// web keeps no connection: what it speaks to is killed at any moment.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// goroutines asks a process's page of metrics.
func (s *sampler) goroutines(ctx context.Context, page string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+s.target.Token)
	resp, err := web.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("metrics: %s", resp.Status)
	}
	return goroutinesOf(io.LimitReader(resp.Body, maxPage))
}

// goroutinesOf reads a page of metrics in the text format of Prometheus.
func goroutinesOf(page io.Reader) (int64, error) {
	in := bufio.NewScanner(page)
	for in.Scan() {
		if text, ok := strings.CutPrefix(in.Text(), "go_goroutines "); ok {
			return strconv.ParseInt(text, 10, 64)
		}
	}
	return 0, errors.Join(errors.New("the page does not tell of goroutines"), in.Err())
}

// rows asks the ledger, by a connection that is made anew when it breaks.
func (s *sampler) rows(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if s.ledger == nil {
		conn, err := pgx.Connect(ctx, s.target.AdminDSN)
		if err != nil {
			return nil, err
		}
		s.ledger = conn
	}
	out := map[string]int64{}
	rows, err := s.ledger.Query(ctx, sampleSQL)
	if err == nil {
		var what string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&what, &n}, func() error { out[what] = n; return nil })
	}
	if err != nil {
		s.hangUp()
		return nil, err
	}
	return out, nil
}

// messages asks the broker how many its streams hold.
func (s *sampler) messages(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	js, err := jetstream.New(s.broker)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, name := range []string{bus.RecordsStream(pipelineName), bus.StreamFlow, bus.StreamDLQ} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		out[name] = int64(stream.CachedInfo().State.Msgs) //nolint:gosec // a count
	}
	return out, nil
}
