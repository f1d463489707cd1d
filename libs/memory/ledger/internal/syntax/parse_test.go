package syntax_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bulkhead/libs/memory/ledger/internal/syntax"
)

// files are the product's migrations and queries; what the benchmark asks PostgreSQL about itself is none.
func files(t testing.TB) map[string]string {
	t.Helper()
	named := regexp.MustCompile(`@\w+|sqlc\.n?arg\(\w+\)`)
	out := map[string]string{}
	for _, root := range []string{"../../../../../services", "../../../../../libs"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && filepath.ToSlash(path) == root+"/e2e/bench" {
				return filepath.SkipDir
			}
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".sql" {
				return err
			}
			data, err := os.ReadFile(path)
			out[path] = named.ReplaceAllString(strings.ReplaceAll(string(data), "@schema", "extractor"), "$$1")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestParse(t *testing.T) {
	t.Parallel()
	t.Run("reads every migration and query of the product", func(t *testing.T) {
		t.Parallel()
		total := 0
		for path, src := range files(t) {
			statements, err := syntax.Parse(src)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			total += len(statements)
		}
		if total < 300 {
			t.Fatalf("%d statements", total)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, src := range files(f) {
		f.Add(src)
	}
	f.Fuzz(func(_ *testing.T, src string) {
		_, _ = syntax.Parse(src)
	})
}
