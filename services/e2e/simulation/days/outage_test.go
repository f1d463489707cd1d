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
}

// load publishes for a time, a lot at a time, and gives the keys of each pipeline.
func (s standing) load(w *world, d time.Duration) (contacts, members []string) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(s.every) {
		name := fmt.Sprintf("k%d", w.published)
		c, m := keys("c-"+name, 5), keys("m-"+name, 5)
		w.publish("contacts", records(contact, c...)...)
		w.publish("members", records(member, m...)...)
		contacts, members = append(contacts, c...), append(members, m...)
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
	w := open(t, options{pipelines: []string{"contacts", "members"}, queue: s.queue})
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
	w.once("Member__c", "Number__c", members...)
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
	for _, p := range []string{"contacts", "members"} {
		if why := w.paused(p); why != "" {
			w.t.Errorf("%s is paused: %s", p, why)
		}
	}
}

// The healthy rate is that of the very same work over the same half hour in a world whose org is there: calls of every kind, those of logins and of the
// search for orphans too. What is called while the org is away hardly depends on the work that waits: the head of each lane is tried again every half
// minute at most, and so are the jobs under way and the search for orphans, each some times in a row. With less work than here that is more than the
// healthy calls.
//
// Full speed is that at which the backlog is worked off later: jobs closed in a minute, bounded by the lanes.
func TestAnOrgThatIsAwayForHalfAnHour(t *testing.T) {
	t.Parallel()
	s := standing{every: 20 * time.Second, queue: 5 * time.Second}
	var there, away played
	bubble.Test(t, func(t *testing.T) { there = s.halfAnHour(t, false) })
	bubble.Test(t, func(t *testing.T) { away = s.halfAnHour(t, true) })
	t.Logf("%d calls when it is there, %v\n%d when it is away, %v; jobs closed per minute afterwards: %v", len(there.calls), byEndpoint(there.calls),
		len(away.calls), byEndpoint(away.calls), away.closes)
	t.Run("costs no more calls than when it is there", func(t *testing.T) {
		if ratio := float64(len(away.calls)) / float64(len(there.calls)); ratio > 1.1 {
			t.Errorf("the outage cost %.2f times the healthy calls", ratio)
		}
	})
	t.Run("is over a minute after the org is back", func(t *testing.T) {
		if len(away.closes) < 6 {
			t.Fatalf("the backlog was gone after %d minutes: no speed can be seen", len(away.closes))
		}
		full := 0
		for _, n := range away.closes[2:5] {
			full += n
		}
		if second := away.closes[1]; second*3 < full*8/10 {
			t.Errorf("in the second minute %d jobs were closed, in the three behind it %d", second, full)
		}
	})
}
