package planted_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/testkit"
)

// found is a row: a bug, who found it, where, and what it was called.
type found struct {
	line                            int
	bug, instrument, where, finding string
}

// mostSeeds is how many seeds an instrument may need.
const mostSeeds = 50

// model is the test in each package with models that plants bugs in what they explore.
const model = "TestTheModelFindsPlantedBugs"

// Places of runs: a seed, or the crash points whose names hold a text, and the how manieth run it was; or a test that has one run.
var (
	inTest = regexp.MustCompile(`^(services/e2e/simulation(?:/[a-z]+)*):(Test\w+)$`)

	atSeed  = regexp.MustCompile(`^seed=\d+,run=(\d+)$`)
	atPoint = regexp.MustCompile(`^point=([a-z_.]+),run=(\d+)$`)
)

func read(t *testing.T) []found {
	t.Helper()
	text, err := os.ReadFile("found.txt")
	if err != nil {
		t.Fatal(err)
	}
	out, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parse(text string) ([]found, error) {
	var out []found
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, " ", 4)
		if len(parts) != 4 || strings.TrimSpace(parts[3]) == "" {
			return nil, fmt.Errorf("found.txt, line %d: %q is not a bug, an instrument, a place and a finding", n, line)
		}
		out = append(out, found{n, parts[0], parts[1], parts[2], parts[3]})
	}
	return out, nil
}

func TestEveryPlantedBugIsFound(t *testing.T) {
	known := map[string]bool{}
	for _, d := range planted.All() {
		known[string(d.Bug)] = true
	}
	has := map[string]bool{}
	for _, f := range read(t) {
		has[f.bug] = true
		if !known[f.bug] {
			t.Errorf("line %d: no bug is called %s", f.line, f.bug)
		}
	}
	for bug := range known {
		if !has[bug] {
			t.Errorf("nothing finds %s", bug)
		}
	}
}

func TestWhatFoundABugIsThere(t *testing.T) {
	constants := constants(t)
	for _, f := range read(t) {
		switch f.instrument {
		case "model":
			plants(t, f, constants[f.bug])
		case "simulation", "chaos":
			ran(t, f)
		default:
			t.Errorf("line %d: %q is no instrument: model, simulation or chaos", f.line, f.instrument)
		}
	}
}

// ran wants a run that there can be, not later than bugs must be found.
func ran(t *testing.T, f found) {
	t.Helper()
	if parts := inTest.FindStringSubmatch(f.where); parts != nil && f.instrument == "simulation" {
		holds(t, f, parts[1], regexp.MustCompile(`(?m)^func `+parts[2]+`\(`))
		return
	}
	run := ""
	if parts := atSeed.FindStringSubmatch(f.where); parts != nil {
		run = parts[1]
	} else if parts := atPoint.FindStringSubmatch(f.where); parts != nil && f.instrument == "simulation" {
		run = parts[2]
		points, err := os.ReadFile(filepath.Join(testkit.Root(t), "services/e2e/chaos/points.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^\S*` + regexp.QuoteMeta(parts[1]) + `\S* `).Match(points) {
			t.Errorf("line %d: no crash point's name holds %s", f.line, parts[1])
		}
	}
	if n, err := strconv.Atoi(run); err != nil || n < 1 || n > mostSeeds {
		t.Errorf("line %d: %q does not say by which seed or points, and in which of the first %d runs", f.line, f.where, mostSeeds)
	}
}

// plants wants that the test of a package's models plants the bug.
func plants(t *testing.T, f found, constant string) {
	t.Helper()
	holds(t, f, f.where, regexp.MustCompile(`(?s)func `+model+`\(.*\bplanted\.`+constant+`\b`))
}

// holds wants a test file in a directory of the repository with such a text.
func holds(t *testing.T, f found, dir string, text *regexp.Regexp) {
	t.Helper()
	if filepath.Clean(dir) != dir || !filepath.IsLocal(dir) {
		t.Errorf("line %d: %q is no directory of the repository", f.line, dir)
		return
	}
	files, err := filepath.Glob(filepath.Join(testkit.Root(t), dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if text.Match(b) {
			return
		}
	}
	t.Errorf("line %d: no test in %s is what %s was found by: %s", f.line, dir, f.bug, text)
}

// constants are the names in Go of the bugs.
func constants(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "libs/fault/planted/doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Bug = "(\w+)"$`).FindAllStringSubmatch(string(text), -1) {
		out[m[2]] = m[1]
	}
	if len(out) != len(planted.All()) {
		t.Fatalf("%d of %d bugs have a constant", len(out), len(planted.All()))
	}
	return out
}

func TestRowsAreRead(t *testing.T) {
	t.Run("a row is a bug, an instrument, a place and a finding in words", func(t *testing.T) {
		got, err := parse("# why\n\nno_epoch chaos seed=3,run=1 I3 doubled\n")
		if want := (found{3, "no_epoch", "chaos", "seed=3,run=1", "I3 doubled"}); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%+v, %v", got, err)
		}
	})
	for _, text := range []string{"no_epoch", "no_epoch chaos", "no_epoch chaos seed=3,run=1", "no_epoch chaos seed=3,run=1  "} {
		t.Run("refused: "+text, func(t *testing.T) {
			if _, err := parse(text); err == nil || !strings.Contains(err.Error(), "line 1") {
				t.Errorf("error %v", err)
			}
		})
	}
}
