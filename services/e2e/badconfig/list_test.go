package badconfig

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	root  = "../../.."
	cases = 81
)

//go:embed cases.txt
var list string

// line is one case of the list.
type line struct {
	number        int
	what, verdict string
}

// applies says whether the case must have a test in this package.
func (l line) applies() bool {
	for _, word := range []string{"refused", "ok", "not ready"} {
		if rest, is := strings.CutPrefix(l.verdict, word); is && (rest == "" || strings.ContainsRune(":, ", rune(rest[0]))) {
			return true
		}
	}
	return false
}

func lines(t *testing.T) []line {
	t.Helper()
	var out []line
	for text := range strings.Lines(list) {
		parts := strings.SplitN(strings.TrimSpace(text), " | ", 3)
		if len(parts) != 3 {
			t.Fatalf("no case: %q", text)
		}
		n, err := strconv.Atoi(parts[0])
		if err != nil {
			t.Fatalf("no number: %q", text)
		}
		out = append(out, line{n, parts[1], parts[2]})
	}
	return out
}

func TestBadConfigurations(t *testing.T) {
	seen := map[int]bool{}
	for _, l := range lines(t) {
		if seen[l.number] {
			t.Errorf("case %d stands twice", l.number)
		}
		seen[l.number] = true
		run, here := tests[l.number]
		switch {
		case l.applies() && !here:
			t.Errorf("case %d (%s: %s) has no test", l.number, l.what, l.verdict)
		case l.applies():
			t.Run(fmt.Sprintf("%d %s is %s", l.number, l.what, l.verdict), run)
		case here:
			t.Errorf("case %d has a test, and its verdict is %s", l.number, l.verdict)
		case strings.HasPrefix(l.verdict, "elsewhere: "):
			checkElsewhere(t, l)
		case !strings.HasPrefix(l.verdict, "does not apply: ") || len(l.verdict) < len("does not apply: because"):
			t.Errorf("case %d has no verdict: %s", l.number, l.verdict)
		}
	}
	for n := 1; n <= cases; n++ {
		if !seen[n] {
			t.Errorf("case %d is not in the list", n)
		}
	}
	if len(seen) != cases {
		t.Errorf("%d cases, want %d", len(seen), cases)
	}
}

// checkElsewhere: the tests that the list names are there.
func checkElsewhere(t *testing.T, l line) {
	t.Helper()
	file, names, ok := strings.Cut(strings.TrimPrefix(l.verdict, "elsewhere: "), ": ")
	if !ok {
		t.Errorf("case %d: %q names no file and test", l.number, l.verdict)
		return
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Errorf("case %d: %v", l.number, err)
		return
	}
	// A subtest's name may hold a comma itself, but no ", Test".
	for i, name := range strings.Split(names, ", Test") {
		if i > 0 {
			name = "Test" + name
		}
		if err := holds(text, name); err != nil {
			t.Errorf("case %d: %s: %v", l.number, file, err)
		}
	}
}

// holds says whether a file of Go has a test: a function of the name, and a literal of the subtest's text in its body. What a comment says is no test.
func holds(text []byte, name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	function, subtest, _ := strings.Cut(name, "/")
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Name.Name != function || !strings.HasPrefix(function, "Test") {
			continue
		}
		found := subtest == ""
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, err := strconv.Unquote(lit.Value)
				found = found || err == nil && value == subtest
			}
			return !found
		})
		if !found {
			return fmt.Errorf("%s has no subtest %q", function, subtest)
		}
		return nil
	}
	return fmt.Errorf("there is no test %s", function)
}

func TestATestElsewhereIsAFunctionAndNoText(t *testing.T) {
	const file = `package p

// TestGone was here, with "a case of it".
func TestThere(t *testing.T) {
	// "a case that is gone"
	t.Run("a case, and more", func(t *testing.T) {})
}
`
	for name, there := range map[string]bool{
		"TestThere": true, "TestThere/a case, and more": true, "TestThere/a case": false, "TestThere/a case that is gone": false,
		"TestGone": false, "TestGone/a case of it": false, "a case, and more": false,
	} {
		t.Run(name, func(t *testing.T) {
			if err := holds([]byte(file), name); (err == nil) != there {
				t.Error(err)
			}
		})
	}
}
