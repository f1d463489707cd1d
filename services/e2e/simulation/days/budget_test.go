//go:build !race

package days_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// lots publishes some contacts every so often until a number of lots is out, and gives their keys.
func (w *world) lots(n int, every time.Duration) []string {
	var all []string
	for range n {
		lot := keys(fmt.Sprintf("b%d", w.published), 5)
		w.publish("contacts", records(contact, lot...)...)
		all = append(all, lot...)
		time.Sleep(every)
	}
	return all
}

// usedUp publishes until the org's calls of the day are used up, and some more.
func (w *world) usedUp(limit int) []string {
	w.t.Helper()
	all := w.lots(limit/10, time.Minute)
	refused := 0
	for _, c := range w.calls(0) {
		if c.Status == http.StatusForbidden {
			refused++
		}
	}
	b := w.balance("")
	if refused == 0 || b.InFlight == 0 {
		w.t.Fatalf("the limit of %d calls was not used up: %d refused, %+v", limit, refused, b)
	}
	return all
}

// waited wants that no record was blamed for what the org did.
func (w *world) waited() {
	w.t.Helper()
	if b := w.balance(""); b.Dead+b.Unresolved+b.Discarded > 0 || w.letters() > 0 || len(w.failedAttempts()) > 0 {
		w.t.Errorf("%+v, %d letters, failed attempts %v: no record is to blame", b, w.letters(), w.failedAttempts())
	}
}

func TestTheDailyLimitOfCallsIsUsedUp(t *testing.T) {
	const limit = 300
	t.Run("all lands by itself when the day's window moves on", func(t *testing.T) {
		t.Parallel()
		bubble.Test(t, func(t *testing.T) {
			w := open(t, options{define: byJobs, pipelines: []string{"contacts"}, apiLimit: limit})
			defer w.end()
			all := w.usedUp(limit)
			since := w.lastCall()
			time.Sleep(2 * time.Hour)
			w.waited()
			cost := w.calls(since)
			t.Logf("two hours of waiting cost %v", byEndpoint(cost))
			if len(cost) > 12 {
				t.Errorf("%d calls in two hours are more than a handful an hour", len(cost))
			}
			// The org's clock goes ahead of the others, so that the day need not be played: until an hour before the first calls are a day old.
			w.ask(w.sim.Handler(), http.MethodPost, "/sim/clock", map[string]string{"advance": (21*time.Hour - time.Duration(limit/10)*time.Minute).String()}, nil)
			took := w.within(4*time.Hour, "all land", func() bool { return int(w.balance("").Landed) == len(all) })
			t.Logf("landed %s later", took)
			w.waited()
			w.once("Contact", "External_Id__c", all...)
		})
	})
	t.Run("work goes on within the quarter of an hour in which a limit is raised", func(t *testing.T) {
		t.Parallel()
		bubble.Test(t, func(t *testing.T) {
			w := open(t, options{define: byJobs, pipelines: []string{"contacts"}, apiLimit: limit})
			defer w.end()
			all := w.usedUp(limit)
			time.Sleep(30 * time.Minute)
			w.waited()
			since, raised := w.lastCall(), time.Now()
			w.ask(w.sim.Handler(), http.MethodPost, "/sim/settings", map[string]int{"daily_api_limit": 100_000}, nil)
			w.within(25*time.Minute, "all land", func() bool { return int(w.balance("").Landed) == len(all) })
			closed := time.Hour
			for _, c := range w.calls(since) {
				if c.Endpoint == "close" && c.Applied {
					closed = min(closed, c.At.Sub(raised))
				}
			}
			if closed > 17*time.Minute {
				t.Errorf("the first job was closed %s after the limit was raised", closed)
			}
			w.waited()
			w.once("Contact", "External_Id__c", all...)
		})
	})
}
