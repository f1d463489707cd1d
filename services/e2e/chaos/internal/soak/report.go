package soak

import (
	"fmt"
	"strings"

	"bulkhead/services/e2e/internal/marked"
)

// Line says in one line how it ended.
func (r *Result) Line() string {
	how := "passed"
	if len(r.Findings) > 0 {
		how = fmt.Sprintf("FAILED, %d findings", len(r.Findings))
	}
	return fmt.Sprintf("soak %s: %s records in %.0f s (%.0f a second), %d kills; %s landed, %s dead, %s rows in the org",
		how, marked.Count(r.Load.Records), r.Settled, r.PerSecond(), len(r.Kills), marked.Count(r.Balance.Landed), marked.Count(r.Balance.Dead), marked.Count(r.Seen.Rows))
}

// Markdown is the report for a page.
func (r *Result) Markdown() string {
	var b strings.Builder
	how := "everything is as it must be"
	if len(r.Findings) > 0 {
		how = "**it failed**"
	}
	fmt.Fprintf(&b, "`%s`, commit `%s`, on %s, on %s; %s: %s.\n\n| | |\n| --- | ---: |\n", r.Command, r.Commit, r.Date, r.Machine, r.Disk, how)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	row("records published; of them refused at first", "%s; %s", marked.Count(r.Load.Records), marked.Count(r.Want.Failing))
	row("landed, and what that must be", "%s of %s", marked.Count(r.Balance.Landed), marked.Count(r.Want.Landed))
	row("dead, and what that must be; with a letter", "%s of %s; %s", marked.Count(r.Balance.Dead), marked.Count(r.Want.Dead), marked.Count(r.Seen.Letters))
	row("rows in the org, once and with what they must hold", "%s of %s", marked.Count(r.Seen.Rows), marked.Count(r.Want.Rows))
	row("records stored twice by the broker, and recognised", "%s", marked.Count(r.Balance.Repeats))
	row("jobs that were closed; left open by those who were killed; rows that a call saved again", "%s; %s; %s", marked.Count(r.Seen.Jobs), marked.Count(r.Seen.LeftOpen), marked.Count(r.Seen.CallsOnce))
	row("seconds until published, and until settled", "%.0f, %.0f", r.Published, r.Settled)
	row("**records a second**, first publish to last landed", "**%.0f**", r.PerSecond())
	row("ledger's size in the end", "%.1f GB", float64(r.LedgerBytes)/1e9)
	row("processes killed, one every "+fmt.Sprintf("%.0f s", r.Every), "%d", len(r.Kills))
	for _, target := range Targets() {
		times, longest := r.kills(target)
		row("of them "+target+"; longest until ready again", "%d; %.1f s", times, longest)
	}
	fmt.Fprintf(&b, "\nFrom second %.0f to second %.0f, while records were published and read:\n\n", r.From, r.To)
	b.WriteString("| both instances of a service together | first quarter | last | at most | within lives, first quarter | last | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, f := range r.Figures {
		b.WriteString(f.line())
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\nFound: %s.\n", f)
	}
	return b.String()
}

// line is the figure's in the table.
func (f Figure) line() string {
	cells := func(g Growth, most bool) string {
		if !g.Known {
			return strings.Repeat(" ? |", map[bool]int{true: 3, false: 2}[most])
		}
		out := fmt.Sprintf(" %s | %s |", f.number(g.First), f.number(g.Last))
		if most {
			out += fmt.Sprintf(" %s |", f.number(f.Bound.most(g.First)))
		}
		return out
	}
	life := " | |"
	if f.ofProcesses() {
		life = cells(f.Flat.Life, false)
	}
	word := "flat"
	for _, g := range f.judged() {
		switch {
		case g.Known && !g.Held:
			word = "**grown**"
		case !g.Known && word == "flat":
			word = "too little was seen"
		}
	}
	return fmt.Sprintf("| %s |%s%s %s |\n", f.Name, cells(f.Flat.Run, true), life, word)
}

// kills are how often a target was killed, and the longest time that it took to be ready again.
func (r *Result) kills(target string) (times int, longest float64) {
	for _, k := range r.Kills {
		if k.Target == target {
			times, longest = times+1, max(longest, k.Back)
		}
	}
	return times, longest
}
