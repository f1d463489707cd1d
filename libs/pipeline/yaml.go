package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Error is one thing that is wrong with a definition.
type Error struct {
	// Line counts from 1; 0 = the document as a whole.
	Line int
	Text string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Text)
}

const (
	maxDocument = 512 << 10
	maxNesting  = 32 // of flow collections; the grammar needs four
	maxProblems = 20 // reported at once
)

// reader walks a document and collects what is wrong with it.
type reader struct {
	problems []*Error
	warnings []Warning
}

func (r *reader) fail(line int, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, &Error{Line: line, Text: fmt.Sprintf(format, args...)})
	}
}

func (r *reader) warn(line int, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{Line: line, Text: fmt.Sprintf(format, args...)})
}

// err joins what was found, by line; nil = nothing.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b *Error) int { return a.Line - b.Line })
	errs := make([]error, len(r.problems))
	for i, problem := range r.problems {
		errs[i] = problem
	}
	return errors.Join(errs...)
}

// document parses exactly one YAML document that is a mapping.
func (r *reader) document(data []byte) (*fields, bool) {
	if len(data) > maxDocument {
		r.fail(0, "the document has %d bytes, at most %d are allowed", len(data), maxDocument)
		return nil, false
	}
	if line := deepLine(data); line > 0 {
		r.fail(line, "nested deeper than %d", maxNesting)
		return nil, false
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
			r.fail(syntax.Token.Position.Line, "%s", syntax.Message)
		} else {
			first, _, _ := strings.Cut(err.Error(), "\n")
			r.fail(0, "not YAML: %s", first)
		}
		return nil, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc == nil || doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			r.fail(line(doc.Body), "a second document begins: one file holds exactly one")
			return nil, false
		}
		body = doc.Body
	}
	if body == nil {
		r.fail(0, "the document is empty")
		return nil, false
	}
	return r.mapping(body, "the document")
}

// deepLine is the line on which flow collections nest deeper than allowed; 0 = nowhere. It reads brackets wherever they stand, which is enough to keep
// the parser from being driven into the ground.
func deepLine(data []byte) int {
	depth, line := 0, 1
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > maxNesting {
				return line
			}
		case ']', '}':
			depth = max(depth-1, 0)
		case '\n':
			line++
		}
	}
	return 0
}

// fields is a mapping: its entries by key. Whoever reads an entry takes it out; what is left at the end is unknown.
type fields struct {
	r     *reader
	where string
	line  int
	nodes map[string]*ast.MappingValueNode
	known []string
}

func (r *reader) mapping(n ast.Node, where string) (*fields, bool) {
	var entries []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		entries = m.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{m}
	default:
		r.fail(line(n), "%s must be a mapping of keys to values", where)
		return nil, false
	}
	f := &fields{r: r, where: where, line: line(n), nodes: map[string]*ast.MappingValueNode{}}
	for _, entry := range entries {
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			r.fail(line(entry.Key), "%s: a key must be a plain word", where)
			continue
		}
		if first, twice := f.nodes[key.Value]; twice {
			r.fail(line(entry.Key), "key %q stands twice, first on line %d", key.Value, line(first.Key))
			continue
		}
		f.nodes[key.Value] = entry
	}
	return f, true
}

// take returns the value of a key; nil = it is absent. Null counts as absent only to be refused with its line.
func (f *fields) take(key string) ast.Node {
	f.known = append(f.known, key)
	entry, ok := f.nodes[key]
	if !ok {
		return nil
	}
	delete(f.nodes, key)
	switch entry.Value.(type) {
	case *ast.NullNode, nil:
		f.r.fail(line(entry.Key), "%s has no value", key)
		return nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		f.r.fail(line(entry.Key), "%s: anchors, aliases and tags are not allowed here: write the value out", key)
		return nil
	}
	return entry.Value
}

// lineOf is the line of a key that has not been taken yet, or of the mapping.
func (f *fields) lineOf(key string) int {
	if entry, ok := f.nodes[key]; ok {
		return line(entry.Key)
	}
	return f.line
}

// end refuses what nobody took.
func (f *fields) end() {
	for _, key := range sortedByLine(f.nodes) {
		text := fmt.Sprintf("unknown key %q in %s", key, f.where)
		if near := nearest(key, f.known); near != "" {
			text += fmt.Sprintf(": did you mean %q?", near)
		}
		f.r.fail(line(f.nodes[key].Key), "%s", text)
	}
}

func sortedByLine(nodes map[string]*ast.MappingValueNode) []string {
	keys := make([]string, 0, len(nodes))
	for key := range nodes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return line(nodes[a].Key) - line(nodes[b].Key) })
	return keys
}

// text reads a string; ok is false when the key is absent or wrong, with wrong already reported.
func (f *fields) text(key string) (value string, at int, ok bool) {
	at = f.lineOf(key)
	n := f.take(key)
	if n == nil {
		return "", at, false
	}
	value, ok = f.r.scalar(n, key)
	return value, at, ok
}

// looseWords are plain words that other readers of YAML take as booleans.
var looseWords = []string{"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}

func (r *reader) scalar(n ast.Node, key string) (string, bool) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		if block, isBlock := n.(*ast.LiteralNode); isBlock {
			return block.Value.Value, true
		}
		r.fail(line(n), "%s must be text: write it in quotes", key)
		return "", false
	}
	if s.Token.Type == token.StringType && slices.Contains(looseWords, strings.ToLower(s.Value)) {
		r.fail(line(n), "%s: %s without quotes may be text or a truth value: write it in quotes", key, s.Value)
		return "", false
	}
	return s.Value, true
}

// word is the unquoted or quoted text of any scalar, for numbers and sizes.
func (f *fields) word(key string) (value string, at int, ok bool) {
	at = f.lineOf(key)
	n := f.take(key)
	switch n := n.(type) {
	case nil:
		return "", at, false
	case *ast.StringNode:
		return n.Value, at, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, at, true
	}
	f.r.fail(at, "%s must be a single value", key)
	return "", at, false
}

// list reads a sequence; each is called with its entries.
func (f *fields) list(key string, each func(n ast.Node)) (at int, ok bool) {
	at = f.lineOf(key)
	n := f.take(key)
	if n == nil {
		return at, false
	}
	seq, isList := n.(*ast.SequenceNode)
	if !isList {
		f.r.fail(at, "%s must be a list", key)
		return at, false
	}
	for _, entry := range seq.Values {
		switch entry.(type) {
		case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
			f.r.fail(line(entry), "%s: anchors, aliases and tags are not allowed here: write the value out", key)
			continue
		}
		each(entry)
	}
	return at, true
}

// object reads a mapping within; nil = absent or wrong.
func (f *fields) object(key string) *fields {
	n := f.take(key)
	if n == nil {
		return nil
	}
	inner, ok := f.r.mapping(n, key)
	if !ok {
		return nil
	}
	return inner
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return line(m.Values[0].Key)
	}
	return n.GetToken().Position.Line
}

// nearest is the known key that a mistyped one is most like; "" = none is near.
func nearest(key string, known []string) string {
	best, bestDistance := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(key), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
