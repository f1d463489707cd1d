package circuit

import (
	"time"

	"bulkhead/libs/record"
)

// Policy says how soon a circuit opens and how seldom an org is called while it is open. Make it with [DefaultPolicy] or [ShortPolicy].
type Policy struct {
	// Threshold is how many calls in a row of one process have to fail until a circuit opens.
	Threshold int
	// Transient and Quota are the waits after the first failure, the second and so on; the last one stays.
	Transient, Quota []time.Duration
	// Spread is the most that is added to a wait, up to a twenty-fifth of it. It is less than Probe, so that a wait can be told from a call under way.
	Spread time.Duration
	// Probe is how long the others wait for the call that is made to see whether the org is back; then one of them makes another.
	Probe time.Duration
	// Ask is when to ask again while that call is under way.
	Ask time.Duration
	// Look is how long what was read of a circuit counts as true.
	Look time.Duration
}

// DefaultPolicy is for real orgs. A single failure stops the calls for two seconds only: one lost connection costs hardly anything, and an org that is
// away is noticed by all processes with a call or two. The longest wait is as long as it may be for work to go on within a minute of the org's return;
// that of a used-up quota, which counts a rolling day, makes four calls an hour.
func DefaultPolicy() Policy {
	return Policy{
		Threshold: 1,
		Transient: []time.Duration{2 * time.Second, 30 * time.Second, 55 * time.Second},
		Quota:     []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute},
		Spread:    6 * time.Second, Probe: 10 * time.Second, Ask: time.Second, Look: time.Second,
	}
}

// ShortPolicy is for demos and tests on one machine, where faults come in dozens and are over at once.
func ShortPolicy() Policy {
	const ms = time.Millisecond
	return Policy{
		Threshold: 5,
		Transient: []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second},
		Quota:     []time.Duration{500 * ms, time.Second, 2 * time.Second, 5 * time.Second},
		Spread:    500 * ms, Probe: time.Second, Ask: 100 * ms, Look: 200 * ms,
	}
}

// wait is the wait after so many failures in a row, without what is added to it.
func (p Policy) wait(class record.Class, failures int) time.Duration {
	waits := p.Transient
	if class == record.ClassQuota {
		waits = p.Quota
	}
	return waits[min(max(failures, 1), len(waits))-1]
}

// spread is the wait with what is added to it; draw in [0,1) keeps orgs apart that went away together.
func (p Policy) spread(wait time.Duration, draw float64) time.Duration {
	return wait + time.Duration(draw*float64(min(wait/25, p.Spread)))
}
