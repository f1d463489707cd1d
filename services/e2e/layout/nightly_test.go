package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestTheNightlyJobRunsChaos: chaos is a routine and no event. The job of the night may be started, names verbs that are there, and hears of what they find.
func TestTheNightlyJobRunsChaos(t *testing.T) {
	file := filepath.Join(root, ".ci", "nightly")
	info, err := os.Stat(file)
	if err != nil || info.Mode()&0o111 == 0 {
		t.Fatalf("%s is not there to be run (%v)", file, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var verbs []string
	for _, m := range regexp.MustCompile(`(?m)^(?:[A-Z_]+="[^"]*" )?make ([a-z-]+)(.*)$`).FindAllStringSubmatch(string(text), -1) {
		verbs = append(verbs, m[1])
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("the Makefile has no %s", m[1])
		}
		if !regexp.MustCompile(`\|\| failed=1(?: #.*)?$`).MatchString(m[2]) {
			t.Errorf("nobody hears of what make %s finds", m[1])
		}
	}
	for _, want := range []string{"chaos", "chaos-points", "chaos-power", "upgrade", "simulate", "properties", "fuzz", "soak"} {
		if !slices.Contains(verbs, want) {
			t.Errorf("the night does not run make %s: %v", want, verbs)
		}
	}
}
