package badrecords

import (
	_ "embed"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

//go:embed testdata/parsers.txt
var parsers string

var fuzzFunc = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

// TestEveryParserIsFuzzed holds the list of what takes bytes from outside apart to the fuzz targets that there are, both ways.
func TestEveryParserIsFuzzed(t *testing.T) {
	const root = "../../.."
	there := map[string]bool{}
	for _, module := range []string{"libs", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			dir, err := filepath.Rel(root, filepath.Dir(path))
			for _, m := range fuzzFunc.FindAllSubmatch(text, -1) {
				there[filepath.ToSlash(dir)+" "+string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for text := range strings.Lines(parsers) {
		parts := strings.Split(strings.TrimSpace(text), " | ")
		if len(parts) != 3 {
			t.Fatalf("no parser: %q", text)
		}
		name := parts[0] + " " + parts[2]
		if !there[name] {
			t.Errorf("nothing fuzzes %s: %s is not there", parts[1], name)
		}
		delete(there, name)
	}
	for name := range there {
		t.Errorf("%s is not in the list", name)
	}
}
