package layout

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goFiles returns the Go files of the three modules, relative to the root, with slashes.
func goFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, module := range []string{"proto", "libs", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasSuffix(p, ".go") {
				rel, err := filepath.Rel(root, p)
				if err != nil {
					return err
				}
				out = append(out, filepath.ToSlash(rel))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestImportArrows(t *testing.T) {
	fset := token.NewFileSet()
	for _, file := range goFiles(t) {
		f, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if why := forbidden(file, path); why != "" {
				t.Errorf("%s imports %s: %s", file, path, why)
			}
		}
	}
}

// forbidden says why a file may not import a package: services → libs → proto, and no service imports another.
func forbidden(file, path string) string {
	top, _, _ := strings.Cut(file, "/")
	switch {
	case top == "proto" && (strings.HasPrefix(path, "bulkhead/libs") || strings.HasPrefix(path, "bulkhead/services")):
		return "proto imports nothing of ours"
	case top == "libs" && strings.HasPrefix(path, "bulkhead/services"):
		return "libs import no service"
	case top == "services" && strings.HasPrefix(path, "bulkhead/services/"):
		mine := strings.Split(file, "/")[1]
		theirs := strings.Split(path, "/")[2]
		if mine == theirs || mine == "bulkhead" || mine == "e2e" || theirs == "orgsim" && strings.HasSuffix(file, "_test.go") {
			return "" // the all-in-one mode and the journeys start the others' app packages; tests may start the simulator
		}
		return "no service imports another"
	default:
		return ""
	}
}

func TestEveryPackageSaysItsContract(t *testing.T) {
	comment := regexp.MustCompile(`(?m)^// (Package|Command) \S+`)
	documented := map[string]bool{}
	for _, file := range goFiles(t) {
		// What buf generates keeps its comments in the .proto files.
		if strings.HasPrefix(file, "proto/gen/") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir := filepath.Dir(file)
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		documented[dir] = documented[dir] || comment.Match(b)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func TestPathsThatTheDocsNameExist(t *testing.T) {
	path := regexp.MustCompile("`((?:services|libs|proto|deploy|docs)/[A-Za-z0-9_./-]+)`")
	docs, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	adrs, err := filepath.Glob(filepath.Join(root, "docs/adr/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(append(docs, adrs...), filepath.Join(root, "README.md")) {
		b, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range path.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", filepath.Base(doc), m[1])
			}
		}
	}
}

func TestTopLevelHoldsNothingElse(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"services": true, "proto": true, "libs": true, "deploy": true, "docs": true, ".ci": true,
		"docker-compose.yml": true, "go.work": true, "go.work.sum": true, "Makefile": true, "README.md": true,
		".gitignore": true, ".golangci.yml": true, ".dockerignore": true,
	}
	for line := range bytes.Lines(out) {
		top, _, _ := strings.Cut(strings.TrimSpace(string(line)), "/")
		if !allowed[top] {
			t.Errorf("%s does not belong at the top level", top)
		}
	}
}
