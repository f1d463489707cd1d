package badconfig

import (
	_ "embed"
	"fmt"
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

// checkElsewhere: the test that the list names is there.
func checkElsewhere(t *testing.T, l line) {
	t.Helper()
	file, text, ok := strings.Cut(strings.TrimPrefix(l.verdict, "elsewhere: "), ": ")
	if !ok {
		t.Errorf("case %d: %q names no file and text", l.number, l.verdict)
		return
	}
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Errorf("case %d: %v", l.number, err)
		return
	}
	if !strings.Contains(string(b), text) {
		t.Errorf("case %d: %s has no test %q", l.number, file, text)
	}
}
