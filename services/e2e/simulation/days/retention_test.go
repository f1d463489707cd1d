//go:build !race

package days_test

import (
	"log/slog"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/bubble"
)

// day is a day.
const day = 24 * time.Hour

// Salesforce deletes jobs with their results seven days after they were made (Bulk API 2.0 Developer Guide, "Limits"), and FLOW keeps facts for eight:
// a poller that comes back after nine finds neither the facts nor the jobs.
func TestNobodyLooksAtJobsForLongerThanTheirResultsAreKept(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{define: byJobs})
		defer w.end()
		w.stop("poller")
		began := time.Now()
		c, m, v := keys("c", 20), keys("m", 20), keys("v", 20)
		w.publish("contacts", records(contact, c...)...)
		w.publish("members", records(member, m...)...)
		w.publish("visits", records(visit, v...)...)
		time.Sleep(time.Minute)
		w.once("Contact", "External_Id__c", c...)
		if b := w.balance(""); b.InFlight != 60 {
			t.Errorf("nobody has looked, and the balance is %+v", b)
		}
		// What the others do without work is the same every day.
		for _, name := range []string{"extractor", "submitter", "retrier"} {
			w.stop(name)
		}

		time.Sleep(9*day - time.Since(began))
		if b := w.balance(""); b.InFlight != 60 || w.letters() > 0 {
			t.Errorf("after nine days without a look: %+v, %d letters", b, w.letters())
		}
		told := func(level slog.Level, from, until time.Duration) int {
			n := 0
			for _, l := range w.log.said(level, "jobs are not reconciled") {
				if age := l.at.Sub(began); age >= from && age < until {
					n++
				}
			}
			return n
		}
		// It looks every hour, which a loop lengthens by up to a tenth.
		const look = time.Hour + time.Hour/9
		if early, warned, paged := told(slog.LevelWarn, 0, day), told(slog.LevelWarn, day, day+look), told(slog.LevelError, 3*day, 3*day+look); early > 0 || warned == 0 || paged == 0 {
			t.Errorf("%d warnings before a day, %d soon behind it, %d alarms soon behind three days", early, warned, paged)
		}
		if facts := w.broker.Messages(bus.StreamFlow); len(facts) > 0 {
			t.Errorf("FLOW still holds %d facts, the first of %s", len(facts), facts[0].Subject)
		}

		for _, name := range []string{"extractor", "submitter", "retrier", "poller"} {
			w.start(name)
		}
		w.within(2*time.Hour, "nothing moves any more", func() bool {
			b := w.balance("")
			return b.InFlight+b.Retrying+b.WaitingForParent == 0
		})
		if b := w.balance("contacts"); b.Landed != 20 {
			t.Errorf("keyed rows are sent again: %+v", b)
		}
		if b := w.balance("members"); b.Landed != 20 {
			t.Errorf("inserts with a number are looked up: %+v", b)
		}
		if b := w.balance("visits"); b.Unresolved != 20 || w.letters() != 20 {
			t.Errorf("inserts that nothing tells apart are a person's: %+v, %d letters", b, w.letters())
		}
		w.once("Contact", "External_Id__c", c...)
		w.once("Member__c", "Number__c", m...)
		w.once("Visit__c", "Place__c", v...)
	})
}
