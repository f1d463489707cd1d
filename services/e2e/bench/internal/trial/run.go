package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/bench/internal/meter"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/pump"
)

const (
	// lookEvery is how often the org is asked how many rows it holds, and askEvery the ledger when it holds all.
	lookEvery, askEvery = 50 * time.Millisecond, 10 * time.Millisecond
	// stalled is how long nothing may land before the run is given up.
	stalled = 3 * time.Minute
	// idleFor and afterFor are how long the parts are looked at before and after.
	idleFor, afterFor = 2 * time.Second, 3 * time.Second
	// shareEvery is how often PostgreSQL's memory is looked at: adding it up takes some milliseconds.
	shareEvery = time.Second
)

// Options of one run.
type Options struct {
	Records    int64
	Frame      int // records in a frame
	Publishers int // frames that are on their way at a time
	Failing    float64
	Chunk      people.Chunk
	// Keys are given by the publisher; else they are made from the content.
	Keys bool
	// Bin is the directory of parts.Build, Self this program, which is the publisher too.
	Bin, Self     string
	SharedBuffers string
	Env           []string
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
		Bin: o.Bin, Definition: people.Definition(o.Chunk), Profile: o.ProfileDir != "", SharedBuffers: o.SharedBuffers, Env: o.Env,
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
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	if err := judge(ctx, p, o.Records); err != nil {
		return nil, err
	}
	return &r.out, r.tell(ctx)
}

// reading is what the parts have used up to a moment.
type reading struct {
	at      time.Time
	cpu     CPU
	machine meter.Machine
}

func (r *run) read() (reading, error) {
	out := reading{at: time.Now()}
	for _, part := range []struct {
		pid  int
		into *float64
	}{
		{r.parts.Services, &out.cpu.Services},
		{r.parts.Broker, &out.cpu.Broker},
		{r.parts.Postgres, &out.cpu.Postgres},
		{r.parts.Simulator, &out.cpu.Simulator},
	} {
		d, err := meter.CPU(part.pid)
		if err != nil {
			return out, errors.Join(err, r.parts.Ended())
		}
		*part.into = d.Seconds()
	}
	own, err := r.ledger.cost()
	if err != nil {
		return out, err
	}
	out.cpu.Postgres -= own.Seconds()
	out.machine, err = meter.ReadMachine()
	return out, err
}

// minus is what was used between two readings.
func (c CPU) minus(o CPU) CPU {
	return CPU{
		Services: c.Services - o.Services, Broker: c.Broker - o.Broker, Postgres: c.Postgres - o.Postgres,
		Simulator: c.Simulator - o.Simulator, Publisher: c.Publisher - o.Publisher,
	}
}

// all is what every part took.
func (c CPU) all() float64 { return c.Product() + c.Simulator + c.Publisher }

func (c CPU) over(seconds float64) CPU {
	return CPU{Services: c.Services / seconds, Broker: c.Broker / seconds, Postgres: c.Postgres / seconds, Simulator: c.Simulator / seconds}
}

func (r *run) measure(ctx context.Context) error {
	first, err := r.read()
	if err != nil {
		return err
	}
	if !sleep(ctx, idleFor) {
		return ctx.Err()
	}
	start, err := r.read()
	if err != nil {
		return err
	}
	r.out.Idle = start.cpu.minus(first.cpu).over(start.at.Sub(first.at).Seconds())
	database, wal, err := r.ledger.size(ctx)
	if err != nil {
		return err
	}
	profiles := r.profile(ctx)
	shares := r.watchShares(ctx)
	end, inOrg, said, use, err := r.load(ctx)
	r.out.Peak.Postgres = shares()
	if err != nil {
		return errors.Join(err, profiles())
	}
	r.out.Seconds = end.at.Sub(time.Unix(0, said.First)).Seconds()
	r.out.RecordsPerSecond = float64(r.o.Records) / r.out.Seconds
	r.out.InOrgSeconds = inOrg.Sub(time.Unix(0, said.First)).Seconds()
	r.out.PublishSeconds = time.Duration(said.Last - said.First).Seconds()
	r.out.CPU = end.cpu.minus(start.cpu)
	r.out.Elsewhere = (end.machine.Busy - start.machine.Busy).Seconds() - r.out.CPU.all() - use.CPU.Seconds()
	r.out.Stolen = (end.machine.Stolen - start.machine.Stolen).Seconds()
	r.out.CPU.Publisher, r.out.Peak.Publisher = use.CPU.Seconds(), use.Peak
	r.out.Bytes.Published, r.out.Bytes.Frames = said.Bytes, said.Frames
	if err := profiles(); err != nil {
		return err
	}
	settled, err := r.read()
	if err != nil {
		return err
	}
	if !sleep(ctx, afterFor) {
		return ctx.Err()
	}
	after, err := r.read()
	if err != nil {
		return err
	}
	if r.o.ProfileDir == "" { // writing profiles down takes time of its own
		settled = end
	}
	r.out.After = after.cpu.minus(settled.cpu)
	grown, written, err := r.ledger.size(ctx)
	if err != nil {
		return err
	}
	r.out.Bytes.Ledger, r.out.Bytes.WAL = grown-database, written-wal
	for _, part := range []struct {
		pid  int
		into *int64
	}{{r.parts.Services, &r.out.Peak.Services}, {r.parts.Broker, &r.out.Peak.Broker}, {r.parts.Simulator, &r.out.Peak.Simulator}} {
		if *part.into, err = meter.Peak(part.pid); err != nil {
			return errors.Join(err, r.parts.Ended())
		}
	}
	return nil
}

