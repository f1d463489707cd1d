package weather

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

const (
	tick     = 20 * time.Millisecond // between two frames
	perFrame = 5
	lasts    = 4 * time.Second // of weather after the last frame
	calls    = 250             // about as many as a load of a seed makes
)

// weather is what happens in a case.
type weather struct {
	// size is the number of entities of each pipeline, seed draws their records.
	size int
	seed uint64
	// lasts is how long it goes on after the last frame, unless everything comes to rest before or each rule has struck as often as it may.
	lasts time.Duration
	// begin adds the rules.
	begin func()
	// restart is a service that ends in the middle of it, and is started again; "" = none.
	restart string
	// abort lets the operator abort jobs that do not move.
	abort bool
}

// live publishes a load while the rules strike, ends the weather, lets an operator do what is asked of him, and checks all that must hold then.
func (s *stack) live(w weather) {
	s.T.Helper()
	l := newLoad(s, w.size, w.seed)
	w.begin()
	pace := time.NewTicker(tick)
	defer pace.Stop()
	var queues [][][]*entry
	for _, p := range pipelines {
		queues = append(queues, l.frames(p, perFrame))
	}
	for round, more := 0, true; more; round++ {
		if more = false; round == 3 && w.restart != "" {
			s.restart(w.restart)
		}
		for i, p := range pipelines {
			if len(queues[i]) == 0 {
				continue
			}
			<-pace.C
			s.publish(p, l.run, queues[i][0])
			queues[i] = queues[i][1:]
			more = true
		}
		s.Balance("", l.run) // adds up at every look
	}
	inprocess.Within(w.lasts, seldom(func() bool {
		b := s.Balance("", l.run)
		return b.Calm() && b.Unresolved == 0 && b.Accepted == l.size() || s.spent()
	}))
	hits := map[simtest.Kind]int{}
	for _, f := range s.Sim.Faults() {
		hits[f.Effect.Kind] += f.Hits
	}
	s.Sim.ClearFaults()
	o := &operator{s: s, l: l, abort: w.abort, did: map[string]int{}}
	o.rest()
	check(s, l)
	s.T.Logf("the weather: %v; the operator: %v; the balance: %+v", hits, o.did, s.Balance("", l.run).Balance)
}

// spent says that no rule will strike any more.
func (s *stack) spent() bool {
	s.T.Helper()
	for _, f := range s.Sim.Faults() {
		if f.Times == nil || *f.Times == 0 || f.Hits < *f.Times {
			return false
		}
	}
	return true
}

func (l *load) size() (n int64) {
	for _, list := range l.entries {
		n += int64(len(list))
	}
	return n
}

// on runs a case on a stack that several share: what a stack's methods fail is the case's test.
func (s *stack) on(t *testing.T, name string, run func(s *stack)) bool {
	return t.Run(name, func(t *testing.T) {
		outer := s.T
		s.T = t
		defer func() { s.T = outer }()
		run(s)
	})
}

// everywhere are one rule for each of the calls that a load makes.
func everywhere(times int, e simtest.Effect) []simtest.Fault {
	var out []simtest.Fault
	for _, at := range []simtest.Endpoint{
		simtest.Create, simtest.Upload, simtest.Close, simtest.Info, simtest.Successful, simtest.FailedRows, simtest.Unprocessed, simtest.Query, simtest.Collections,
	} {
		out = append(out, simtest.Fault{Match: simtest.Match{Endpoint: at}, Times: simtest.Times(times), Effect: e})
	}
	return out
}

func times(n int, e simtest.Effect) []simtest.Fault {
	return []simtest.Fault{{Times: simtest.Times(n), Effect: e}}
}

// perPipeline are one rule for each object.
func perPipeline(after, times int, e simtest.Effect) []simtest.Fault {
	var out []simtest.Fault
	for _, p := range pipelines {
		out = append(out, simtest.Fault{Match: simtest.Match{Object: p.object, After: after}, Times: simtest.Times(times), Effect: e})
	}
	return out
}

