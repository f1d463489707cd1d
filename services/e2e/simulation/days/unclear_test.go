//go:build !race

package days_test

import (
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

// Result files that do not tell of every row are read again for ten minutes before anything is decided, and what was inserted is looked up then. Until then
// nobody is told that a record is lost, since it will be found.
func TestResultFilesThatDoNotTellOfEveryRow(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{define: byJobs, pipelines: []string{"contacts", "members"}})
		defer w.end()
		w.fault(`{"match":{"object":"Member__c"},"times":0,"effect":{"kind":"lose_rows"}}`)
		c, m := keys("c", 10), keys("m", 10)
		w.publish("contacts", records(contact, c...)...)
		w.publish("members", records(member, m...)...)
		time.Sleep(4 * time.Minute)
		if b := w.balance("members"); b.InFlight != 10 || w.letters() > 0 {
			t.Errorf("while the files tell of no member: %+v, %d letters", b, w.letters())
		}
		w.within(20*time.Minute, "all land", func() bool { return w.balance("").Landed == 20 })
		w.waited()
		w.once("Contact", "External_Id__c", c...)
		w.once("Member__c", "Number__c", m...)
	})
}
