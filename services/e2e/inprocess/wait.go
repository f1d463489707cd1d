package inprocess

import (
	"time"

	"bulkhead/libs/bus"
)

// Within waits for a state, and says whether it came.
func Within(d time.Duration, is func() bool) bool {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(d)
	defer late.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late.C:
			return false
		}
	}
	return true
}

// Eventually waits for a state; when it does not come the test ends, and says the balance if ops is there to be asked.
func (s *Stack) Eventually(what string, is func() bool) {
	s.T.Helper()
	if Within(s.options.Patience, is) {
		return
	}
	if s.running["ops"] == nil {
		s.T.Fatalf("it never happened that %s", what)
	}
	s.T.Fatalf("it never happened that %s; the balance is %+v", what, s.Balance("", ""))
}

// TakesRecords waits until each of the pipelines takes records: their streams are there.
func (s *Stack) TakesRecords(pipelines ...string) {
	s.T.Helper()
	for _, p := range pipelines {
		s.Eventually(p+" takes records", func() bool {
			_, err := bus.Info(s.T.Context(), s.Conn, bus.RecordsStream(p))
			return err == nil
		})
	}
}
