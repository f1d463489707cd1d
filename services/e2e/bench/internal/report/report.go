// Package report sums runs up: medians of each figure, as a table for people and as JSON.
//
// Each figure's median is taken by itself; a table line is so no single run. What is said of a million is the run's figure divided by its records.
package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/marked"
)

// Report is what one call of the bench found.
type Report struct {
	Command string `json:"command"`
	Machine string `json:"machine"`
	// Disk says on what ledger and streams lay, and what a synced write costs there.
	Disk   string `json:"disk"`
	Commit string `json:"commit"`
	// Settings in words: frames, keys, environment, what a case does not say.
	Settings string                `json:"settings"`
	Cases    []Measured            `json:"cases"`
	Clients  []*trial.ClientResult `json:"clients,omitempty"`
	LeftOut  []string              `json:"left_out,omitempty"`
}

// Case is what is loaded.
type Case struct {
	Records int64        `json:"records"`
	Chunk   people.Chunk `json:"chunk"`
	Failing float64      `json:"failing"` // part of the rows that the org refuses at first
	Rate    int64        `json:"rate"`    // records a second that are published; 0 = as fast as they are taken
}

// Words are the case for people.
func (c Case) Words() string {
	chunk := fmt.Sprintf("chunks of %s rows, %.4g MB, %s", marked.Count(int64(c.Chunk.Rows)), float64(c.Chunk.Bytes)/mega, c.Chunk.Age)
	switch c.Chunk {
	case people.Usual():
		chunk = "default chunks"
	case people.Load():
		chunk = "chunks for loads"
	case people.Largest():
		chunk = "largest chunks"
	}
	words := fmt.Sprintf("%s records, %s, %.4g %% refused at first", marked.Count(c.Records), chunk, c.Failing*100)
	if c.Rate > 0 {
		words += fmt.Sprintf(", %s a second", marked.Count(c.Rate))
	}
	return words
}

// Measured is every run of one case.
type Measured struct {
	Case
	Runs   []*trial.Result `json:"runs"`
	Median *trial.Result   `json:"median"`
}

// Add takes the runs of one case.
func (r *Report) Add(c Case, runs []*trial.Result) error {
	m, err := median(runs)
	if err != nil {
		return err
	}
	r.Cases = append(r.Cases, Measured{Case: c, Runs: runs, Median: m})
	return nil
}

const mega = 1e6

// Table is the report for people.
func (r *Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, commit %s\n%s\n%s\n", r.Machine, r.Commit, r.Disk, r.Settings)
	for _, c := range r.Cases {
		c.table(&b)
	}
	if len(r.Clients) > 0 {
		r.clients(&b)
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(&b, "left out: %s\n", l)
	}
	if bounds := r.Bounds(); len(bounds) > 0 {
		b.WriteString("\nbounds:\n")
		for _, x := range bounds {
			fmt.Fprintf(&b, "  %-92s %s\n", x.What, x.verdict())
		}
	}
	return b.String()
}

func (c Measured) table(b *strings.Builder) {
	m, million := c.Median, float64(c.Records)/mega
	fmt.Fprintf(b, "\n%s; %s:\n  %.0f records/s, %.1f s (published in %.1f s, in the org after %.1f s); %s; %s refused\n",
		c.Words(), runs(len(c.Runs)), m.RecordsPerSecond, m.Seconds, m.PublishSeconds, m.InOrgSeconds, flow(m.Full), marked.Count(m.FailedAtFirst))
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
	fmt.Fprintf(b, "  PostgreSQL's by whom, CPU s: %s\n", seconds(m.PostgresBy))
	fmt.Fprintf(b, "  in the 3 s after: services %.2f, nats-server %.2f, PostgreSQL %.2f CPU s; each idle second before: %.3f together\n",
		m.After.Services, m.After.Broker, m.After.Postgres, m.Idle.Product())
	fmt.Fprintf(b, "  elsewhere on the machine: %.2f CPU s, of which stolen by others on its host %.2f\n", m.Elsewhere, m.Stolen)
	fmt.Fprintf(b, "  API calls per million: %.1f for fresh records, %.1f for what is sent again, %.1f about no chunk; %d jobs, %d of them left for another: %s\n",
		float64(m.Calls.Fresh)/million, float64(m.Calls.Again)/million, float64(m.Calls.Other)/million, m.Calls.Jobs, m.Calls.Abandoned, tally(m.Calls.By))
	n := float64(c.Records)
	fmt.Fprintf(b, "  bytes per record: published %.0f, ledger %.1f, WAL %.1f, FLOW %.2f, DLQ %.2f, uploaded %.0f, downloaded %.0f\n",
		float64(m.Bytes.Published)/n, float64(m.Bytes.Ledger)/n, float64(m.Bytes.WAL)/n, float64(m.Bytes.Flow)/n, float64(m.Bytes.DLQ)/n,
		float64(m.Bytes.Uploaded)/n, float64(m.Bytes.Downloaded)/n)
	if len(c.Runs) > 1 {
		fmt.Fprintf(b, "  each run: %s\n", c.each())
	}
}

// each is what every run of the case says of itself.
func (c Measured) each() string {
	var out []string
	for _, run := range c.Runs {
		out = append(out, fmt.Sprintf("%.0f/s %.2f s %.0f MB", run.RecordsPerSecond, run.CPU.Product(), float64(run.Peak.Services)/mega))
	}
	return strings.Join(out, ", ")
}

// flow says how fast records landed that did not wait for the age of a chunk.
func flow(f trial.Flow) string {
	if f.Records == 0 {
		return "no chunk was full"
	}
	return fmt.Sprintf("in full chunks %.0f/s: %s in %.1f s", f.PerSecond(), marked.Count(f.Records), f.Seconds)
}

// seconds writes what each took, most first.
func seconds(by map[string]float64) string {
	var out []string
	for _, name := range slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	}) {
		if by[name] >= 0.005 {
			out = append(out, fmt.Sprintf("%s %.2f", name, by[name]))
		}
	}
	return strings.Join(out, ", ")
}

func (r *Report) clients(b *strings.Builder) {
	fmt.Fprintf(b, "\nothers on the same simulator, a file of CSV each, nothing retried or accounted for:\n  %-40s %12s %14s %10s %10s %14s\n",
		"", "records/s", "CPU s/million", "peak MB", "API calls", "simulator CPU")
	for _, c := range r.Clients {
		million := float64(c.Records) / mega
		fmt.Fprintf(b, "  %-40s %12.0f %14.2f %10.0f %10d %14.2f\n",
			c.Name+", "+marked.Count(c.Records), c.RecordsPerSecond, c.CPU/million, float64(c.Peak)/mega, c.Calls, c.SimulatorCPU/million)
	}
}

func runs(n int) string {
	if n == 1 {
		return "one run"
	}
	return fmt.Sprintf("medians of %d runs", n)
}

func tally(by map[string]int64) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%s %d", name, by[name]))
	}
	return strings.Join(out, ", ")
}
