//go:build !race

package days_test

import (
	"net/http"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// Sessions of the org live for two hours, and some are ended before.
func TestSessionsEndAllDayLong(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{define: byJobs, pipelines: []string{"contacts"}, queue: 40 * time.Second})
		defer w.end()
		const hours = 7
		var all []string
		ordered := 0
		for hour := range hours {
			all = append(all, w.lots(1, 10*time.Second)...)
			if hour%3 == 1 { // while a job runs
				w.ask(w.sim.Handler(), http.MethodPost, "/sim/tokens/expire", nil, nil)
				ordered++
			}
			time.Sleep(time.Hour)
		}
		w.within(20*time.Minute, "all land", func() bool { return int(w.balance("").Landed) == len(all) })
		w.waited()
		w.once("Contact", "External_Id__c", all...)
		refused, logins := 0, 0
		for _, c := range w.calls(0) {
			switch {
			case c.Status == http.StatusUnauthorized:
				refused++
			case c.Endpoint == "token":
				logins++
				if c.Status != http.StatusOK {
					t.Errorf("a login was refused: %+v", c)
				}
			}
		}
		// Each of the four services that call has a session of its own; none logs in more often than sessions end, by their age or by the order.
		if most := 4 * (1 + hours/2 + ordered); refused == 0 || logins > most {
			t.Errorf("%d calls met a session that had ended, and there were %d logins; at most %d are needed", refused, logins, most)
		}
	})
}