// load has everything published and waits until it has landed.
func (r *run) load(ctx context.Context) (end reading, inOrg time.Time, said pump.Result, use parts.Use, err error) {
	var heard error
	publisher, err := r.parts.Tool("publisher", r.o.Self, func(line []byte) { heard = json.Unmarshal(line, &said) },
		"publish", "--nats", r.parts.NATSURL, "--records", strconv.FormatInt(r.o.Records, 10), "--frame", strconv.Itoa(r.o.Frame),
		"--publishers", strconv.Itoa(r.o.Publishers), "--keys="+strconv.FormatBool(r.o.Keys))
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

// watchShares looks at PostgreSQL's memory until the function that it returns is called, which says the most that was seen.
func (r *run) watchShares(ctx context.Context) func() int64 {
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan int64, 1)
	go func() {
		var peak int64
		for {
			if n, err := meter.Shared(r.parts.Postgres); err == nil { // without the right to look it stays unknown: 0
				peak = max(peak, n)
			}
			if !sleep(ctx, shareEvery) {
				most <- peak
				return
			}
		}
	}()
	return func() int64 {
		cancel()
		return <-most
	}
}

// tell fills in what can be asked when the clock has stopped.
func (r *run) tell(ctx context.Context) (err error) {
	if r.out.FailedAtFirst, err = r.parts.Org.Hits(ctx); err != nil {
		return err
	}
	if r.out.Chunks, err = r.ledger.chunks(ctx); err != nil {
		return err
	}
	if err := r.calls(ctx); err != nil {
		return err
	}
	return r.streams(ctx)
}

func (r *run) calls(ctx context.Context) error {
	jobs, err := r.ledger.jobs(ctx)
	if err != nil {
		return err
	}
	all, err := r.parts.Org.Calls(ctx)
	if err != nil {
		return err
	}
	c := &r.out.Calls
	if c.Abandoned, err = r.ledger.abandoned(ctx); err != nil {
		return err
	}
	c.By = map[string]int64{}
	made := map[string]bool{}
	for _, call := range all {
		if !call.Counted() {
			continue
		}
		c.Total++
		c.By[call.Endpoint]++
		if call.Job != "" {
			made[call.Job] = true
			r.out.Bytes.Uploaded += call.Received
			r.out.Bytes.Downloaded += call.Sent
		}
		switch kind := jobs[call.Job]; {
		case call.Job == "":
			c.Other++
		case kind == "fresh":
			c.Fresh++
		default:
			c.Again++
		}
	}
	c.Jobs = int64(len(made))
	return nil
}

// streams asks the broker what it holds.
func (r *run) streams(ctx context.Context) error {
	nc, err := nats.Connect(r.parts.NATSURL, nats.Name("bench"))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for name, into := range map[string]*int64{
		bus.RecordsStream(people.Pipeline): &r.out.Bytes.Records, bus.StreamFlow: &r.out.Bytes.Flow, bus.StreamDLQ: &r.out.Bytes.DLQ,
	} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("broker: stream %s: %w", name, err)
		}
		*into = int64(s.CachedInfo().State.Bytes) //nolint:gosec // no disk holds more
	}
	return nil
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
