package soak

import (
	"fmt"
	"slices"
)

// verdict says which figures grew, and unless it was to be brief, of what nothing can be said and what was never killed.
func verdict(figures []Figure, kills []Kill, brief bool) (findings []string) {
	for _, f := range figures {
		for i, g := range f.judged() {
			over := "from the first quarter of the run to the last"
			if i > 0 {
				over = "from the first quarter of its processes' lives to the last"
			}
			switch {
			case g.Known && !g.Held:
				findings = append(findings, fmt.Sprintf("grown: %s, %s: %s to %s", f.Name, over, f.number(g.First), f.number(g.Last)))
			case !g.Known && !brief:
				findings = append(findings, fmt.Sprintf("not tried: %s, %s: too little was seen of it", f.Name, over))
			}
		}
	}
	if brief {
		return findings
	}
	for _, target := range Targets() {
		if !slices.ContainsFunc(kills, func(k Kill) bool { return k.Target == target }) {
			findings = append(findings, fmt.Sprintf("not tried: %s was never killed", target))
		}
	}
	return findings
}

// number writes a value of the figure.
func (f Figure) number(v float64) string {
	if f.Unit == "MB" {
		return fmt.Sprintf("%.0f MB", v/mega)
	}
	return fmt.Sprintf("%.4g", v)
}