// kinds are the weathers of one kind.
var kinds = []struct {
	name  string
	rules []simtest.Fault
	abort bool
}{
	{name: "every call is answered as if the org were down, the login too", rules: []simtest.Fault{
		{Match: simtest.Match{From: simtest.Duration(200 * time.Millisecond), For: simtest.Duration(1500 * time.Millisecond)}, Effect: simtest.Effect{Kind: simtest.OrgDown, Format: "html"}},
		{Match: simtest.Match{Endpoint: simtest.Token}, Times: simtest.Times(3), Effect: simtest.Effect{Kind: simtest.Status, Status: 503}},
	}},
	{name: "limits are used up: calls of the day, calls that take long, jobs of the day", rules: slices.Concat(
		times(8, simtest.Effect{Kind: simtest.Quota, Quota: simtest.QuotaDaily}), times(8, simtest.Effect{Kind: simtest.Quota, Quota: simtest.QuotaLongTxn}),
		times(3, simtest.Effect{Kind: simtest.Quota, Quota: simtest.QuotaJobs}))},
	{name: "sessions end, before a call and behind it", rules: append(
		everywhere(2, simtest.Effect{Kind: simtest.ExpireToken}), everywhere(2, simtest.Effect{Kind: simtest.ExpireToken, When: "after"})...)},
	{name: "answers are called something else", rules: everywhere(3, simtest.Effect{Kind: simtest.WrongType})},
	{name: "answers are no gzip", rules: append(
		everywhere(2, simtest.Effect{Kind: simtest.GzipGarbage}), everywhere(2, simtest.Effect{Kind: simtest.GzipGarbage, Bytes: 30})...)},
	{name: "answers are far larger than they look", rules: []simtest.Fault{ // few: inflating takes its time under the race detector
		{Match: simtest.Match{Endpoint: simtest.Info}, Effect: simtest.Effect{Kind: simtest.GzipBomb, Bytes: 33 << 20}},
		{Match: simtest.Match{Endpoint: simtest.Successful}, Effect: simtest.Effect{Kind: simtest.GzipBomb, Bytes: 33 << 20}},
	}},
	{name: "replies are lost after the effect", rules: everywhere(3, simtest.Effect{Kind: simtest.DropAfter})},
	{name: "replies break off, with and without a word", rules: append(
		everywhere(2, simtest.Effect{Kind: simtest.HalfReply, Bytes: 40}), everywhere(2, simtest.Effect{Kind: simtest.Truncate, Bytes: 40})...)},
	{name: "uploads are refused with the effect already there", rules: []simtest.Fault{
		{Match: simtest.Match{Endpoint: simtest.Upload}, Times: simtest.Times(3), Effect: simtest.Effect{Kind: simtest.Status, Status: 503, When: "after"}},
		{Match: simtest.Match{Endpoint: simtest.Close}, Times: simtest.Times(3), Effect: simtest.Effect{Kind: simtest.Status, Status: 500, When: "after"}},
		{Match: simtest.Match{Endpoint: simtest.Upload}, Times: simtest.Times(2), Effect: simtest.Effect{Kind: simtest.DropMid, Bytes: 50}},
	}},
	{name: "rows meet locks", rules: []simtest.Fault{
		{Match: simtest.Match{Fraction: 0.4, Seed: 7}, TimesPerKey: 2, Effect: simtest.Effect{Kind: simtest.LockStorm}},
	}},
	{name: "jobs seem to go backwards", rules: perPipeline(0, 2, simtest.Effect{Kind: simtest.JobBackwards, Count: 2})},
	{name: "batches run out of time", rules: perPipeline(0, 2, simtest.Effect{Kind: simtest.BatchTimeout, Count: 3})},
	{name: "jobs stall, some for ever", abort: true, rules: append(
		perPipeline(0, 1, simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(2), Duration: simtest.Duration(500 * time.Millisecond)}),
		perPipeline(1, 1, simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(3)})...)},
	{name: "jobs are aborted and fail in the middle", rules: slices.Concat(
		perPipeline(0, 1, simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(3)}),
		perPipeline(0, 1, simtest.Effect{Kind: simtest.JobFail, Rows: simtest.AfterRows(3), Message: "InternalServerError : something went wrong"}))},
	{name: "jobs vanish in the middle and at their end", rules: append(
		perPipeline(0, 1, simtest.Effect{Kind: simtest.JobVanish, Rows: simtest.AfterRows(3)}), perPipeline(1, 1, simtest.Effect{Kind: simtest.JobVanish})...)},
	{name: "rows stand in no result file, or twice", rules: append(
		perPipeline(0, 2, simtest.Effect{Kind: simtest.DoubleRows}), perPipeline(3, 5, simtest.Effect{Kind: simtest.LoseRows})...)},
	{name: "result files lie about rows", rules: append(append(
		perPipeline(1, 4, simtest.Effect{Kind: simtest.RewriteRows, Columns: map[string]string{"sf__Id": ""}}),
		perPipeline(4, 2, simtest.Effect{Kind: simtest.RewriteRows, Columns: map[string]string{"Ext__c": "somebody else"}})...),
		perPipeline(6, 2, simtest.Effect{Kind: simtest.RewriteRows, Columns: map[string]string{"sf__Error": "UNKNOWN_EXCEPTION:An unexpected error occurred:--"}})...)},
	{name: "result files hold rows that nobody sent", rules: perPipeline(0, 1, simtest.Effect{Kind: simtest.ForeignRows, Rows: simtest.AfterRows(2)})},
}

