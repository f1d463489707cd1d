package verdict

import (
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// recoveries: for each fault that took something away, the time until the first new progress of what it took away: of the service whose
// instance was killed, of any service where the broker, PostgreSQL or everything went. It is measured from the first sample behind the fault,
// and only when there was work waiting for it then. Of a service it is not measured on a cluster of brokers, which is seldom settled while faults go on:
// whoever comes back waits for it. Where the broker, PostgreSQL or everything goes once more before there was progress, that later fault is measured
// instead: how soon the earlier one would have been over nobody can tell.
func (c *court) recoveries() {
	for _, e := range c.run.Timeline {
		if e.What != "fault" || !e.Done {
			continue
		}
		from, service := e.At, ""
		switch e.Kind {
		case history.KillLong:
			at, ok := c.startedAgain(e)
			if !ok {
				continue
			}
			from, service = at, serviceOf(e.Target)
		case history.Kill, history.KillPoint, history.KillTwice:
			service = serviceOf(e.Target)
		case history.NATSKill, history.NATSRestart, history.LeaderKill, history.PGKill, history.PGRestart, history.KillAll:
		default:
			continue
		}
		if service != "" && c.run.Plan.Clustered() {
			continue
		}
		if seconds, ok := c.recovered(from, service); ok && !c.goesAgain(e, from+seconds*1000) {
			c.verdict.Recoveries = append(c.verdict.Recoveries, history.Recovery{Fault: e.Fault, Kind: e.Kind, Target: e.Target, Seconds: seconds})
		}
	}
}

// goesAgain says whether the broker, PostgreSQL or everything went between a fault and a moment.
func (c *court) goesAgain(fault history.Event, until float64) bool {
	for _, e := range c.run.Timeline {
		if e.What != "fault" || !e.Done || e.Fault == fault.Fault || e.At < fault.At || e.At >= until {
			continue
		}
		switch e.Kind {
		case history.NATSKill, history.NATSRestart, history.LeaderKill, history.PGKill, history.PGRestart, history.KillAll:
			return true
		default:
		}
	}
	return false
}

// startedAgain is when what a fault took away was started again: by the plan, or by healing.
func (c *court) startedAgain(fault history.Event) (at float64, ok bool) {
	for _, e := range c.run.Timeline {
		if e.What == "start" && e.Target == fault.Target && e.At >= fault.At {
			return e.At, true
		}
	}
	return 0, false
}

// serviceOf is the service of an instance: "submitter" of "submitter-1".
func serviceOf(instance string) string {
	if n := strings.LastIndexByte(instance, '-'); n > 0 {
		return instance[:n]
	}
	return instance
}

// recovered finds the first sample behind a moment with more progress than the first sample behind it had.
func (c *court) recovered(from float64, service string) (seconds float64, ok bool) {
	var base *history.Sample
	for n := range c.run.Samples {
		s := &c.run.Samples[n]
		if s.At < from || s.Progress == nil {
			continue
		}
		if base == nil {
			if !waiting(c.lastBalance(s.At), service) {
				return 0, false
			}
			base = s
			continue
		}
		if progress(s, service) > progress(base, service) {
			return (s.At - from) / 1000, true
		}
	}
	return 0, false
}

// lastBalance is the newest that was known at a moment: while a service or the ledger is away nobody can be asked.
func (c *court) lastBalance(at float64) map[string]history.Balance {
	var last map[string]history.Balance
	for n := range c.run.Samples {
		s := &c.run.Samples[n]
		if s.At > at {
			break
		}
		if s.Balance != nil {
			last = s.Balance
		}
	}
	return last
}

func progress(s *history.Sample, service string) int64 {
	if service != "" {
		return s.Progress[service]
	}
	var all int64
	for _, n := range s.Progress {
		all += n
	}
	return all
}

// waiting says whether there was work for a service; "" = for any.
func waiting(balances map[string]history.Balance, service string) bool {
	for _, b := range balances {
		read, sent, again := b.Unread > 0, b.InFlight > 0, b.Retrying+b.WaitingForParent > 0
		switch service {
		case "":
			if read || sent || again {
				return true
			}
		case "extractor":
			if read {
				return true
			}
		case "submitter", "poller", "reconciler":
			if sent {
				return true
			}
		case "retrier":
			if again {
				return true
			}
		case "ops":
			if b.Dead > 0 {
				return true
			}
		}
	}
	return false
}
