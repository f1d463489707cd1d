package report

import (
	"strings"
	"testing"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/trial"
)

func TestMarkdown(t *testing.T) {
	r := &Report{Machine: "2 cores", Disk: "on ext4", Commit: "abc", Settings: "frames", LeftOut: []string{"jsforce: node is not on PATH"}}
	for _, c := range []Case{{1_000_000, people.Load(), failing, 0}, {1_000_000, people.Largest(), failing, 0}} {
		if err := r.Add(c, []*trial.Result{result(10), result(20), result(30)}); err != nil {
			t.Fatal(err)
		}
	}
	r.Clients = append(r.Clients, &trial.ClientResult{Name: "streaming loop", Records: 1_000_000, Seconds: 10, RecordsPerSecond: 100_000, CPU: 0.25, Peak: 9e6, Calls: 8, Failed: 50_014})
	t.Run("has a column for each case, the bounds, and what others take", func(t *testing.T) {
		text := r.Markdown()
		for _, want := range []string{
			"| 1,000,000 records, chunks for loads, 5 % refused at first | 1,000,000 records, largest chunks, 5 % refused at first |\n| --- | ---: | ---: |",
			"| **together** | **61.00** | **61.00** |", "| 61 | at most 16 | **not held** |", "| 50,000 | at least 40,000 | held |", "| not measured | at most 1.2 |  |",
			"| streaming loop, 1,000,000 records | 100000 | 0.25 | 9 | 8 | 50,014 |", "Left out: jsforce", "Commit `abc`, on 2 cores; on ext4. frames.",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
		width := 0
		for line := range strings.Lines(text) {
			if n := strings.Count(line, "|"); strings.HasPrefix(line, "|") {
				if width > 0 && n != width {
					t.Errorf("%d bars, %d before: %s", n, width, line)
				}
				width = n
			} else {
				width = 0
			}
		}
	})
}
