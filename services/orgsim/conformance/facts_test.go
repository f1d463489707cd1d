package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"bulkhead/libs/testkit"
	"bulkhead/services/orgsim/internal/switches"
)

// fact is one entry of facts.yaml.
type fact struct {
	ID string `yaml:"id"`
	// Section is that of the fact sheet, such as "3.5".
	Section string `yaml:"section"`
	// Tag is how sure the sheet is: D, F, C, P, U, K or G.
	Tag string `yaml:"tag"`
	// Lines are the fingerprints of the lines of the sheet that say it; see fingerprint.
	Lines []string `yaml:"lines"`
	Says  string   `yaml:"says"`
	// Test is "TestName" or "TestName: words of the name of a part", in Package; default: this one.
	Test    string `yaml:"test"`
	Package string `yaml:"package"`
	// Switch is the open question that a guess answers; its test tries every position.
	Switch string `yaml:"switch"`
	// NotSimulated says why no test can show it.
	NotSimulated string `yaml:"not_simulated"`
}

const (
	factsFile = "../facts.yaml"
	root      = "../../.."
)

var (
	tagForm  = regexp.MustCompile(`\[(D|F|C|P|U|K|G)\b[^\]]*\]`)
	testForm = regexp.MustCompile(`^((?:Test|Fuzz)\w+)(?:: (.+))?$`)
	idForm   = regexp.MustCompile(`^[a-z0-9]+(?:[.-][a-z0-9]+)*$`)
)

func facts(t *testing.T) []fact {
	t.Helper()
	content, err := os.ReadFile(factsFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Facts []fact `yaml:"facts"`
	}
	if err := yaml.UnmarshalWithOptions(content, &doc, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return doc.Facts
}

func TestFacts(t *testing.T) {
	t.Run("every fact has an id of its own, a section, a tag and a sentence", func(t *testing.T) {
		ids := map[string]bool{}
		for _, f := range facts(t) {
			if !idForm.MatchString(f.ID) || ids[f.ID] || f.Section == "" || f.Says == "" || len(f.Tag) != 1 || !strings.Contains("DFCPUKG", f.Tag) {
				t.Errorf("%+v", f)
			}
			ids[f.ID] = true
		}
	})
	t.Run("every fact has a test that is there, or the reason why none can show it", func(t *testing.T) {
		sources := &testkit.Named{Root: root}
		for _, f := range facts(t) {
			if (f.Test == "") == (f.NotSimulated == "") {
				t.Errorf("%s: it needs a test or not_simulated, not both", f.ID)
			}
			if f.Test == "" {
				continue
			}
			dir := "services/orgsim/conformance"
			if f.Package != "" {
				dir = f.Package
			}
			m := testForm.FindStringSubmatch(f.Test)
			if m == nil {
				t.Errorf("%s: %q names no test", f.ID, f.Test)
				continue
			}
			part := ""
			if m[2] != "" {
				part = `"` + m[2]
			}
			if err := sources.Find(dir, m[1], part); err != nil {
				t.Errorf("%s: %v", f.ID, err)
			}
		}
	})
	t.Run("every guess is a switch, and every switch a guess with a test", func(t *testing.T) {
		shown := map[string]bool{}
		for _, f := range facts(t) {
			if f.Switch == "" {
				if f.Tag == "G" && f.NotSimulated == "" {
					t.Errorf("%s: a guess needs its switch", f.ID)
				}
				continue
			}
			shown[f.Switch] = true
			if !slices.ContainsFunc(switches.All, func(s switches.Switch) bool { return string(s.Name) == f.Switch }) {
				t.Errorf("%s: there is no switch %s", f.ID, f.Switch)
			}
		}
		for _, s := range switches.All {
			if !shown[string(s.Name)] {
				t.Errorf("no fact stands for the switch %s", s.Name)
			}
		}
	})
	t.Run("every tagged line of the fact sheet has a fact, and every fact its lines", func(t *testing.T) {
		lines := sheet(t)
		if lines == nil {
			return
		}
		said := map[string]bool{}
		for _, f := range facts(t) {
			if len(f.Lines) == 0 {
				t.Errorf("%s: it names no line of the sheet", f.ID)
			}
			for _, l := range f.Lines {
				said[l] = true
				if _, ok := lines[l]; !ok {
					t.Errorf("%s: the sheet has no line %s", f.ID, l)
				}
			}
		}
		for print, l := range lines {
			if l.tagged && slices.Contains([]string{"1", "2", "3", "4", "6", "7"}, l.section) && !said[print] {
				t.Errorf("no fact refers to line %d of the sheet, %s: %.120s", l.number, print, l.text)
			}
		}
	})
}

// line is one line of the fact sheet.
type line struct {
	number        int
	section, text string
	tagged        bool
}

// fingerprint names a line by what it says, so that a line which says something else is noticed: the first eight digits
// of the SHA-256 of its text without white space at its ends.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:4])
}

// sheet reads the fact sheet; nil, with a line that says so, when it is not at hand and need not be.
func sheet(t *testing.T) map[string]line {
	t.Helper()
	path := os.Getenv("BULKHEAD_FACT_SHEET")
	if path == "" {
		path = filepath.Join(root, "..", "shared", "reference", "salesforce.md")
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("BULKHEAD_REQUIRE_TESTDATA") == "" && os.Getenv("BULKHEAD_FACT_SHEET") == "" {
		fmt.Println("left out: the comparison of facts.yaml with the fact sheet, which is not beside this checkout (BULKHEAD_FACT_SHEET)")
		return nil
	}
	if err != nil {
		t.Fatalf("the fact sheet: %v; point BULKHEAD_FACT_SHEET at it", err)
	}
	lines, section := map[string]line{}, ""
	number := 0
	for text := range strings.Lines(string(content)) {
		number++
		if rest, ok := strings.CutPrefix(text, "## "); ok {
			section, _, _ = strings.Cut(rest, ".")
		}
		lines[fingerprint(text)] = line{number, section, strings.TrimSpace(text), tagForm.MatchString(text)}
	}
	return lines
}
