package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bulkhead/libs/fault/planted"
)

// plantedLines is what the list of planted bugs says: name, invariant, the report's word, and the sentence.
func plantedLines() []string {
	var out []string
	for _, d := range planted.All() {
		out = append(out, fmt.Sprintf("%s %s %s %s", d.Bug, d.Invariant, d.Finding, d.Does))
	}
	return out
}

// perService are the fields that hold the name of a service where a point's name is put together: the outbox relay's schema, and the
// durable consumer of a service's facts. Every service with a ledger has both.
var perService = map[string]bool{"schema": true, "Durable": true}

// source is the product's code as far as points need it.
type source struct {
	t      *testing.T
	fset   *token.FileSet
	files  map[string][]*ast.File // by directory
	consts map[string]map[string]string
	// asked keeps carriers from being followed twice.
	asked map[string]bool
	found map[string]string // point → where
}

// pointsInCode finds every fault point of the services and what they stand on, with the place of each: all arguments of fault.Point, and where such
// an argument comes from a parameter, what the callers give for it. What it cannot follow fails the test, so that no point escapes the list.
func pointsInCode(t *testing.T) map[string]string {
	t.Helper()
	s := &source{
		t: t, fset: token.NewFileSet(), files: map[string][]*ast.File{}, consts: map[string]map[string]string{}, asked: map[string]bool{},
		found: map[string]string{},
	}
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "planted_on.go") || strings.HasPrefix(file, "proto/") ||
			strings.HasPrefix(file, "services/e2e/") || strings.HasPrefix(file, "services/orgsim/") || strings.Contains(file, "/store/db/") {
			continue
		}
		f, err := parser.ParseFile(s.fset, filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		s.files[dir] = append(s.files[dir], f)
	}
	s.readConstants()
	s.callers("libs/fault", "Point", 1, "", "")
	return s.found
}

// readConstants reads the package-level string constants.
func (s *source) readConstants() {
	for dir, files := range s.files {
		s.consts[dir] = map[string]string{}
		for _, f := range files {
			for _, d := range f.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.CONST {
					continue
				}
				for _, spec := range decl.Specs {
					v := spec.(*ast.ValueSpec)
					for i, name := range v.Names {
						if i >= len(v.Values) {
							continue
						}
						if lit, ok := v.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
							text, err := strconv.Unquote(lit.Value)
							if err != nil {
								s.t.Fatal(err)
							}
							s.consts[dir][name.Name] = text
						}
					}
				}
			}
		}
	}
}

// callers finds what is given for the parameter of that number wherever the function is called; before and after are put around it.
func (s *source) callers(dir, name string, param int, before, after string) {
	key := fmt.Sprintf("%s.%s/%d %s*%s", dir, name, param, before, after)
	if s.asked[key] {
		return
	}
	s.asked[key] = true
	for in, files := range s.files {
		for _, f := range files {
			imports := importsOf(f)
			for _, d := range f.Decls {
				function, ok := d.(*ast.FuncDecl)
				if !ok || function.Body == nil {
					continue
				}
				ast.Inspect(function.Body, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if ok && s.isCall(call, in, imports, dir, name) && len(call.Args) > param {
						s.resolve(call.Args[param], in, imports, function, before, after)
					}
					return true
				})
			}
		}
	}
}

// isCall says whether a call is of that function or method. Methods count inside their own package only, whatever their receiver.
func (s *source) isCall(call *ast.CallExpr, in string, imports map[string]string, dir, name string) bool {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return in == dir && fun.Name == name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok && imports[x.Name] != "" {
			return imports[x.Name] == dir && fun.Sel.Name == name
		}
		return in == dir && fun.Sel.Name == name
	}
	return false
}

// resolve finds the texts that an expression stands for, inside a function.
func (s *source) resolve(e ast.Expr, dir string, imports map[string]string, in *ast.FuncDecl, before, after string) {
	switch x := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		s.note(before+text+after, e)
		return
	case *ast.BinaryExpr:
		if text, ok := s.constant(x.Y, dir, imports); ok && x.Op == token.ADD {
			s.resolve(x.X, dir, imports, in, before, text+after)
			return
		}
	case *ast.Ident:
		if n := parameter(in, x.Name); n >= 0 {
			s.callers(dir, in.Name.Name, n, before, after)
			return
		}
		if text, ok := s.constant(x, dir, imports); ok {
			s.note(before+text+after, e)
			return
		}
	case *ast.SelectorExpr:
		if text, ok := s.constant(x, dir, imports); ok {
			s.note(before+text+after, e)
			return
		}
		if perService[x.Sel.Name] {
			for _, service := range servicesWithLedger(s.t) {
				s.note(before+service+after, e)
			}
			return
		}
	}
	s.t.Errorf("%s: the name of this fault point cannot be followed: make it a constant, or a parameter of the function that it stands in", s.fset.Position(e.Pos()))
}

// constant is the text of a literal or of a package-level constant of this package or an imported one.
func (s *source) constant(e ast.Expr, dir string, imports map[string]string) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil && x.Kind == token.STRING
	case *ast.Ident:
		text, ok := s.consts[dir][x.Name]
		return text, ok
	case *ast.SelectorExpr:
		if p, ok := x.X.(*ast.Ident); ok && imports[p.Name] != "" {
			text, ok := s.consts[imports[p.Name]][x.Sel.Name]
			return text, ok
		}
	}
	return "", false
}

func (s *source) note(point string, at ast.Expr) {
	pos := s.fset.Position(at.Pos())
	rel, err := filepath.Rel(root, pos.Filename)
	if err != nil {
		rel = pos.Filename
	}
	s.found[point] = fmt.Sprintf("%s:%d", filepath.ToSlash(rel), pos.Line)
}

// parameter is the number of a function's parameter; -1 = it has none of this name.
func parameter(f *ast.FuncDecl, name string) int {
	n := 0
	for _, field := range f.Type.Params.List {
		for _, p := range field.Names {
			if p.Name == name {
				return n
			}
			n++
		}
		if len(field.Names) == 0 {
			n++
		}
	}
	return -1
}

// importsOf are the directories of our own packages that a file imports, by the name that it uses.
func importsOf(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, i := range f.Imports {
		path, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "bulkhead/")
		if !ok {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		out[name] = path
	}
	return out
}

// servicesWithLedger are the services that own a schema.
func servicesWithLedger(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "services/*/internal/store"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			out = append(out, filepath.Base(filepath.Dir(filepath.Dir(dir))))
		}
	}
	return out
}
