package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
)

// kinds are what a sentence of the page of guarantees can be.
var kinds = []string{"promise", "rests on", "limit"}

// oneSentence ends once, with its last character.
var oneSentence = regexp.MustCompile(`^[A-Z` + "`" + `][^.]*(?:\.[^ .][^.]*)*\.$`)

// TestEachGuaranteeNamesTheTestThatShowsIt: the page of guarantees is a lead and tables. Each row of a table is one sentence with its kind and the tests that fail
// when it is false, which are there; each operation has what is promised of it, on what that rests, and its limits.
func TestEachGuaranteeNamesTheTestThatShowsIt(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	lead, rest, _ := strings.Cut(string(text), "\n## ")
	if strings.Contains(lead, "|") {
		t.Error("the lead has a table")
	}
	told := map[string][]string{} // the kinds of an operation's sentences
	for section := range strings.SplitSeq(rest, "\n## ") {
		heading, body, _ := strings.Cut(section, "\n")
		for line := range strings.Lines(body) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "|") {
				t.Errorf("%s: %q stands beside the table, where no test is named", heading, line)
			}
		}
		var has []string
		for _, row := range tableAfter(t, section, heading) {
			if len(row) != 3 || !slices.Contains(kinds, row[0]) {
				t.Errorf("%s: no row of a kind (%v), a sentence and its tests: %v", heading, kinds, row)
				continue
			}
			has = append(has, row[0])
			if !oneSentence.MatchString(row[1]) {
				t.Errorf("%s: %q is not one sentence", heading, row[1])
			}
			shown := wordsOf(row[2])
			if len(shown) == 0 {
				t.Errorf("%s: nothing shows that %q", heading, row[1])
			}
			for _, w := range shown {
				namesATest(t, row[1], w)
			}
		}
		if words := wordsOf(heading); len(words) > 0 {
			for _, k := range kinds {
				if !slices.Contains(has, k) {
					t.Errorf("%s has no row of the kind %q", heading, k)
				}
			}
			told[words[0]] = has
		}
	}
	for _, o := range pipeline.Operations() {
		if told[o] == nil {
			t.Errorf("nothing is guaranteed of %s", o)
		}
		delete(told, o)
	}
	for o := range told {
		t.Errorf("%s is no operation", o)
	}
}
