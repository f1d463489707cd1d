package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/publish"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/org"
)

// TrickleOptions say how records come one by one.
type TrickleOptions struct {
	// Options say the rest; Frame and Publishers are not used: each record is a message of its own.
	Options
	// PerSecond is how many are published in a second.
	PerSecond int
}

// TrickleResult is what became of them.
type TrickleResult struct {
	Records   int64   `json:"records"`
	PerSecond int     `json:"per_second"`
	Seconds   float64 `json:"seconds"`
	// InOrg is from a record's acknowledgement to when the org had saved it, Landed to when the ledger knew that.
	InOrg  Latency `json:"in_org_seconds"`
	Landed Latency `json:"landed_seconds"`
	// CPU is seconds for each second of the trickle.
	CPU           CPU              `json:"cpu_seconds_per_second"`
	Idle          CPU              `json:"cpu_seconds_per_idle_second"`
	Calls         Calls            `json:"api_calls"`
	Chunks        map[string]int64 `json:"chunks"`
	FailedAtFirst int64            `json:"failed_at_first"`
}

// Latency in seconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func latency(all []time.Duration) Latency {
	slices.Sort(all)
	at := func(part float64) float64 { return all[min(len(all)-1, int(part*float64(len(all))))].Seconds() }
	return Latency{P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: all[len(all)-1].Seconds()}
}

// Trickle publishes records one by one, at a steady pace, each as a message of its own, and says how long each took.
func Trickle(ctx context.Context, o TrickleOptions) (_ *TrickleResult, err error) {
	p, err := parts.Start(ctx, parts.Options{Bin: o.Bin, Definition: people.Definition(o.Chunk), SharedBuffers: o.SharedBuffers, Nodes: o.Nodes, Env: o.Env})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	l, err := openLedger(ctx, p.DSN)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if o.Failing > 0 {
		if err := p.Org.Script(ctx, people.Fault(o.Failing)); err != nil {
			return nil, err
		}
	}
	r := &run{o: o.Options, parts: p, ledger: l, out: Result{Records: o.Records}}
	first, err := r.read()
	if err != nil {
		return nil, err
	}
	if !sleep(ctx, idleFor) {
		return nil, ctx.Err()
	}
	start, err := r.read()
	if err != nil {
		return nil, err
	}
	acked, err := o.publish(ctx, p)
	if err != nil {
		return nil, err
	}
	if _, err := r.landed(ctx); err != nil {
		return nil, err
	}
	end, err := r.read()
	if err != nil {
		return nil, err
	}
	seconds := end.at.Sub(start.at).Seconds()
	out := &TrickleResult{
		Records: o.Records, PerSecond: o.PerSecond, Seconds: seconds,
		CPU: end.cpu.minus(start.cpu).over(seconds), Idle: start.cpu.minus(first.cpu).over(start.at.Sub(first.at).Seconds()),
	}
	if err := judge(ctx, p, o.Records); err != nil {
		return nil, err
	}
	if err := r.tell(ctx); err != nil {
		return nil, err
	}
	out.Calls, out.Chunks, out.FailedAtFirst = r.out.Calls, r.out.Chunks, r.out.FailedAtFirst
	return out, r.latencies(ctx, acked, out)
}

// publish returns when each record was acknowledged.
func (o TrickleOptions) publish(ctx context.Context, p *parts.Parts) (map[string]time.Time, error) {
	nc, err := nats.Connect(p.NATSURL, nats.Name("bench-trickle"))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	publisher, err := publish.New(nc, people.Pipeline)
	if err != nil {
		return nil, err
	}
	acked := make(map[string]time.Time, o.Records)
	began := time.Now()
	for i := range o.Records {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(o.PerSecond))
		if !sleep(ctx, time.Until(due)) {
			return nil, ctx.Err()
		}
		if err := publisher.Add(ctx, publish.Record{Body: people.AppendJSON(nil, i)}); err != nil {
			return nil, err
		}
		if err := publisher.Flush(ctx); err != nil {
			return nil, err
		}
		acked[people.Key(i)] = time.Now()
		if o.Progress != nil {
			o.Progress(i + 1)
		}
	}
	return acked, publisher.Close(ctx)
}

// latencies compares when records were acknowledged with when the org and the ledger had them. All clocks are this machine's.
func (r *run) latencies(ctx context.Context, acked map[string]time.Time, out *TrickleResult) error {
	known, err := r.ledger.reconciled(ctx, people.Pipeline)
	if err != nil {
		return err
	}
	var inOrg, landed []time.Duration
	err = r.parts.Org.Records(ctx, people.Object, func(rec org.Record) error {
		key := rec.Fields[people.KeyField]
		at, published := acked[key]
		reconciled, ok := known[rec.ID]
		if !published || !ok || len(rec.Versions) != 1 {
			return fmt.Errorf("row %s of the org (%s): published %t, known to the ledger %t, %d versions", rec.ID, key, published, ok, len(rec.Versions))
		}
		inOrg, landed = append(inOrg, rec.Versions[0].At.Sub(at)), append(landed, reconciled.Sub(at))
		return nil
	})
	if err != nil {
		return err
	}
	if int64(len(inOrg)) != r.o.Records {
		return fmt.Errorf("%d records were published, the org holds %d", r.o.Records, len(inOrg))
	}
	out.InOrg, out.Landed = latency(inOrg), latency(landed)
	return nil
}
