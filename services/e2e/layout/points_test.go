package layout

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pointsFile lists the crash points: name, service, and for those that are not on everyday's way what a run must provoke.
const pointsFile = "services/e2e/chaos/points.txt"

// listed is one line of it.
type listed struct {
	name, service string
	needs         []string
}

// pointsListed reads the list and the words that its needs are made of.
func pointsListed(t *testing.T) (points []listed, words map[string]bool) {
	t.Helper()
	f, err := os.Open(filepath.Join(root, pointsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words = map[string]bool{}
	word := regexp.MustCompile(`^# needs=([a-z_]+): .`)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if m := word.FindStringSubmatch(line); m != nil {
			words[m[1]] = true
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		p := listed{name: fields[0]}
		if len(fields) > 1 {
			p.service = fields[1]
		}
		if len(fields) > 2 {
			needs, ok := strings.CutPrefix(fields[2], "needs=")
			if !ok || len(fields) > 3 {
				t.Errorf("%s:%d: %q is not name, service and needs=what,what", pointsFile, n, line)
			}
			p.needs = strings.Split(needs, ",")
		}
		points = append(points, p)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return points, words
}

func TestTheListOfCrashPoints(t *testing.T) {
	t.Parallel()
	points, words := pointsListed(t)
	inCode := pointsInCode(t)
	t.Run("holds at least sixty points, each once, in order, under the service whose process passes it", func(t *testing.T) {
		shape := regexp.MustCompile(`^[a-z]+(\.[a-z]+(_[a-z]+)*)\.(before|after|at)_[a-z0-9_]+$`)
		for i, p := range points {
			if !shape.MatchString(p.name) || p.service == "" || !strings.HasPrefix(p.name, p.service+".") {
				t.Errorf("%+v", p)
			}
			if i > 0 && points[i-1].service == p.service && points[i-1].name >= p.name {
				t.Errorf("%s stands behind %s", p.name, points[i-1].name)
			}
			for _, need := range p.needs {
				if !words[need] {
					t.Errorf("%s needs %q, which the head of the list does not explain", p.name, need)
				}
			}
		}
		if len(points) < 60 {
			t.Errorf("%d points", len(points))
		}
	})
	t.Run("names exactly the points that stand in the code", func(t *testing.T) {
		names := map[string]bool{}
		for _, p := range points {
			names[p.name] = true
			if inCode[p.name] == "" {
				t.Errorf("%s stands nowhere in the code: take it off the list", p.name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(inCode)) {
			if !names[name] {
				t.Errorf("%s (%s) is not on the list in %s: add it, and what a run must do to reach it", name, inCode[name], pointsFile)
			}
		}
	})
	t.Run("explains no need that no point has", func(t *testing.T) {
		for _, p := range points {
			for _, need := range p.needs {
				delete(words, need)
			}
		}
		if len(words) > 0 {
			t.Errorf("nothing needs %v", slices.Sorted(maps.Keys(words)))
		}
	})
}

func TestTheListOfPlantedBugs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(root, "services/e2e/chaos/planted.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			got = append(got, line)
		}
	}
	if want := plantedLines(); !slices.Equal(got, want) {
		t.Errorf("services/e2e/chaos/planted.txt holds %d bugs, planted.All %d; it should say:\n%s", len(got), len(want), strings.Join(want, "\n"))
	}
	t.Run("each planted bug stands somewhere in the product", func(t *testing.T) {
		asked := map[string]bool{}
		use := regexp.MustCompile(`planted\.On\(planted\.([A-Za-z0-9]+)\)`)
		for _, file := range goFiles(t) {
			if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "services/e2e/") || strings.HasPrefix(file, "libs/fault/") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range use.FindAllStringSubmatch(string(b), -1) {
				asked[m[1]] = true
			}
		}
		for _, name := range plantedConstants(t) {
			if !asked[name] {
				t.Errorf("planted.%s is never asked for", name)
			}
		}
		if len(asked) != len(plantedConstants(t)) {
			t.Errorf("%d bugs are asked for", len(asked))
		}
	})
}

// plantedConstants are the names of the bugs' constants in Go.
func plantedConstants(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "libs/fault/planted/doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^\t([A-Z][A-Za-z0-9]+) +Bug = "[a-z]`).FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatal(fmt.Errorf("no constant found in %d bytes", len(b)))
	}
	return out
}
