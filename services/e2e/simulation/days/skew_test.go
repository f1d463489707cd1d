//go:build !race

package days_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/bubble"
	"bulkhead/libs/record"
)

// ended is what became of records, without ids and times.
type ended struct {
	balances map[string]record.Balance
	letters  map[string]int // by subject
	attempts map[string]int
	rows     map[string]int // by object
	took     time.Duration
}

// troubled plays an hour in which much goes wrong: locks, bad rows, rows in no result file, a job that vanishes, an org that is away for a minute.
func troubled(t *testing.T, skew map[string]time.Duration) (e ended) {
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{skew: skew, queue: 5 * time.Second})
		defer w.end()
		for _, rule := range []string{
			`{"match":{"object":"Contact"},"where":{"keys":["c-001","c-002","c-003"]},"times_per_key":2,"effect":{"kind":"row_error","error":"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}}`,
			`{"match":{"object":"Contact"},"where":{"keys":["c-004"]},"effect":{"kind":"row_error","error":"FIELD_CUSTOM_VALIDATION_EXCEPTION:no:--"}}`,
			`{"where":{"keys":["c-005","m-005"]},"times_per_key":1,"effect":{"kind":"lose_rows"}}`,
			`{"match":{"object":"Visit__c"},"times":2,"effect":{"kind":"lose_rows"}}`,
			`{"match":{"object":"Member__c","nth":2},"effect":{"kind":"job_vanish"}}`,
			`{"match":{"from":"6m","for":"1m"},"effect":{"kind":"org_down"}}`,
		} {
			w.fault(rule)
		}
		w.publish("contacts", records(contact, keys("c", 20)...)...)
		w.publish("members", records(member, keys("m", 20)...)...)
		w.publish("visits", records(visit, keys("v", 20)...)...)
		time.Sleep(6*time.Minute + 10*time.Second)
		w.publish("contacts", records(contact, keys("d", 20)...)...)
		w.publish("members", records(member, keys("n", 20)...)...)
		time.Sleep(time.Minute)
		e.took = w.within(8*time.Hour, "nothing moves any more", func() bool {
			b := w.balance("")
			return b.Accepted == 100 && b.InFlight+b.Retrying+b.WaitingForParent == 0
		})
		e.balances, e.letters, e.rows = map[string]record.Balance{}, map[string]int{}, map[string]int{}
		for name := range defined {
			e.balances[name] = w.balance(name)
		}
		e.attempts = w.failedAttempts()
		for _, m := range w.broker.Messages(bus.StreamDLQ) {
			e.letters[m.Subject]++
		}
		e.rows = map[string]int{
			"Contact": len(w.rows("Contact", "Id")), "Member__c": len(w.rows("Member__c", "Id")), "Visit__c": len(w.rows("Visit__c", "Id")),
		}
	})
	return e
}

// One clock is wrong by an hour either way, a service's or the org's, or all but the ledger's are: the same becomes of every record, and not later.
func TestAClockThatIsWrongChangesNoOutcome(t *testing.T) {
	right := troubled(t, nil)
	if b := right.balances["contacts"]; b.Landed != 39 || b.Dead != 1 || right.rows["Member__c"] != 40 || right.balances["visits"].Unresolved == 0 {
		t.Fatalf("the trouble is not what it should be: %+v", right)
	}
	var cases []map[string]time.Duration
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		all := map[string]time.Duration{}
		for _, name := range services {
			all[name] = by
			cases = append(cases, map[string]time.Duration{name: by})
		}
		with := maps.Clone(all)
		with["org"] = -by
		cases = append(cases, all, with, map[string]time.Duration{"org": by})
	}
	for _, skew := range cases {
		t.Run(fmt.Sprintf("wrong by %v", skew), func(t *testing.T) {
			t.Parallel()
			got := troubled(t, skew)
			if !maps.Equal(right.balances, got.balances) || !maps.Equal(right.letters, got.letters) || !maps.Equal(right.attempts, got.attempts) || !maps.Equal(right.rows, got.rows) {
				t.Errorf("got  %+v\nwant %+v", got, right)
			}
			if late := got.took - right.took; late > 5*time.Minute {
				t.Errorf("it took %s, and %s with right clocks", got.took, right.took)
			}
		})
	}
}