// together is how many stacks the kinds share: they mostly wait, so several live side by side.
const together = 4

// TestEachKindOfWeather lets faults of one kind strike at a time.
func TestEachKindOfWeather(t *testing.T) {
	t.Parallel()
	for i := range together {
		t.Run(fmt.Sprintf("stack %d", i+1), func(t *testing.T) {
			t.Parallel()
			s := newStack(t, func(o *inprocess.Options) { o.ByJobs = true }) // most kinds are of jobs; seeds go by calls too
			for n := i; n < len(kinds); n += together {
				k := kinds[n]
				if !s.on(t, k.name, func(s *stack) {
					s.live(weather{size: 9, seed: uint64(n), lasts: lasts, abort: k.abort, begin: func() {
						for _, r := range k.rules {
							s.Sim.AddFault(r)
						}
					}})
				}) {
					return // what a case that failed left behind is no matter of the next one
				}
			}
			checkJobs(s)
		})
	}
}

// TestTheWeatherOfASeed lets all kinds strike together, as a seed draws them.
func TestTheWeatherOfASeed(t *testing.T) {
	t.Parallel()
	first, seeds := number(t, "BULKHEAD_WEATHER_FIRST", 1), number(t, "BULKHEAD_WEATHER_SEEDS", 1)
	s := newStack(t)
	for seed := first; seed < first+seeds; seed++ {
		for _, profile := range []simtest.Profile{simtest.Calm, simtest.Rough, simtest.Awful} {
			if seeds == 1 && profile == simtest.Calm {
				continue // each profile contains those before it
			}
			if !s.on(t, fmt.Sprintf("%s, seed %d", profile, seed), func(s *stack) {
				names := inprocess.Services()[1:] // all but ops, which everything is asked of
				s.live(weather{
					size: 24, seed: uint64(seed), lasts: lasts, abort: true, restart: names[seed%len(names)],
					begin: func() { s.Sim.Draw(int64(seed), profile, calls) },
				})
			}) {
				t.Logf("once more: BULKHEAD_WEATHER_FIRST=%d go test ./e2e/weather -run TestTheWeatherOfASeed", seed)
				s.StopAll()
				s = newStack(t)
			}
		}
	}
	checkJobs(s)
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q must be a number above 0", name, text)
	}
	return n
}
