package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tried are the invariants of the reliability page that must have a test now; the others may say what they wait for.
var tried = []string{
	"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14", "I16", "I17", "I19", "I20", "I21", "I22",
	"I25", "I28", "I30",
}

// invariants is how many there are.
const invariants = 30

var namedTest = regexp.MustCompile(`^([a-z][A-Za-z0-9_/.-]*_test\.go):(Test[A-Z][A-Za-z0-9_]*)$`)

// testsOf returns the names of the test functions of a file of this repository.
func testsOf(file string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("a file of tests that the page names: %w", err)
	}
	var out []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
			out = append(out, fn.Name.Name)
		}
	}
	return out, nil
}

// namesATest says what is wrong with the name of a test on a page: what is not written as one, or is not there.
func namesATest(t *testing.T, row, name string) {
	t.Helper()
	m := namedTest.FindStringSubmatch(name)
	if m == nil {
		t.Errorf("%s names %q, which is not written as path_test.go:TestName", row, name)
		return
	}
	there, err := testsOf(m[1])
	if err != nil {
		t.Errorf("%s: %v", row, err)
		return
	}
	if !slices.Contains(there, m[2]) {
		t.Errorf("%s names %s, which %s does not have", row, m[2], m[1])
	}
}

// numberedRows are the rows behind a heading of the reliability page, which are numbered from 1 behind a letter, so many and without a gap.
func numberedRows(t *testing.T, heading string, cells int, letter string, count int) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	var seen []string
	for _, row := range tableAfter(t, string(text), heading) {
		if len(row) != cells {
			t.Errorf("%s: a row has %d cells, not %d: %v", heading, len(row), cells, row)
			continue
		}
		rows, seen = append(rows, row), append(seen, row[0])
	}
	for n := range count {
		if want := fmt.Sprintf("%s%d", letter, n+1); n >= len(seen) || seen[n] != want {
			t.Fatalf("%s: the rows are %v; number %d should be %s", heading, seen, n+1, want)
		}
	}
	if len(seen) != count {
		t.Errorf("%s: there are %d rows, not %d", heading, len(seen), count)
	}
	return rows
}

func TestEachInvariantNamesTheTestThatFalsifiesIt(t *testing.T) {
	for _, row := range numberedRows(t, "## Invariants", 3, "I", invariants) {
		name, words := row[0], wordsOf(row[2])
		waits := strings.HasPrefix(row[2], "waits for ")
		switch {
		case slices.Contains(tried, name) && (waits || len(words) == 0):
			t.Errorf("%s names no test that falsifies it", name)
		case !waits && len(words) == 0:
			t.Errorf("%s neither names a test nor says what it waits for", name)
		}
		for _, w := range words {
			namesATest(t, name, w)
		}
	}
}
