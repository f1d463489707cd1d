package layout

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writers are the functions of package os by which something is left on a disk.
var writers = map[string]bool{
	"Create": true, "CreateTemp": true, "OpenFile": true, "WriteFile": true, "Mkdir": true, "MkdirAll": true, "MkdirTemp": true, "Rename": true,
	"Link": true, "Symlink": true, "Truncate": true, "CopyFS": true,
}

// TestServicesKeepNothingOnTheirOwnDisk: what a service knows it has from PostgreSQL and NATS, so that it may be started anew anywhere. No file that is compiled
// into one, of its own packages or of the libraries', writes to a file system.
func TestServicesKeepNothingOnTheirOwnDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"list", "-deps", "-f", `{{$dir := .Dir}}{{range .GoFiles}}{{$.ImportPath}} {{$dir}}/{{.}}{{"\n"}}{{end}}`}
	for _, s := range servicesWithLedger(t) {
		args = append(args, "./services/"+s)
	}
	list := exec.CommandContext(ctx, "go", args...)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	files := 0
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(path, "bulkhead/") {
			continue
		}
		files++
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && writers[sel.Sel.Name] {
				at := set.Position(sel.Pos())
				t.Errorf("%s:%d uses os.%s: keep it in the ledger", filepath.Base(at.Filename), at.Line, sel.Sel.Name)
			}
			return true
		})
	}
	if files < 100 {
		t.Errorf("%d files were looked at: the list is wrong", files)
	}
}
