package layout

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/record"
)

var arrow = regexp.MustCompile(`(?m)^ *(\S+) --> ([^\s:]+)`)

// TestTheDiagramOfRecordsIsTheTableOfTheCode: the first diagram of the page draws the moves of libs/record, no more and no fewer.
func TestTheDiagramOfRecordsIsTheTableOfTheCode(t *testing.T) {
	_, rest, _ := strings.Cut(page(t), "```mermaid\n")
	diagram, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		t.Fatal("docs/architecture.md has no diagram")
	}
	var drawn, coded []string
	for _, m := range arrow.FindAllStringSubmatch(diagram, -1) {
		if m[2] != "[*]" {
			drawn = append(drawn, m[1]+" "+m[2])
		} else if s := record.State(m[1]); !s.Final() {
			t.Errorf("%s is drawn as an end", s)
		}
	}
	for _, s := range record.First() {
		coded = append(coded, "[*] "+string(s))
	}
	for _, s := range record.States() {
		for _, next := range s.Next() {
			coded = append(coded, string(s)+" "+string(next))
		}
	}
	slices.Sort(drawn)
	slices.Sort(coded)
	if !slices.Equal(drawn, coded) {
		t.Errorf("drawn are\n%s\nand the code has\n%s", strings.Join(drawn, "\n"), strings.Join(coded, "\n"))
	}
}
