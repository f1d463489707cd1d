package trial

import (
	"context"
	"errors"
	"time"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/meter"
)

// reading is what the parts have used up to a moment.
type reading struct {
	at      time.Time
	cpu     CPU
	machine meter.Machine
}

func (r *run) read() (reading, error) {
	out := reading{at: time.Now()}
	for _, part := range []struct {
		pids []int
		into *float64
	}{
		{[]int{r.parts.Services}, &out.cpu.Services},
		{r.parts.Broker, &out.cpu.Broker},
		{[]int{r.parts.Postgres}, &out.cpu.Postgres},
		{[]int{r.parts.Simulator}, &out.cpu.Simulator},
	} {
		for _, pid := range part.pids {
			d, err := meter.CPU(pid)
			if err != nil {
				return out, errors.Join(err, r.parts.Ended())
			}
			*part.into += d.Seconds()
		}
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
	before, err := meter.Each(r.parts.Postgres)
	if err != nil {
		return err
	}
	profiles := r.profile(ctx)
	shares, seen := r.watchShares(ctx), r.watchBackends(ctx)
	end, inOrg, said, use, err := r.load(ctx)
	r.out.Peak.Postgres = shares()
	ended := seen()
	if err != nil {
		return errors.Join(err, profiles())
	}
	r.out.CPU = end.cpu.minus(start.cpu)
	r.out.Elsewhere = (end.machine.Busy - start.machine.Busy).Seconds() - r.out.CPU.all() - use.CPU.Seconds()
	r.out.Stolen = (end.machine.Stolen - start.machine.Stolen).Seconds()
	r.out.CPU.Publisher, r.out.Peak.Publisher = use.CPU.Seconds(), use.Peak
	r.out.Bytes.Published, r.out.Bytes.Frames = said.Bytes, said.Frames
	if err := r.byWhom(ctx, before, ended); err != nil {
		return err
	}
	if err := profiles(); err != nil {
		return err
	}
	if err := r.times(ctx, time.Unix(0, said.First), time.Unix(0, said.Last), inOrg, end.at); err != nil {
		return err
	}
	return r.afterwards(ctx, end, database, wal)
}

// times says how long things took from the first publish on.
func (r *run) times(ctx context.Context, first, last, inOrg, end time.Time) error {
	r.out.Seconds = end.Sub(first).Seconds()
	r.out.RecordsPerSecond = float64(r.o.Records) / r.out.Seconds
	r.out.PublishSeconds, r.out.InOrgSeconds = last.Sub(first).Seconds(), inOrg.Sub(first).Seconds()
	landed, at, err := r.ledger.full(ctx, people.Pipeline, r.o.Chunk)
	if err != nil || landed == 0 {
		return err
	}
	r.out.Full = Flow{Records: landed, Seconds: at.Sub(first).Seconds()}
	return nil
}

// afterwards looks at what goes on when all have landed, and at what is left: database and wal are what the ledger had at the start.
func (r *run) afterwards(ctx context.Context, end reading, database, wal int64) error {
	settled := end
	if r.o.ProfileDir != "" { // writing profiles down took time of its own
		var err error
		if settled, err = r.read(); err != nil {
			return err
		}
	}
	if !sleep(ctx, afterFor) {
		return ctx.Err()
	}
	after, err := r.read()
	if err != nil {
		return err
	}
	r.out.After = after.cpu.minus(settled.cpu)
	grown, written, err := r.ledger.size(ctx)
	if err != nil {
		return err
	}
	r.out.Bytes.Ledger, r.out.Bytes.WAL = grown-database, written-wal
	for _, part := range []struct {
		pids []int
		into *int64
	}{{[]int{r.parts.Services}, &r.out.Peak.Services}, {r.parts.Broker, &r.out.Peak.Broker}, {[]int{r.parts.Simulator}, &r.out.Peak.Simulator}} {
		for _, pid := range part.pids {
			peak, err := meter.Peak(pid)
			if err != nil {
				return errors.Join(err, r.parts.Ended())
			}
			*part.into += peak
		}
	}
	return nil
}
