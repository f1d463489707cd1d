package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/pump"
)

const (
	// lookEvery is how often the org is asked how many rows it holds, and askEvery the ledger when it holds all.
	lookEvery, askEvery = 50 * time.Millisecond, 10 * time.Millisecond
	// stalled is how long nothing may land before the run is given up.
	stalled = 3 * time.Minute
	// idleFor and afterFor are how long the parts are looked at before and after.
	idleFor, afterFor = 2 * time.Second, 3 * time.Second
)

// Options of one run.
type Options struct {
	Records    int64
	Frame      int   // records in a frame
	Publishers int   // frames that are on their way at a time
	Rate       int64 // records a second that are published; 0 = as fast as they are taken
	Failing    float64
	Chunk      people.Chunk
	// Keys are given by the publisher; else they are made from the content.
	Keys bool
	// Bin is the directory of parts.Build, Self this program, which is the publisher too.
	Bin, Self     string
	SharedBuffers string
	// Nodes is how many servers the broker has; above 1 it is a cluster, with as many replicas of each stream.
	Nodes int
	Env   []string
	// ProfileDir gets profiles and statistics; "" = none are taken.
	ProfileDir string
	// Progress is told how many rows the org holds.
	Progress func(rows int64)
}

// run is one run under way.
type run struct {
	o      Options
	parts  *parts.Parts
	ledger *ledger
	out    Result
}

// Run makes one run.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	p, err := parts.Start(ctx, parts.Options{
		Bin: o.Bin, Definition: people.Definition(o.Chunk), Profile: o.ProfileDir != "", SharedBuffers: o.SharedBuffers, Nodes: o.Nodes, Env: o.Env,
	})
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
	r := &run{o: o, parts: p, ledger: l, out: Result{Records: o.Records}}
	if err := r.safe(ctx); err != nil {
		return nil, err
	}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	if err := judge(ctx, p, o.Records); err != nil {
		return nil, err
	}
	if err := r.tell(ctx); err != nil {
		return nil, err
	}
	return &r.out, r.keep()
}

// ResultFile stands beside the profiles of a run: what they are parts of.
const ResultFile = "result.json"

func (r *run) keep() error {
	if r.o.ProfileDir == "" {
		return nil
	}
	text, err := json.MarshalIndent(&r.out, "", " ")
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return os.WriteFile(filepath.Join(r.o.ProfileDir, ResultFile), append(text, '\n'), 0o644) //nolint:gosec // figures are no secret
}

// load has everything published and waits until it has landed.
func (r *run) load(ctx context.Context) (end reading, inOrg time.Time, said pump.Result, use parts.Use, err error) {
	var heard error
	publisher, err := r.parts.Tool("publisher", r.o.Self, func(line []byte) { heard = json.Unmarshal(line, &said) },
		"publish", "--nats", r.parts.NATSURL, "--records", strconv.FormatInt(r.o.Records, 10), "--frame", strconv.Itoa(r.o.Frame),
		"--publishers", strconv.Itoa(r.o.Publishers), "--keys="+strconv.FormatBool(r.o.Keys), "--rate", strconv.FormatInt(r.o.Rate, 10))
	if err != nil {
		return end, inOrg, said, use, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var waiting sync.WaitGroup
	var failed error
	waiting.Go(func() {
		use, failed = publisher.Wait(ctx)
		if failed != nil {
			cancel(failed)
		}
	})
	inOrg, err = r.landed(ctx)
	if err == nil {
		end, err = r.read()
	}
	if err != nil {
		cancel(err)
	}
	waiting.Wait()
	if err = errors.Join(err, failed, heard); err == nil && said.Records != r.o.Records {
		err = fmt.Errorf("the publisher says that it published %d records of %d", said.Records, r.o.Records)
	}
	return end, inOrg, said, use, err
}

// landed waits until the ledger says that all have landed, and returns when the org held them all.
func (r *run) landed(ctx context.Context) (inOrg time.Time, err error) {
	moved, last := time.Now(), int64(-1)
	for {
		var n int64
		rest := lookEvery
		if inOrg.IsZero() {
			n, err = r.parts.Org.Rows(ctx, people.Object)
			if err == nil && r.o.Progress != nil {
				r.o.Progress(n)
			}
			if n == r.o.Records {
				inOrg, n = time.Now(), -1
			}
		} else {
			rest = askEvery
			n, err = r.ledger.landed(ctx, people.Pipeline)
			if n == r.o.Records {
				return inOrg, nil
			}
		}
		if err != nil {
			return inOrg, errors.Join(err, r.parts.Ended())
		}
		if n != last {
			moved, last = time.Now(), n
		}
		if ended := r.parts.Ended(); ended != nil {
			return inOrg, ended
		}
		if time.Since(moved) > stalled {
			b, err := balance(ctx, r.parts)
			return inOrg, errors.Join(fmt.Errorf("nothing moved for %s; the balance is %v", stalled, b), err)
		}
		if !sleep(ctx, rest) {
			return inOrg, context.Cause(ctx)
		}
	}
}

// Self is this program, which is started again as publisher.
func Self() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return self, nil
}

// sleep waits and says whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
