package layout

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bulkhead/libs/pipeline"
)

// TestEachGuaranteeNamesTheTestThatShowsIt: the page of guarantees has a row for each operation, and the last cell of every row of its tables names tests that
// are there.
func TestEachGuaranteeNamesTheTestThatShowsIt(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for heading, cells := range map[string]int{"## By step": 3, "## By operation": 5} {
		for _, row := range tableAfter(t, string(text), heading) {
			if len(row) != cells || slices.Contains(row, "") {
				t.Errorf("%s: a row has %d cells, not %d, or an empty one: %v", heading, len(row), cells, row)
				continue
			}
			if words := wordsOf(row[0]); len(words) > 0 {
				told[words[0]] = true
			}
			shown := wordsOf(row[cells-1])
			if len(shown) == 0 {
				t.Errorf("%s: nothing shows what is guaranteed of %s", heading, row[0])
			}
			for _, w := range shown {
				namesATest(t, row[0], w)
			}
		}
	}
	for _, o := range pipeline.Operations() {
		if !told[o] {
			t.Errorf("nothing is guaranteed of %s", o)
		}
		delete(told, o)
	}
	for o := range told {
		t.Errorf("%s is no operation", o)
	}
}
