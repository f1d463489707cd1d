package report

import (
	"fmt"
	"strings"

	"bulkhead/services/e2e/bench/internal/trial"
	"bulkhead/services/e2e/internal/marked"
)

// Trickle is what became of records that came one by one, for people.
func Trickle(r *trial.TrickleResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s records, %d a second, in %.1f s; %s refused at first\n", marked.Count(r.Records), r.PerSecond, r.Seconds, marked.Count(r.FailedAtFirst))
	fmt.Fprintf(&b, "  %-34s %8s %8s %8s %8s\n", "seconds from acknowledgement", "p50", "p95", "p99", "max")
	for _, l := range []struct {
		name string
		trial.Latency
	}{{"until the org had saved it", r.InOrg}, {"until the ledger knew that", r.Landed}} {
		fmt.Fprintf(&b, "  %-34s %8.3f %8.3f %8.3f %8.3f\n", l.name, l.P50, l.P95, l.P99, l.Max)
	}
	fmt.Fprintf(&b, "  CPU s each second: services %.3f, nats-server %.3f, PostgreSQL %.3f, together %.3f (idle before: %.3f)\n",
		r.CPU.Services, r.CPU.Broker, r.CPU.Postgres, r.CPU.Product(), r.Idle.Product())
	fmt.Fprintf(&b, "  %d API calls (%.1f a second), %d jobs, chunks: %s; calls: %s\n",
		r.Calls.Total, float64(r.Calls.Total)/r.Seconds, r.Calls.Jobs, tally(r.Chunks), tally(r.Calls.By))
	b.WriteString("  bounds:\n")
	for _, x := range TrickleBounds(r) {
		fmt.Fprintf(&b, "    %-60s %s\n", x.What, x.verdict())
	}
	return b.String()
}

// TrickleBounds are how soon records shall land.
func TrickleBounds(r *trial.TrickleResult) []Bound {
	return []Bound{
		{What: "seconds until half of the records had landed (p50)", Limit: 1.5, Value: r.Landed.P50, Known: true},
		{What: "seconds until 99 of 100 had landed (p99)", Limit: 5, Value: r.Landed.P99, Known: true},
	}
}

// TrickleMarkdown is the same for a page. origin says where and from what it was measured.
func TrickleMarkdown(origin string, r *trial.TrickleResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. %s records, %d a second; %d API calls, %d jobs, %.3f CPU s each second of services, nats-server and PostgreSQL together.\n\n",
		origin, marked.Count(r.Records), r.PerSecond, r.Calls.Total, r.Calls.Jobs, r.CPU.Product())
	b.WriteString("| seconds from acknowledgement | p50 | p95 | p99 | max |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, l := range []struct {
		name string
		trial.Latency
	}{{"until the org had saved it", r.InOrg}, {"until the ledger knew that", r.Landed}} {
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %.3f | %.3f |\n", l.name, l.P50, l.P95, l.P99, l.Max)
	}
	return b.String()
}
