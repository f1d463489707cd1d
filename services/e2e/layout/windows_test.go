package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/trial"
)

// windows is how many there are on the reliability page, and waiting are those that say what they wait for and need no test.
const windows = 38

var waiting = []string{"W37"}

func TestEachWindowNamesTheTestsThatTryIt(t *testing.T) {
	for _, row := range numberedRows(t, "## Windows", 4, "W", windows) {
		name, tests := row[0], wordsOf(row[3])
		if row[1] == "" || row[2] == "" {
			t.Errorf("%s does not say both what the window is and what happens then", name)
		}
		if len(tests) == 0 && !slices.Contains(waiting, name) {
			t.Errorf("%s names no test that tries it", name)
		}
		if slices.Contains(waiting, name) && !strings.Contains(strings.ToLower(row[2]), "waits for ") {
			t.Errorf("%s does not say what it waits for", name)
		}
		for _, w := range tests {
			namesATest(t, name, w)
		}
	}
}

var faultKind = regexp.MustCompile(`FaultKind = "([a-z_]+)"`)

// faultKinds are the words of what chaos does itself, and of what the simulated org does for it. "org" stands for all of the latter.
func faultKinds(t *testing.T) []string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(root, "services/e2e/chaos/internal/history/kinds.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := trial.OrgKinds()
	for _, m := range faultKind.FindAllStringSubmatch(string(code), -1) {
		if m[1] != string(trial.Org) {
			out = append(out, m[1])
		}
	}
	return out
}

func TestEachFaultIsTriedSomewhere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := faultKinds(t)
	left := slices.Clone(kinds)
	for _, row := range tableAfter(t, string(text), "## Faults") {
		if len(row) != 3 {
			t.Errorf("a row of the faults has %d cells, not 3: %v", len(row), row)
			continue
		}
		words := wordsOf(row[2])
		if waits := strings.HasPrefix(row[2], "waits for "); !waits && len(words) == 0 {
			t.Errorf("%q is neither tried nor does it say what it waits for", row[0])
		} else if waits {
			continue // the words behind it are its own
		}
		for _, w := range words {
			if slices.Contains(kinds, w) {
				left = slices.DeleteFunc(left, func(k string) bool { return k == w })
				continue
			}
			namesATest(t, row[0], w)
		}
	}
	if len(left) > 0 {
		t.Errorf("the page does not say where these kinds of fault strike: %v", left)
	}
}
