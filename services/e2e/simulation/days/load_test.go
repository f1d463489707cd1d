//go:build !race

package days_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/memory/bubble"
)

// frames publishes records of keys t-0 to t-n in frames.
func (w *world) frames(pipeline, template string, n int) {
	w.t.Helper()
	const size = 500
	for from := 0; from < n; from += size {
		var lines []string
		for i := from; i < min(from+size, n); i++ {
			lines = append(lines, strings.ReplaceAll(template, "%", fmt.Sprintf("t-%d", i)))
		}
		w.published++
		w.must(bus.Publish(w.t.Context(), w.broker.As("publisher").Conn(), bus.Message{
			Subject: bus.RecordsSubject(pipeline), Body: []byte(strings.Join(lines, "\n")), MsgID: fmt.Sprintf("frame-%d", w.published),
			Headers: map[string]string{bus.HeaderContentType: bus.TypeNDJSON},
		}))
	}
}

// The formula is that of docs/guides/definitions.md: six calls a job, and no more jobs than full chunks and one more for each lane.
func TestWhatALoadCostsInCalls(t *testing.T) {
	t.Parallel()
	const rows, chunk, lanes, aJob = 120_000, 50_000, 2, 6
	bubble.Test(t, func(t *testing.T) {
		w := open(t, options{pipelines: []string{"contacts"}, queue: 3 * time.Second})
		defer w.end()
		before := w.lastCall()
		w.frames("contacts", contact, rows)
		w.within(10*time.Minute, "all land", func() bool { return int(w.balance("").Landed) == rows })
		cost := map[string]int{}
		for _, c := range w.calls(before) {
			cost[c.Endpoint]++
		}
		t.Logf("%d rows took %v", rows, cost)
		jobs, all := cost["close"], 0
		for endpoint, n := range cost {
			if endpoint != "token" {
				all += n
			}
		}
		if most := rows/chunk + lanes; jobs > most {
			t.Errorf("%d jobs, the formula says %d at most", jobs, most)
		}
		if second := cost["info"] - jobs; all-second > aJob*jobs || second > jobs {
			t.Errorf("%d jobs took %d calls, %d of them second looks", jobs, all, second)
		}
	})
}
