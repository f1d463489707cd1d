package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bulkhead/services/orgsim/internal/settings"
)

// Profile says how rough the weather is that Draw makes.
type Profile string

// The profiles. Each contains the one before it.
const (
	// Calm is a good day: waits, and now and then a 503 or a session that ends. A client that retries notices nothing.
	Calm Profile = "calm"
	// Rough is what a right client survives without an operator: connections that break before and after the effect,
	// answers that break off or are spoilt, limits, an org that is down for seconds, locks that a retry heals, jobs that
	// stall for a while or look as if they went backwards.
	Rough Profile = "rough"
	// Awful is what a right client accounts for although it cannot heal it all by itself: jobs that are aborted, fail or
	// vanish, result files with rows missing, doubled, foreign or rewritten.
	Awful Profile = "awful"
)

// Profiles are all of them, calmest first.
var Profiles = []Profile{Calm, Rough, Awful}

// maxCalls bounds the traffic that rules are drawn for.
const maxCalls = 1_000_000

// Draw makes a script of rules for the next calls calls of an org. It is a pure function: equal arguments give equal
// rules, and so, on equal traffic, equal faults. Every rule has an end, and an id that names where it came from.
//
// The rules name calls by their number, nth, among those that reach the rule: faults stop the rules behind them from
// being asked, so where exactly the later ones strike depends on the earlier ones, but not on chance.
func Draw(seed int64, profile Profile, calls int) ([]Rule, error) {
	level := slices.Index(Profiles, profile)
	if level < 0 {
		return nil, fmt.Errorf("profile %q is not one of %v", profile, Profiles)
	}
	if calls < 1 || calls > maxCalls {
		return nil, fmt.Errorf("calls %d must be between 1 and %d", calls, maxCalls)
	}
	d := &draw{PCG: rand.NewPCG(uint64(seed), uint64(level)), calls: uint64(calls)}
	d.calm()
	if level >= slices.Index(Profiles, Rough) {
		d.rough()
	}
	if level >= slices.Index(Profiles, Awful) {
		d.awful()
	}
	for i := range d.rules {
		d.rules[i].ID = fmt.Sprintf("%s-%d-%d", profile, seed, i+1)
	}
	return d.rules, nil
}

// draw is a script in the making.
type draw struct {
	*rand.PCG // its numbers are specified, so a seed means the same for ever
	calls     uint64
	rules     []Rule
}

// below draws a number from 0 up to, not including, n. The slight favour of a modulus for small numbers does not matter.
func (d *draw) below(n uint64) uint64 { return d.Uint64() % n }

// between draws a number of both ends included.
func (d *draw) between(low, high int) int { return low + int(d.below(uint64(high-low+1))) }

// span draws a duration in whole milliseconds.
func (d *draw) span(low, high time.Duration) settings.Duration {
	ms := d.between(int(low.Milliseconds()), int(high.Milliseconds()))
	return settings.Duration(time.Duration(ms) * time.Millisecond)
}

func (d *draw) add(r Rule) { d.rules = append(d.rules, r) }

// strike adds one rule for a call somewhere in the traffic.
func (d *draw) strike(endpoint Endpoint, e Effect) {
	n := d.calls
	if endpoint != "" { // one sort of calls is a part of the traffic only
		n = n/10 + 1
	}
	d.add(Rule{Match: Match{Endpoint: endpoint, Nth: 1 + int(d.below(n))}, Times: new(1), Effect: e})
}

// some is how many faults a share of the traffic is, at least one; share is in calls of a thousand.
func (d *draw) some(share uint64) uint64 { return d.calls*share/1000 + 1 }

func (d *draw) calm() {
	for range d.some(20) {
		d.strike("", Effect{Kind: Latency, Duration: d.span(5*time.Millisecond, 100*time.Millisecond)})
	}
	for range d.some(5) {
		d.strike("", Effect{Kind: Status, Status: 503})
	}
	d.strike("", Effect{Kind: ExpireToken})
}

