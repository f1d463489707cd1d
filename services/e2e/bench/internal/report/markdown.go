package report

import (
	"fmt"
	"strings"

	"bulkhead/services/e2e/internal/marked"
)

// Markdown is the report as tables for a page: a column for each case.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Commit `%s`, on %s; %s. %s.\n\n", r.Commit, r.Machine, r.Disk, r.Settings)
	if len(r.Cases) > 0 {
		r.figures(&b)
	}
	if bounds := r.Bounds(); len(bounds) > 0 {
		b.WriteString("\n| bound | measured | | |\n| --- | ---: | --- | --- |\n")
		for _, x := range bounds {
			value, held := "not measured", ""
			if x.Known {
				value, held = number(x.Value), "held"
			}
			if x.Broken() {
				held = "**not held**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", x.What, value, x.limit(), held)
		}
	}
	if len(r.Clients) > 0 {
		b.WriteString("\nOthers on the same simulator, from files of CSV; nothing is kept, recognized, sent again or accounted for. One run each.\n\n" +
			"| client | records/s | CPU s per million | peak MB | API calls | rows left behind |\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
		for _, c := range r.Clients {
			fmt.Fprintf(&b, "| %s, %s records | %.0f | %.2f | %.0f | %d | %s |\n",
				c.Name, marked.Count(c.Records), c.RecordsPerSecond, c.CPU/(float64(c.Records)/mega), float64(c.Peak)/mega, c.Calls, marked.Count(c.Failed))
		}
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(&b, "\nLeft out: %s.\n", l)
	}
	return b.String()
}

// figures is the table of all cases.
func (r *Report) figures(b *strings.Builder) {
	row := func(name string, cell func(c Measured) string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range r.Cases {
			fmt.Fprintf(b, " %s |", cell(c))
		}
		b.WriteByte('\n')
	}
	row("", Measured.Words)
	row("---", func(Measured) string { return "---:" })
	cpu := func(name string, of func(c Measured) float64) {
		row(name, func(c Measured) string { return fmt.Sprintf("%.2f", of(c)/(float64(c.Records)/mega)) })
	}
	memory := func(name string, of func(c Measured) int64) {
		row(name, func(c Measured) string { return fmt.Sprintf("%.0f", float64(of(c))/mega) })
	}
	each := func(name, format string, of func(c Measured) int64) {
		row(name, func(c Measured) string { return fmt.Sprintf(format, float64(of(c))/float64(c.Records)) })
	}
	calls := func(name string, of func(c Measured) int64) {
		row(name, func(c Measured) string { return fmt.Sprintf("%.1f", float64(of(c))/(float64(c.Records)/mega)) })
	}
	row("runs, of which each figure is the median", func(c Measured) string { return fmt.Sprint(len(c.Runs)) })
	row("**records/s**, first publish to last landed", func(c Measured) string { return fmt.Sprintf("**%.0f**", c.Median.RecordsPerSecond) })
	row("records/s in full chunks", func(c Measured) string {
		if c.Median.Full.Records == 0 {
			return "no chunk was full"
		}
		return fmt.Sprintf("%.0f", c.Median.Full.PerSecond())
	})
	row("seconds", func(c Measured) string { return fmt.Sprintf("%.1f", c.Median.Seconds) })
	cpu("CPU s per million: services", func(c Measured) float64 { return c.Median.CPU.Services })
	cpu("nats-server", func(c Measured) float64 { return c.Median.CPU.Broker })
	cpu("PostgreSQL", func(c Measured) float64 { return c.Median.CPU.Postgres })
	row("**together**", func(c Measured) string { return fmt.Sprintf("**%.2f**", c.perMillion()) })
	cpu("simulator", func(c Measured) float64 { return c.Median.CPU.Simulator })
	cpu("publisher", func(c Measured) float64 { return c.Median.CPU.Publisher })
	cpu("elsewhere on the machine", func(c Measured) float64 { return c.Median.Elsewhere })
	memory("peak MB: **services**", func(c Measured) int64 { return c.Median.Peak.Services })
	memory("nats-server", func(c Measured) int64 { return c.Median.Peak.Broker })
	memory("PostgreSQL", func(c Measured) int64 { return c.Median.Peak.Postgres })
	calls("API calls per million: fresh records", func(c Measured) int64 { return c.Median.Calls.Fresh })
	calls("what is sent again", func(c Measured) int64 { return c.Median.Calls.Again })
	each("bytes per record: published", "%.0f", func(c Measured) int64 { return c.Median.Bytes.Published })
	each("ledger, with its indexes", "%.0f", func(c Measured) int64 { return c.Median.Bytes.Ledger })
	each("WAL", "%.0f", func(c Measured) int64 { return c.Median.Bytes.WAL })
	each("uploaded", "%.0f", func(c Measured) int64 { return c.Median.Bytes.Uploaded })
	row("each run", func(c Measured) string { return c.each() })
}
