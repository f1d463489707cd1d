package journeys

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestARunSurvivesTheLossOfEveryLocalDisk kills the whole stack while a job runs and takes away whatever lies beside the data of PostgreSQL and NATS. What is
// started then knows nothing but what these two hold, and brings the run to its end.
func TestARunSurvivesTheLossOfEveryLocalDisk(t *testing.T) {
	inTurn(t)
	const n = 3000
	address, org := simulator(t)
	data, pipelines := dataDir(t), shippedJobs(t)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", pipelines) }
	l := mixedLoad(t, n)
	org.fault(t, failRows(lockedRow, l.locked, map[string]any{"times_per_key": 1}))
	org.set(t, map[string]any{"rows_per_second": n / 4})

	s := up()
	p := newStubborn(t, s.natsURL, "records.contacts")
	for _, f := range l.frames {
		p.feed <- f
	}
	close(p.feed)
	<-p.done
	awaitRunning(t, org, 0)
	s.kill()

	kept := []string{"nats", "postgres"}
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	var lost []string
	for _, e := range entries {
		if slices.Contains(kept, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			t.Fatal(err)
		}
		lost = append(lost, e.Name())
	}
	if len(entries)-len(lost) != len(kept) || len(lost) == 0 {
		t.Fatalf("of %v only %v was taken away: nothing is shown", entries, lost)
	}
	org.set(t, map[string]any{"rows_per_second": 0})

	s = up()
	b := s.settle(t, "", n)
	if want := (balance{Accepted: n, Landed: n - l.dead, Dead: l.dead}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	checkLanded(t, s, org, l)
	org.checkSentAgain(t, "Contact")
}
