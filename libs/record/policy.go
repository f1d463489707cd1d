package record

import (
	"fmt"
	"maps"
	"time"
)

// Policy bounds the retries of one class.
type Policy struct {
	// Attempts is the number of tries in all, the first included. Not used for quota and auth, which count nothing.
	Attempts int
	// Base is the longest wait after the first try; it doubles with each further one up to Max.
	Base, Max time.Duration
}

// Policies is the policy of each class. A class without one is dead at once.
type Policies map[Class]Policy

// DefaultPolicies is the preset `default` of a definition.
func DefaultPolicies() Policies {
	return Policies{
		ClassTransient:    {Attempts: 8, Base: time.Second, Max: 10 * time.Minute},
		ClassContention:   {Attempts: 8, Base: 2 * time.Second, Max: 5 * time.Minute},
		ClassReference:    {Attempts: 3, Base: 30 * time.Second, Max: 5 * time.Minute},
		ClassUnclassified: {Attempts: 2, Base: 30 * time.Second, Max: 5 * time.Minute},
		ClassQuota:        {Attempts: 1, Base: 30 * time.Second, Max: 5 * time.Minute},
		ClassAuth:         {Attempts: 1, Base: 30 * time.Second, Max: 5 * time.Minute},
		ClassData:         {Attempts: 1},
		ClassDuplicate:    {Attempts: 1},
		ClassPermission:   {Attempts: 1},
		ClassCode:         {Attempts: 1},
	}
}

// The bounds of `waits: short`.
const (
	shortBase = 100 * time.Millisecond
	shortMax  = 2 * time.Second
)

// Short returns a copy with the waits of `waits: short`: each base 100 ms, each maximum at most 2 s. The numbers of tries stay.
func (p Policies) Short() Policies {
	out := maps.Clone(p)
	for class, policy := range out {
		if policy.Max > 0 {
			policy.Base, policy.Max = min(policy.Base, shortBase), min(policy.Max, shortMax)
			out[class] = policy
		}
	}
	return out
}

// Verdict is what happens next to a record that did not land.
type Verdict string

// The verdicts.
const (
	// VerdictRetry: send it again after the wait.
	VerdictRetry Verdict = "retry"
	// VerdictDead: it is a dead letter.
	VerdictDead Verdict = "dead"
	// VerdictPause: the fault is the org's; the pipeline pauses and the record is sent again after the wait. The try does not count.
	VerdictPause Verdict = "pause"
)

// Decision is the answer of [Policies.Decide].
type Decision struct {
	Verdict Verdict
	// Wait is how long to wait before the next try; 0 when dead.
	Wait time.Duration
	// Counts says whether the try that was decided on counts against the record.
	Counts bool
	// Class is the class to record: the one given, unless exhausting the tries says more (what has a bound of its own ends as unclassified).
	Class Class
	// Reason says why, in words for a person.
	Reason string
}

// Decide says what follows when a try failed with class. attempt is the number of counted tries of this generation so far, that one
// included (a class that counts nothing leaves it as it was). bound is that of the error's own rule ([ClassRule.Tries]), 0 = it has none: such an
// error is sent again like its class, but no oftener than that, and is dead as unclassified, since nobody knows what it means. rnd, in
// [0,1), draws the wait: full jitter, so that records that failed together do not come back together.
func (p Policies) Decide(class Class, attempt, bound int, rnd float64) Decision {
	policy := p[class]
	if class == ClassQuota || class == ClassAuth {
		// The whole wait and no jitter: nothing is sent until a person or the next window lifts the pause.
		return Decision{
			Verdict: VerdictPause, Wait: policy.Max, Class: class,
			Reason: fmt.Sprintf("class %s is not the record's fault: the pipeline pauses and no try is counted", class),
		}
	}
	tries, deadAs := policy.Attempts, class
	if bound > 0 && class.Retried() {
		tries, deadAs = min(tries, bound), ClassUnclassified
	}
	switch {
	case tries <= 1:
		return Decision{
			Verdict: VerdictDead, Counts: true, Class: deadAs,
			Reason: fmt.Sprintf("class %s is not sent again by itself", class),
		}
	case attempt >= tries:
		return Decision{
			Verdict: VerdictDead, Counts: true, Class: deadAs,
			Reason: fmt.Sprintf("all %d tries of class %s are used up", tries, class),
		}
	}
	return Decision{
		Verdict: VerdictRetry, Wait: policy.wait(attempt, rnd), Counts: true, Class: class,
		Reason: fmt.Sprintf("try %d of %d of class %s failed", attempt, tries, class),
	}
}

// DecideUnprocessed says what follows when Salesforce never looked at a row: it is sent again, however often, and no try is counted. times is
// how often in a row that happened (1 = once); the waits grow with it as for a transient fault, so that a job that keeps being
// aborted is not repeated at full speed.
func (p Policies) DecideUnprocessed(times int, rnd float64) Decision {
	return Decision{
		Verdict: VerdictRetry, Wait: p[ClassTransient].wait(times, rnd),
		Reason: "Salesforce did not process the row: it is sent again and no try is counted",
	}
}

// wait draws the wait after the attempt-th try: between nothing and Base doubled attempt-1 times, Max at most.
func (p Policy) wait(attempt int, rnd float64) time.Duration {
	longest := p.Base
	for range attempt - 1 {
		if longest >= p.Max/2 {
			longest = p.Max
			break
		}
		longest *= 2
	}
	longest = min(longest, p.Max)
	if !(rnd >= 0 && rnd < 1) { // also NaN
		rnd = 1
	}
	return time.Duration(rnd * float64(longest))
}