// htmlError is a body that no client can read as JSON.
const htmlError = "<html><head><title>Error</title></head><body><h1>The service is unavailable.</h1></body></html>"

func (d *draw) rough() {
	effects := []Effect{
		{Kind: Status, Status: 500},
		{Kind: Status, Status: 500, When: "after"},
		{Kind: Status, Status: 502, Body: htmlError},
		{Kind: Status, Status: 503, Body: htmlError},
		{Kind: Status, Status: 503, When: "after"},
		{Kind: DropBefore},
		{Kind: DropAfter},
		{Kind: HalfReply, Bytes: 20},
		{Kind: WrongType},
		{Kind: GzipGarbage},
		{Kind: ExpireToken},
		{Kind: ExpireToken, When: "after"},
		{Kind: Quota, Quota: QuotaLongTxn},
	}
	for range d.some(40) {
		d.strike("", effects[d.below(uint64(len(effects)))])
	}
	for _, at := range []Endpoint{Create, Close, Info} { // where a lost reply hurts most
		d.strike(at, Effect{Kind: DropAfter})
	}
	d.strike(Upload, Effect{Kind: DropMid, Bytes: int64(d.between(0, 100_000))})
	d.strike(Upload, Effect{Kind: Status, Status: 503})
	for _, at := range []Endpoint{Successful, FailedRows, Unprocessed} {
		d.strike(at, Effect{Kind: HalfReply, Bytes: int64(d.between(0, 10_000))})
	}
	d.strike(Token, Effect{Kind: Status, Status: 503, Body: htmlError})
	d.add(Rule{
		Match:  Match{From: d.span(time.Second, 20*time.Second), For: d.span(500*time.Millisecond, 3*time.Second)},
		Effect: Effect{Kind: OrgDown, Format: "html"},
	})
	d.add(Rule{
		Match: Match{Fraction: float64(d.between(5, 30)) / 100, Seed: int64(d.below(1_000))}, TimesPerKey: 1,
		Effect: Effect{Kind: LockStorm},
	})
	for _, e := range []Effect{
		{Kind: JobStall, Rows: new(d.between(0, 500)), Duration: d.span(50*time.Millisecond, time.Second)},
		{Kind: JobBackwards, Count: d.between(1, 3)},
		{Kind: BatchTimeout, Count: d.between(1, 3)},
	} {
		d.add(Rule{Match: Match{After: d.between(0, 5)}, Times: new(1), Effect: e})
	}
}

func (d *draw) awful() {
	for _, e := range []Effect{
		{Kind: JobAbort, Rows: new(d.between(0, 2_000))},
		{Kind: JobFail, Rows: new(d.between(0, 2_000))},
		{Kind: JobVanish, Rows: new(d.between(0, 2_000))},
		{Kind: ForeignRows, Rows: new(d.between(1, 5))},
		{Kind: ForeignRows, Rows: new(1), Columns: map[string]string{"sf__Id": "", "sf__Created": "maybe"}},
	} {
		d.add(Rule{Match: Match{After: d.between(0, 8)}, Times: new(1), Effect: e})
	}
	for _, e := range []Effect{
		{Kind: LoseRows},
		{Kind: DoubleRows},
		{Kind: RewriteRows, Columns: map[string]string{"sf__Id": ""}},
		{Kind: RewriteRows, Columns: map[string]string{"sf__Error": "UNKNOWN_EXCEPTION:An unexpected error occurred:--", "sf__Created": "true"}},
	} {
		d.add(Rule{Match: Match{After: d.between(0, int(min(1_000, d.calls)))}, Times: new(d.between(1, 10)), Effect: e})
	}
	d.strike(Create, Effect{Kind: Quota, Quota: QuotaJobs})
	for _, at := range []Endpoint{Successful, FailedRows} {
		d.strike(at, Effect{Kind: Truncate, Bytes: int64(d.between(0, 10_000))})
	}
}
