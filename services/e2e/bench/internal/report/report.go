// Package report sums runs up: medians of each figure, as a table for people and as JSON.
//
// Each figure's median is taken by itself; a table line is so no single run. What is said of a million is the run's figure divided by its records.
package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/bench/internal/trial"
)

// Report is what one call of the bench found.
type Report struct {
	Command string `json:"command"`
	Machine string `json:"machine"`
	Commit  string `json:"commit"`
	// Settings in words: chunk, frame, lanes, what fails.
	Settings string                `json:"settings"`
	Sizes    []Size                `json:"sizes"`
	Clients  []*trial.ClientResult `json:"clients,omitempty"`
	LeftOut  []string              `json:"left_out,omitempty"`
}

// Size is every run with one number of records.
type Size struct {
	Records int64           `json:"records"`
	Runs    []*trial.Result `json:"runs"`
	Median  *trial.Result   `json:"median"`
}

// Add takes the runs of one size.
func (r *Report) Add(runs []*trial.Result) error {
	m, err := median(runs)
	if err != nil {
		return err
	}
	r.Sizes = append(r.Sizes, Size{Records: runs[0].Records, Runs: runs, Median: m})
	return nil
}

// JSON is the whole report.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(text, '\n'), nil
}

const mega = 1e6

// Table is the report for people.
func (r *Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, commit %s\n%s\n", r.Machine, r.Commit, r.Settings)
	for _, s := range r.Sizes {
		r.size(&b, s)
	}
	if len(r.Clients) > 0 {
		r.clients(&b)
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(&b, "left out: %s\n", l)
	}
	return b.String()
}

func (r *Report) size(b *strings.Builder, s Size) {
	m, million := s.Median, float64(s.Records)/mega
	fmt.Fprintf(b, "\n%s records, %s: %.0f records/s, %.1f s (published in %.1f s, in the org after %.1f s); %s refused at first\n",
		count(s.Records), runs(len(s.Runs)), m.RecordsPerSecond, m.Seconds, m.PublishSeconds, m.InOrgSeconds, count(m.FailedAtFirst))
	fmt.Fprintf(b, "  %-28s %10s %14s %10s\n", "", "CPU s", "CPU s/million", "peak MB")
	line := func(name string, cpu float64, peak int64) {
		mb := "-"
		if peak > 0 {
			mb = fmt.Sprintf("%.0f", float64(peak)/mega)
		}
		fmt.Fprintf(b, "  %-28s %10.2f %14.2f %10s\n", name, cpu, cpu/million, mb)
	}
	line("services (one process)", m.CPU.Services, m.Peak.Services)
	line("nats-server", m.CPU.Broker, m.Peak.Broker)
	line("PostgreSQL", m.CPU.Postgres, m.Peak.Postgres)
	line("together", m.CPU.Product(), 0)
	line("simulator", m.CPU.Simulator, m.Peak.Simulator)
	line("publisher", m.CPU.Publisher, m.Peak.Publisher)
	fmt.Fprintf(b, "  in the 3 s after: services %.2f, nats-server %.2f, PostgreSQL %.2f CPU s; each idle second before: %.3f together\n",
		m.After.Services, m.After.Broker, m.After.Postgres, m.Idle.Product())
	fmt.Fprintf(b, "  elsewhere on the machine: %.2f CPU s, of which stolen by others on its host %.2f\n", m.Elsewhere, m.Stolen)
	fmt.Fprintf(b, "  API calls per million: %.1f for fresh records, %.1f for what is sent again, %.1f about no job; %d jobs, %d of them left for another: %s\n",
		float64(m.Calls.Fresh)/million, float64(m.Calls.Again)/million, float64(m.Calls.Other)/million, m.Calls.Jobs, m.Calls.Abandoned, tally(m.Calls.By))
	n := float64(s.Records)
	fmt.Fprintf(b, "  bytes per record: published %.0f, ledger %.1f, WAL %.1f, FLOW %.2f, DLQ %.2f, uploaded %.0f, downloaded %.0f\n",
		float64(m.Bytes.Published)/n, float64(m.Bytes.Ledger)/n, float64(m.Bytes.WAL)/n, float64(m.Bytes.Flow)/n, float64(m.Bytes.DLQ)/n,
		float64(m.Bytes.Uploaded)/n, float64(m.Bytes.Downloaded)/n)
	if len(s.Runs) > 1 {
		var each []string
		for _, run := range s.Runs {
			each = append(each, fmt.Sprintf("%.0f/s %.2f s", run.RecordsPerSecond, run.CPU.Product()))
		}
		fmt.Fprintf(b, "  each run: %s\n", strings.Join(each, ", "))
	}
}

func (r *Report) clients(b *strings.Builder) {
	fmt.Fprintf(b, "\nothers on the same simulator, a file of CSV each, nothing retried or accounted for:\n  %-40s %12s %14s %10s %10s %14s\n",
		"", "records/s", "CPU s/million", "peak MB", "API calls", "simulator CPU")
	for _, c := range r.Clients {
		million := float64(c.Records) / mega
		fmt.Fprintf(b, "  %-40s %12.0f %14.2f %10.0f %10d %14.2f\n",
			c.Name+", "+count(c.Records), c.RecordsPerSecond, c.CPU/million, float64(c.Peak)/mega, c.Calls, c.SimulatorCPU/million)
	}
}

func runs(n int) string {
	if n == 1 {
		return "one run"
	}
	return fmt.Sprintf("medians of %d runs", n)
}

// count writes a number with commas.
func count(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func tally(by map[string]int64) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%s %d", name, by[name]))
	}
	return strings.Join(out, ", ")
}
