package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/internal/marked"
)

// maxShown bounds the findings of one run on the page; the verdict in its directory has all.
const maxShown = 5

// Page is the report for people, as Markdown.
func (r *Report) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Chaos: %s\n\n", r.Headline())
	fmt.Fprintf(&b, "`%s` at commit %s, %s, on %s.\n\n", r.Command, r.Commit, r.Started, r.Machine)
	fmt.Fprintf(&b, "%s runs in %s s, the longest %.1f s; %s records, %s faults that really struck", marked.Count(r.Runs), marked.Count(int(r.Seconds)), r.MaxRun, marked.Count(r.Records), marked.Count(r.Injected))
	if r.Retried > 0 {
		fmt.Fprintf(&b, "; %d were made again because the instrument itself had failed", r.Retried)
	}
	b.WriteString(".\n")
	r.found(&b)
	r.recovered(&b)
	r.injected(&b)
	r.passed(&b)
	r.looked(&b)
	return b.String()
}

// Headline says in a few words how it ended.
func (r *Report) Headline() string {
	switch {
	case r.OK():
		return fmt.Sprintf("%d of %d runs passed", r.Passed, r.Runs)
	case r.Failed > 0:
		return fmt.Sprintf("%d of %d runs failed", r.Failed, r.Runs)
	case r.Harness > 0:
		return fmt.Sprintf("%d of %d runs told nothing", r.Harness, r.Runs)
	case len(r.Late()) > 0:
		return "recoveries took too long"
	default:
		return "not all that was demanded was tried"
	}
}

func (r *Report) found(b *strings.Builder) {
	b.WriteString("\n## Found\n\n")
	names := promised()
	for _, n := range slices.Sorted(maps.Keys(r.Names)) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	fmt.Fprintf(b, "| %s |\n|%s\n|", strings.Join(names, " | "), strings.Repeat(" ---: |", len(names)))
	for _, n := range names {
		fmt.Fprintf(b, " %d |", r.Names[n])
	}
	b.WriteString("\n")
	for _, x := range r.Bad {
		fmt.Fprintf(b, "\n**Seed %d** (`%s`, kept in `%s`)\n\n", x.Seed, x.Again, x.Dir)
		if x.Harness != "" {
			fmt.Fprintf(b, "- told nothing: %s\n", Line(x.Harness))
		}
		for i, f := range x.Findings {
			if i == maxShown {
				fmt.Fprintf(b, "- and %d more\n", len(x.Findings)-maxShown)
				break
			}
			fmt.Fprintf(b, "- %s\n", Sentence(f))
		}
	}
	for i, g := range r.Gaps {
		if i == 0 {
			b.WriteString("\nDemanded, and not so:\n\n")
		}
		fmt.Fprintf(b, "- %s\n", g)
	}
}

func (r *Report) recovered(b *strings.Builder) {
	b.WriteString("\n## From a kill to the first new progress, in seconds\n\n| killed | times | p50 | p99 | longest | bound (p99) |\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, t := range r.Times {
		late := ""
		if t.Late() {
			late = ", **too long**"
		}
		fmt.Fprintf(b, "| %s | %d | %.1f | %.1f%s | %.1f | %.0f |\n", t.Group, t.Count, t.P50, t.P99, late, t.Max, t.Bound)
	}
}

func (r *Report) injected(b *strings.Builder) {
	b.WriteString("\n## Injected\n\n| fault | planned | struck |\n| --- | ---: | ---: |\n")
	var kinds []string
	for _, k := range r.kinds() {
		if k != history.Org {
			kinds = append(kinds, string(k))
		}
	}
	all := map[string]int{}
	maps.Copy(all, r.Planned)
	maps.Copy(all, r.Faults)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	for _, k := range kinds {
		fmt.Fprintf(b, "| `%s` | %d | %d |\n", k, r.Planned[k], r.Faults[k])
	}
}

func (r *Report) passed(b *strings.Builder) {
	b.WriteString("\n## Crash points\n\nRuns that passed it, processes that were killed there, processes that were held there.\n\n| point | runs | killed | held |\n| --- | ---: | ---: | ---: |\n")
	for _, p := range r.Points {
		fmt.Fprintf(b, "| `%s` | %d | %d | %d |\n", p.Name, p.Reached, p.Killed, p.Held)
	}
}

func (r *Report) looked(b *strings.Builder) {
	b.WriteString("\n## Checked\n\n| what | times |\n| --- | ---: |\n")
	for _, k := range slices.Sorted(maps.Keys(r.Checked)) {
		fmt.Fprintf(b, "| %s | %s |\n", k, marked.Count(r.Checked[k]))
	}
}

// Sentence is a finding on one line.
func Sentence(f history.Finding) string {
	where := []string{}
	for _, x := range []struct{ name, value string }{{"pipeline", f.Pipeline}, {"entity", f.Entity}, {"key", f.Key}, {"job", f.Job}} {
		if x.value != "" {
			where = append(where, x.name+" "+x.value)
		}
	}
	out := f.Invariant + " " + f.Name
	if len(where) > 0 {
		out += " (" + strings.Join(where, ", ") + ")"
	}
	return Line(out + ": " + f.Text)
}

// Line makes text safe for one line of a terminal or a page: texts come from records and from what other programs say.
func Line(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, text)
}
