//go:build !race

package days_test

import (
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
)

func TestAQuietDay(t *testing.T) {
	t.Parallel()
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{})
		defer w.end()
		c, m, v := keys("c", 20), keys("m", 20), keys("v", 20)
		w.publish("contacts", records(contact, c...)...)
		w.publish("members", records(member, m...)...)
		w.publish("visits", records(visit, v...)...)
		took := w.within(time.Minute, "all land", func() bool { return w.balance("").Landed == 60 })
		t.Logf("landed after %s, with %d calls: %v", took, len(w.calls(0)), byEndpoint(w.calls(0)))
		w.once("Contact", "External_Id__c", c...)
		w.once("Member__c", "Number__c", m...)
		w.once("Visit__c", "Place__c", v...)
		before := w.lastCall()
		time.Sleep(time.Hour)
		if idle := w.calls(before); len(idle) > 10 {
			t.Errorf("an hour without work costs %d calls: %v", len(idle), byEndpoint(idle))
		}
	})
}
