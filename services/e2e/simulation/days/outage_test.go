//go:build !race

package days_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// outage is how long the org is away.
const outage = 30 * time.Minute

// standing is work as it stands in production on an ordinary day: every so often some records of each pipeline, and an org that takes its time.
type standing struct {
	every time.Duration // between two lots
	queue time.Duration // a job waits in the org
	alone bool          // there are contacts only
}

// pipelines are those that have work.
func (s standing) pipelines() []string {
	if s.alone {
		return []string{"contacts"}
	}
	return []string{"contacts", "members"}
}

// load publishes for a time, a lot at a time, and gives the keys of each pipeline.
func (s standing) load(w *world, d time.Duration) (contacts, members []string) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(s.every) {
		name := fmt.Sprintf("k%d", w.published)
		c := keys("c-"+name, 5)
		w.publish("contacts", records(contact, c...)...)
		contacts = append(contacts, c...)
		if s.alone {
			continue
		}
		m := keys("m-"+name, 5)
		w.publish("members", records(member, m...)...)
		members = append(members, m...)
	}
	return contacts, members
}

// played is what a half hour of standing work came to.
type played struct {
	calls []call
	// closes are the jobs that were closed in each minute after it, until everything had landed.
	closes []int
}

// halfAnHour plays ten minutes of standing work, and half an hour more in which the org is away or not, and waits until all has landed.
func (s standing) halfAnHour(t *testing.T, away bool) (p played) {
	w := open(t, options{pipelines: s.pipelines(), queue: s.queue})
	defer w.end()
	contacts, members := s.load(w, 10*time.Minute)
	since := w.lastCall()
	if away {
		w.fault(fmt.Sprintf(`{"match":{"for":%q},"effect":{"kind":"org_down"}}`, outage))
	}
	c, m := s.load(w, outage)
	contacts, members = append(contacts, c...), append(members, m...)
	back := time.Now()
	p.calls = w.calls(since)
	if away {
		s.nobodyBlamed(w, p.calls)
	}
	last := w.lastCall()
	want := len(contacts) + len(members)
	w.within(2*time.Hour, "all land", func() bool { return int(w.balance("").Landed) == want })
	w.waited()
	w.once("Contact", "External_Id__c", contacts...)
	if !s.alone {
		w.once("Member__c", "Number__c", members...)
	}
	for _, c := range w.calls(last) {
		if c.Endpoint == "close" && c.Applied {
			minute := int(c.At.Sub(back) / time.Minute)
			for len(p.closes) <= minute {
				p.closes = append(p.closes, 0)
			}
			p.closes[minute]++
		}
	}
	return p
}

// nobodyBlamed wants an org that answered nothing, and records that wait for it.
func (s standing) nobodyBlamed(w *world, calls []call) {
	for _, c := range calls {
		if c.Applied {
			w.t.Fatalf("the org was not away: %+v", c)
		}
	}
	w.waited()
	for _, p := range s.pipelines() {
		if why := w.paused(p); why != "" {
			w.t.Errorf("%s is paused: %s", p, why)
		}
	}
}

// The healthy rate is that of the very same work over the same half hour in a world whose org is there: calls of every kind, those of logins and of the
// search for orphans too. What is called while the org is away does not depend on the work that waits: it is a call or two of each service until the circuit
// is open, and one a minute or so after that.
//
// Full speed is that at which the backlog is worked off later: jobs closed in a minute, bounded by the lanes.
func TestAnOrgThatIsAwayForHalfAnHour(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		standing
	}{
		{"when there is much to do", standing{every: 20 * time.Second, queue: 5 * time.Second}},
		{"when there is little to do", standing{every: time.Minute, queue: time.Second, alone: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var there, away played
			bubble.Test(t, func(t *testing.T) { there = test.halfAnHour(t, false) })
			bubble.Test(t, func(t *testing.T) { away = test.halfAnHour(t, true) })
			t.Logf("%d calls when it is there, %v\n%d when it is away, %v; jobs closed per minute afterwards: %v", len(there.calls), byEndpoint(there.calls),
				len(away.calls), byEndpoint(away.calls), away.closes)
			t.Run("it costs no more calls than when it is there", func(t *testing.T) {
				if ratio := float64(len(away.calls)) / float64(len(there.calls)); ratio > 1.1 {
					t.Errorf("the outage cost %.2f times the healthy calls", ratio)
				}
				if len(away.calls) > 45 {
					t.Errorf("%d calls in half an hour are more than one in forty seconds", len(away.calls))
				}
			})
			t.Run("work has its full speed a minute after the org is back", func(t *testing.T) {
				if len(away.closes) < 4 {
					return // the whole backlog is gone by then
				}
				soon, later := away.closes[1], 0
				rest := away.closes[2 : len(away.closes)-1] // whole minutes
				for _, n := range rest {
					later += n
				}
				if soon*len(rest) < later*8/10 {
					t.Errorf("in the minute behind the first %d jobs were closed, in the %d behind it %d", soon, len(rest), later)
				}
			})
		})
	}
}

func TestAnOrgThatIsAwayForFiveMinutes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		standing
	}{
		{"when there is much to do", standing{every: 5 * time.Second, queue: 5 * time.Second}},
		{"when there is little to do", standing{every: time.Minute, queue: time.Second, alone: true}},
	} {
		t.Run("costs fewer than ten calls "+test.name, func(t *testing.T) {
			t.Parallel()
			bubble.Test(t, func(t *testing.T) {
				w := open(t, options{pipelines: test.pipelines(), queue: test.queue})
				defer w.end()
				contacts, members := test.load(w, 3*time.Minute)
				since := w.lastCall()
				w.fault(`{"match":{"for":"5m"},"effect":{"kind":"org_down"}}`)
				c, m := test.load(w, 5*time.Minute)
				back := time.Now()
				contacts, members = append(contacts, c...), append(members, m...)
				calls := w.calls(since)
				t.Logf("%d calls: %v", len(calls), byEndpoint(calls))
				if len(calls) >= 10 {
					t.Errorf("%d calls", len(calls))
				}
				test.nobodyBlamed(w, calls)
				w.within(time.Hour, "all land", func() bool { return int(w.balance("").Landed) == len(contacts)+len(members) })
				first := time.Hour
				for _, call := range w.calls(since) {
					if call.Status/100 == 2 {
						first = min(first, call.At.Sub(back))
					}
				}
				if first > time.Minute {
					t.Errorf("the org was called again %s after it was back", first)
				}
				w.waited()
				w.once("Contact", "External_Id__c", contacts...)
				if !test.alone {
					w.once("Member__c", "Number__c", members...)
				}
			})
		})
	}
}
