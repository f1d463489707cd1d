//go:build !race

package days_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// What a job did can be read for seven days. When the results of one stay unreadable for five, its org gets no further ones, whatever pipeline they are of;
// when they are read, all goes on by itself.
func TestResultsThatCannotBeReadForSixDays(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{define: byJobs, pipelines: []string{"contacts", "members", "visits"}})
		defer w.end()
		// A proxy answers with a page of its own.
		w.fault(`{"match":{"endpoint":"success","object":"Contact","for":"144h5m"},"times":0,"effect":{"kind":"wrong_type"}}`)
		began, c := time.Now(), keys("c", 10)
		w.publish("contacts", records(contact, c...)...)

		var m []string
		members := func(n int) {
			next := keys(fmt.Sprintf("m%d", n), 5)
			w.publish("members", records(member, next...)...)
			m = append(m, next...)
		}
		// What these do without work is the same every day.
		resting := []string{"extractor", "submitter", "retrier", "poller"}
		time.Sleep(time.Hour)
		for _, name := range resting {
			w.stop(name)
		}
		time.Sleep(5*day - 2*time.Hour - time.Since(began))
		for _, name := range resting {
			w.start(name)
		}
		members(4)
		time.Sleep(time.Hour)
		if b := w.balance("members"); b.Landed != int64(len(m)) || w.paused("members") != "" {
			t.Errorf("an hour before the five days are over: %+v, paused: %s", b, w.paused("members"))
		}
		time.Sleep(5*day - time.Since(began) + 2*time.Minute) // the chunk was sealed, its job made and closed after it began
		for _, name := range []string{"contacts", "members", "visits"} {
			if why := w.paused(name); !strings.Contains(why, "RESULTS_OVERDUE") || !strings.Contains(why, "org main") || !strings.Contains(why, "pipeline contacts") {
				t.Errorf("after five days %s is paused: %q", name, why)
			}
		}
		since := w.lastCall()
		members(5)
		v := keys("v", 5)
		w.publish("visits", records(visit, v...)...)
		time.Sleep(6*day - time.Since(began))
		for _, call := range w.calls(since) {
			if call.Endpoint == "close" {
				t.Errorf("a job was closed at %s, %s after the job that is not reconciled", call.At, call.At.Sub(began))
			}
		}
		if b := w.balance(""); b.InFlight != 20 || b.Dead+b.Unresolved > 0 {
			t.Errorf("while the org is stopped: %+v", b)
		}

		w.within(30*time.Minute, "all land", func() bool { return w.balance("").Landed == int64(len(c)+len(m)+len(v)) })
		for _, name := range []string{"contacts", "members", "visits"} {
			if why := w.paused(name); why != "" {
				t.Errorf("when all is reconciled %s is paused: %s", name, why)
			}
		}
		w.once("Contact", "External_Id__c", c...)
		w.once("Member__c", "Number__c", m...)
		w.once("Visit__c", "Place__c", v...)
		if n := w.letters(); n > 0 {
			t.Errorf("%d letters", n)
		}
	})
}
