package journeys

import (
	"context"
	"testing"
)

// TestABrokerThatForgetsAllButRecordsDelaysWorkAndLosesNothing: everything below the broker's directory goes but the messages of RECORDS, consumers too, at
// three moments: when letters stand and retries wait, when a closed job runs, and when results are half read. The services are not told, and go on.
func TestABrokerThatForgetsAllButRecordsDelaysWorkAndLosesNothing(t *testing.T) {
	inTurn(t)
	b := newBroker(t)
	address, org := simulator(t)
	s := dev(t, "--nats", b.url(), "--sim", address, "--pipelines", quickJobs(t))
	c := s.client(t)
	const part, parts = 200, 3
	keys := keysOf("f", part*parts)
	l := load{lands: map[string]bool{}}
	var dead []string
	for i, k := range keys {
		l.lands[k] = i%20 != 4
		switch {
		case !l.lands[k]:
			dead = append(dead, k)
		case i%20 == 9:
			l.locked = append(l.locked, k)
		}
	}
	org.fault(t, failRows(noLastName, dead, nil))
	org.fault(t, failRows(lockedRow, l.locked, map[string]any{"times_per_key": 2}))
	load := func(n int) { c.publish(t, "contacts", messagesOf(keys[n*part:(n+1)*part], contact)...) }

	load(0)
	eventually(t, "letters stand and retries wait", func(ctx context.Context) (bool, error) {
		r, err := readBalance(ctx, s.ops, "contacts")
		if err != nil || r.Balance.Dead == 0 || r.Balance.Retrying == 0 {
			return false, err
		}
		stored, err := c.storedLetters(ctx)
		return len(stored) > 0, err
	})
	b.forgetAllButRecords(t)

	org.set(t, map[string]any{"rows_per_second": part / 2})
	mark := org.lastCall(t)
	load(1)
	running := awaitRunning(t, org, mark)
	b.forgetAllButRecords(t)
	if calls, err := org.calls(t.Context(), mark, "success", running, ""); err != nil || len(calls) > 0 && calls[0].Done {
		t.Errorf("the results of job %s had been read already (%v): that was not the moment", running, err)
	}
	org.set(t, map[string]any{"rows_per_second": 0})

	slow := org.fault(t, map[string]any{
		"match": map[string]any{"endpoint": "success"}, "times": 0, "effect": map[string]any{"kind": "slow", "bytes_per_second": 2000},
	})
	mark = org.lastCall(t)
	load(2)
	reading := org.awaitCall(t, mark, "success")
	b.forgetAllButRecords(t)
	if reading.Done {
		t.Errorf("the results of job %s had been read before: that was not the moment", reading.Job)
	}
	org.heal(t, slow)

	n := int64(part * parts)
	if got, want := s.settle(t, "contacts", n).Balance, (balance{Accepted: n, Landed: n - int64(len(dead)), Dead: int64(len(dead))}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	checkLanded(t, s, org, l)
	org.checkSentAgain(t, "Contact")
	s.lettersStand(t, c, len(dead))
	for _, j := range org.closedJobs(t) {
		if j.State != "JobComplete" {
			t.Errorf("job %s ended as %s: nothing here aborts a job that was closed", j.ID, j.State)
		}
	}
}
