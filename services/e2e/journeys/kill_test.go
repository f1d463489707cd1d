package journeys

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// journeyRecords is how many records the kills are survived by.
func journeyRecords(t *testing.T) int {
	t.Helper()
	text := os.Getenv("BULKHEAD_JOURNEY_RECORDS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 3000 {
		t.Fatalf("BULKHEAD_JOURNEY_RECORDS=%q must be a number of 3000 or more", text)
	}
	return n
}

// load is what one journey publishes, and what has to become of it.
type load struct {
	frames [][]byte
	lands  map[string]bool
	dead   int64
	locked []string
}

// mixedLoad makes contacts of which one in fifty is locked once and one in a hundred lacks its last name.
func mixedLoad(t *testing.T, n int) load {
	t.Helper()
	l := load{lands: map[string]bool{}}
	records := make([]fields, n)
	for i, k := range keysOf("k", n) {
		records[i], l.lands[k] = contact(k), true
		switch {
		case i%50 == 11:
			l.locked = append(l.locked, k)
		case i%100 == 37:
			records[i], l.lands[k] = records[i].without("last_name"), false
			l.dead++
		}
	}
	l.frames = framesOf(t, records, 250)
	return l
}

// TestEverythingSurvivesBeingKilledThreeTimes kills the whole stack while records are published, while a job runs, and while
// results are read. The moments are found by the simulator's call log, not by waiting for time to pass.
func TestEverythingSurvivesBeingKilledThreeTimes(t *testing.T) {
	inTurn(t)
	n := journeyRecords(t)
	t.Logf("%d records (BULKHEAD_JOURNEY_RECORDS sets another number)", n)
	address, org := simulator(t)
	data, pipelines := dataDir(t), shippedJobs(t)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", pipelines) }

	l := mixedLoad(t, n)
	org.fault(t, failRows(lockedRow, l.locked, map[string]any{"times_per_key": 1}))
	org.set(t, map[string]any{"rows_per_second": n / 8}) // a job of a sixth of the load takes more than a second
	s := up()
	p := newStubborn(t, s.natsURL, "records.contacts")
	feed := func(frames [][]byte) {
		t.Helper()
		late := time.After(patience)
		for _, f := range frames {
			select {
			case p.feed <- f:
			case <-late:
				t.Fatal("the publisher does not get rid of its frames")
			}
		}
	}
	third := len(l.frames) / 3

	t.Log("the first kill: while publishing, when the first job has been created")
	feed(l.frames[:third])
	org.awaitCall(t, 0, "create")
	feed(l.frames[third : third+5])
	s.kill() // the publisher has taken a frame and nobody knows whether it was stored

	mark := org.lastCall(t)
	s = up()
	p.moveTo(s.natsURL)

	t.Log("the second kill: while a job runs, closed and its results not asked for")
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for _, f := range l.frames[third+5 : 2*third] {
			p.feed <- f
		}
	}()
	running := awaitRunning(t, org, mark)
	s.kill()
	if calls, err := org.calls(t.Context(), 0, "success", running, ""); err != nil || len(calls) > 0 {
		t.Fatalf("the results of job %s were asked for before the kill (%v): that was not the moment", running, err)
	}

	slow := org.fault(t, map[string]any{
		"match": map[string]any{"endpoint": "success"}, "times": 0, "effect": map[string]any{"kind": "slow", "bytes_per_second": n},
	})
	mark = org.lastCall(t)
	s = up()
	p.moveTo(s.natsURL)
	<-fed
	feed(l.frames[2*third:])
	close(p.feed)

	t.Log("the third kill: while results are read")
	reading := org.awaitCall(t, mark, "success")
	s.kill()
	if reading.Done {
		t.Errorf("the results of job %s had been read before the kill: that was not the moment", reading.Job)
	}
	org.heal(t, slow)
	org.set(t, map[string]any{"rows_per_second": 0})

	s = up()
	p.moveTo(s.natsURL)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("the publisher does not get rid of its frames")
	}
	acked, again := p.numbers()
	t.Logf("%d frames are acknowledged, %d publishes had to be repeated", acked, again)
	if acked != len(l.frames) || again == 0 {
		t.Errorf("%d of %d frames acknowledged, %d repeated: no publish was hit by a kill", acked, len(l.frames), again)
	}
	b := s.settle(t, "", int64(n))
	if want := (balance{Accepted: int64(n), Landed: int64(n) - l.dead, Dead: l.dead}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	checkLanded(t, s, org, l)
	org.checkSentAgain(t, "Contact")
	for _, j := range org.closedJobs(t) {
		if j.State != "JobComplete" {
			t.Errorf("job %s ended as %s: nothing here aborts a job that was closed", j.ID, j.State)
		}
	}
}

// awaitRunning waits until a job that was closed after call number mark is being processed, and returns it.
func awaitRunning(t *testing.T, org org, mark int64) string {
	t.Helper()
	job := ""
	eventually(t, "a job is closed and runs", func(ctx context.Context) (bool, error) {
		calls, err := org.calls(ctx, mark, "close", "", "20s")
		if err != nil {
			return false, err
		}
		for _, c := range calls {
			var j orgJob
			if err := ask(ctx, http.MethodGet, org.url+"/jobs/"+c.Job+"?wait=InProgress&timeout=5s", nil, &j); err != nil {
				return false, err
			}
			if j.State == "InProgress" {
				job = c.Job
				return true, nil
			}
			mark = c.N // this one is over already
		}
		return false, nil
	})
	return job
}

// checkLanded compares a load with the org and the letters: every record that should land is there once, every other is not and
// has one letter.
func checkLanded(t *testing.T, s *stack, org org, l load) {
	t.Helper()
	held := org.rows(t, "Contact")
	letters := s.lettersByEntity(t, "contacts")
	for k, should := range l.lands {
		if _, there := held[k]; there != should {
			t.Errorf("%s is in the org: %t, want %t", k, there, should)
		}
		if dead := letters[k]; should && dead != 0 || !should && dead != 1 {
			t.Errorf("%s should land: %t, and has %d dead letters", k, should, dead)
		}
		delete(held, k)
	}
	for k := range held {
		t.Errorf("the org holds %q, which nobody published", k)
	}
}
