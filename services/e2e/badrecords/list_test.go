package badrecords

import (
	_ "embed"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// last is the number of the last case.
const last = 88

//go:embed testdata/records.txt
var list string

// line is one case of the catalogue.
type line struct {
	n    int
	what string
	// verdicts are the ends that messages of this case come to, such as "landed" and "dead NOT_JSON"; none = it does not apply.
	verdicts []string
	// because says why a case does not apply.
	because string
}

var verdictForm = regexp.MustCompile(`^(landed|repeat|superseded|refused by the publisher|refused at apply|dead [A-Z0-9_]+)(?:[,: ].*)?$`)

func catalogue(t *testing.T) map[int]line {
	t.Helper()
	out := map[int]line{}
	for text := range strings.Lines(list) {
		parts := strings.SplitN(strings.TrimSpace(text), " | ", 3)
		if len(parts) != 3 {
			t.Fatalf("no case: %q", text)
		}
		n, err := strconv.Atoi(parts[0])
		if err != nil || n < 1 || n > last {
			t.Fatalf("no number: %q", text)
		}
		if _, twice := out[n]; twice {
			t.Errorf("case %d stands twice", n)
		}
		l := line{n: n, what: parts[1]}
		if because, is := strings.CutPrefix(parts[2], "does not apply: "); is && because != "" {
			l.because = because
			out[n] = l
			continue
		}
		for _, words := range strings.Split(parts[2], "; ") {
			m := verdictForm.FindStringSubmatch(words)
			if m == nil {
				t.Fatalf("case %d: %q is no verdict", n, words)
			}
			l.verdicts = append(l.verdicts, m[1])
		}
		out[n] = l
	}
	for n := 1; n <= last; n++ {
		if _, ok := out[n]; !ok {
			t.Errorf("case %d is not in the catalogue", n)
		}
	}
	return out
}

// TestTheCatalogueIsTheTests: each case has tests that come to exactly the ends that its line says.
func TestTheCatalogueIsTheTests(t *testing.T) {
	tested := map[int]map[string]bool{}
	add := func(n int, verdict string) {
		if tested[n] == nil {
			tested[n] = map[string]bool{}
		}
		tested[n][verdict] = true
	}
	for _, m := range messages(t) {
		add(m.n, m.verdict)
	}
	for _, d := range documents {
		add(d.n, refusedAtApply)
	}
	for _, p := range plays {
		for _, v := range p.verdicts {
			add(p.n, v)
		}
	}
	lines := catalogue(t)
	for n, l := range lines {
		if l.because != "" {
			if len(tested[n]) > 0 {
				t.Errorf("case %d (%s) has a test, and the catalogue says that it does not apply", n, l.what)
			}
			continue
		}
		want := slices.Sorted(slices.Values(l.verdicts))
		if got := slices.Sorted(maps.Keys(tested[n])); !slices.Equal(got, want) {
			t.Errorf("case %d (%s) is tested to end %q, and the catalogue says %q", n, l.what, got, want)
		}
	}
	for n := range tested {
		if _, ok := lines[n]; !ok {
			t.Errorf("test %d has no case", n)
		}
	}
}
