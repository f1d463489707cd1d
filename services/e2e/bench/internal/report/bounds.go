package report

import (
	"fmt"
	"slices"

	"bulkhead/libs/pipeline"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/marked"
)

// Bound is a figure that shall not be passed.
type Bound struct {
	What  string
	Limit float64
	Least bool // the figure shall be at least the limit; else at most
	Value float64
	// Known is false when a case of it was not measured.
	Known bool
}

// Held says whether the figure keeps to it; a bound that was not measured is neither held nor broken.
func (b Bound) Held() bool {
	if b.Least {
		return b.Value >= b.Limit
	}
	return b.Value <= b.Limit
}

// Broken says that it was measured and does not hold.
func (b Bound) Broken() bool { return b.Known && !b.Held() }

func (b Bound) limit() string {
	if b.Least {
		return "at least " + number(b.Limit)
	}
	return "at most " + number(b.Limit)
}

func (b Bound) verdict() string {
	switch {
	case !b.Known:
		return b.limit() + ": not measured"
	case b.Held():
		return fmt.Sprintf("%s, %s: held", number(b.Value), b.limit())
	default:
		return fmt.Sprintf("%s, %s: NOT HELD", number(b.Value), b.limit())
	}
}

// number has four digits or more.
func number(v float64) string {
	if v >= 1000 {
		return marked.Count(int64(v))
	}
	return fmt.Sprintf("%.4g", v)
}

// failing is the part of refused rows in the cases that have bounds.
const failing = 0.05

// usualRecords is how many are loaded where most bounds are.
const usualRecords = 1_000_000

// calls are the most that a load may cost, as docs/guides/definitions.md says: a job for each full chunk and one for each lane, or the calls of
// collections where what is left in a lane is few rows.
func calls(records int64, chunk people.Chunk) float64 {
	const (
		job  = 7  // create, upload, close, two looks, two result files
		rest = 10 // 2,000 rows, the most that go by collections, 200 a call
	)
	return float64(job*(records/int64(chunk.Rows)) + rest*pipeline.DefaultLanes)
}

// SteadyRate is at how many records a second growth is measured. A processor that is shared with another thread of its core takes longer for the same
// work: ten million that keep the machine busy for minutes seem to cost a quarter more than a million that are over before it is.
const SteadyRate = 40_000

// find looks for the case that a bound is about, published at a rate; 0 = as fast as it goes.
func (r *Report) find(records int64, chunk people.Chunk, rate int64) *Measured {
	for i, c := range r.Cases {
		if c.Case == (Case{Records: records, Chunk: chunk, Failing: failing, Rate: rate}) {
			return &r.Cases[i]
		}
	}
	return nil
}

// perMillion is what services, broker and ledger took of CPU for a million records.
func (c *Measured) perMillion() float64 { return c.Median.CPU.Product() / float64(c.Records) * mega }

// Bounds are what records may cost. Of a call that measured none of the cases with bounds there are none.
func (r *Report) Bounds() []Bound {
	load, largest := r.find(usualRecords, people.Load(), 0), r.find(usualRecords, people.Largest(), 0)
	steady, huge := r.find(usualRecords, people.Load(), SteadyRate), r.find(10_000_000, people.Load(), SteadyRate)
	var out []Bound
	bound := func(b Bound, value func() float64, of ...*Measured) {
		if b.Known = !slices.Contains(of, nil); b.Known {
			b.Value = value()
		}
		out = append(out, b)
	}
	bound(Bound{What: "CPU s per million: services, nats-server and PostgreSQL; 1,000,000 in chunks for loads", Limit: 16}, func() float64 { return load.perMillion() }, load)
	for _, of := range []struct {
		words string
		chunk people.Chunk
	}{{"1,000,000 in chunks for loads", people.Load()}, {"1,000,000 in default chunks", people.Usual()}} {
		c, small := r.find(usualRecords, of.chunk, 0), r.find(200_000, of.chunk, 0)
		bound(Bound{What: "records/s from the first publish to the last landed; " + of.words, Limit: 40_000, Least: true}, func() float64 { return c.Median.RecordsPerSecond }, c)
		bound(Bound{What: "peak MB of all services; " + of.words, Limit: 300}, func() float64 { return float64(c.Median.Peak.Services) / mega }, c)
		bound(Bound{What: "peak memory of all services to that at 200,000; " + of.words, Limit: 1.2}, func() float64 {
			return float64(c.Median.Peak.Services) / float64(max(1, small.Median.Peak.Services))
		}, c, small)
	}
	bound(Bound{What: "API calls about fresh records; 1,000,000 in the largest chunks", Limit: 16}, func() float64 {
		return float64(largest.Median.Calls.Fresh) / float64(largest.Records) * mega
	}, largest)
	usual := r.find(usualRecords, people.Usual(), 0)
	bound(Bound{What: "API calls about fresh records; 1,000,000 in default chunks", Limit: calls(usualRecords, people.Usual())}, func() float64 { return float64(usual.Median.Calls.Fresh) }, usual)
	bound(Bound{What: "CPU per record of 10,000,000 to that of 1,000,000; chunks for loads, both at 40,000 a second", Limit: 1.2}, func() float64 {
		return huge.perMillion() / max(steady.perMillion(), 1e-9)
	}, huge, steady)
	for _, b := range out {
		if b.Known {
			return out
		}
	}
	return nil
}
