package soak

import (
	"slices"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	flat := Growth{First: 1, Last: 1, Known: true, Held: true}
	grown := Growth{First: 1e6, Last: 9e6, Known: true}
	memory := func(over, life Growth) Figure {
		return Figure{Name: "ops: memory", Unit: "MB", Flat: Flat{Run: over, Life: life}}
	}
	leases := func(over Growth) Figure { return Figure{Name: "leases held", Flat: Flat{Run: over}} }
	var all []Kill
	for _, target := range Targets() {
		all = append(all, Kill{Target: target})
	}
	for name, c := range map[string]struct {
		figures []Figure
		kills   []Kill
		brief   bool
		want    []string // begin so
	}{
		"everything flat and everything killed passes": {[]Figure{memory(flat, flat), leases(flat)}, all, false, nil},
		"what grew over the run is found":              {[]Figure{memory(grown, flat)}, all, false, []string{"grown: ops: memory, from the first quarter of the run to the last: 1 MB to 9 MB"}},
		"what grew within lives is found":              {[]Figure{memory(flat, grown)}, all, true, []string{"grown: ops: memory, from the first quarter of its processes' lives"}},
		"a figure of no process has no lives":          {[]Figure{leases(flat)}, all, false, nil},
		"what too little was seen of is not tried":     {[]Figure{leases(Growth{})}, all, false, []string{"not tried: leases held"}},
		"unless it was to be brief":                    {[]Figure{leases(Growth{}), memory(Growth{}, Growth{})}, nil, true, nil},
		"who was never killed is not tried":            {nil, all[1:], false, []string{"not tried: extractor was never killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := verdict(c.figures, c.kills, c.brief)
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := &Result{
		Command: "chaos soak", Commit: "abc", Machine: "2 cores", Disk: "a disk", Date: "2026-11-23", Load: Load{Records: 10_000_000, Failing: 200},
		Want: Counts{Failing: 200_000, Landed: 9_970_000, Dead: 30_000, Rows: 8_960_000}, Settled: 400, Published: 380, Every: 20,
		Kills:   []Kill{{Target: "nats", Back: 1.5}, {Target: "nats", Back: 2.5}},
		Figures: []Figure{{Name: "ops: memory", Unit: "MB", Bound: Bound{1.25, 1e6}, Flat: Flat{Run: Growth{4e6, 5e6, true, true}, Life: Growth{First: 4e6, Last: 9e6, Known: true}}}, {Name: "leases held"}},
	}
	r.Balance.Landed, r.Balance.Dead, r.Seen.Rows, r.Seen.Letters = 9_970_000, 30_000, 8_960_000, 30_000
	t.Run("says what was there of what must be, who was killed, and what each figure did", func(t *testing.T) {
		text := r.Markdown()
		for _, want := range []string{
			"`chaos soak`, commit `abc`, on 2026-11-23, on 2 cores; a disk: everything is as it must be",
			"| landed, and what that must be | 9,970,000 of 9,970,000 |", "| **records a second**, first publish to last landed | **25000** |",
			"| of them nats; longest until ready again | 2; 2.5 s |", "| of them postgres; longest until ready again | 0; 0.0 s |",
			"| ops: memory | 4 MB | 5 MB | 6 MB | 4 MB | 9 MB | **grown** |", "| leases held | ? | ? | ? | | | too little was seen |",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q:\n%s", want, text)
			}
		}
	})
	t.Run("names its findings", func(t *testing.T) {
		bad := *r
		bad.Findings = []string{"lost: R-7 is not there"}
		if text := bad.Markdown(); !strings.Contains(text, "Found: lost: R-7 is not there.") || !strings.Contains(text, "**it failed**") {
			t.Error(text)
		}
		if line := bad.Line(); !strings.HasPrefix(line, "soak FAILED, 1 findings: 10,000,000 records in 400 s (25000 a second), 2 kills") {
			t.Error(line)
		}
	})
}
