package service

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// checkKeys compares the keys of a document with the fields that they are to fill, and collects what does not fit.
func checkKeys(file string, node ast.Node, t reflect.Type, found *[]error) {
	say := func(n ast.Node, format string, args ...any) {
		*found = append(*found, fmt.Errorf("%s:%d: %w", file, lineOf(n), fmt.Errorf(format, args...)))
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		say(n, "anchors and aliases are not supported; write the value out")
	case *ast.TagNode:
		checkKeys(file, n.Value, t, found)
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return // the decoder says it
		}
		for _, value := range n.Values {
			checkKeys(file, value, t.Elem(), found)
		}
	case *ast.MappingValueNode:
		checkMapping(file, []*ast.MappingValueNode{n}, t, found, say)
	case *ast.MappingNode:
		checkMapping(file, n.Values, t, found, say)
	}
}

func checkMapping(file string, values []*ast.MappingValueNode, t reflect.Type, found *[]error, say func(ast.Node, string, ...any)) {
	var fields []configField
	if t.Kind() == reflect.Struct && !isLeaf(t) {
		fields = configFields(t)
	}
	seen := map[string]int{}
	for _, v := range values {
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			say(v, "anchors and aliases are not supported; write the value out")
			continue
		}
		key := v.Key.GetToken().Value
		if line, twice := seen[key]; twice {
			say(v.Key, "key %q was given in line %d already", key, line)
			continue
		}
		seen[key] = lineOf(v.Key)
		switch {
		case t.Kind() == reflect.Map:
			checkKeys(file, v.Value, t.Elem(), found)
		case fields != nil:
			i := slices.IndexFunc(fields, func(f configField) bool { return f.key == key })
			if i < 0 {
				say(v.Key, "unknown key %q%s", key, suggest(key, fields))
				continue
			}
			if err := checkScalar(v.Value, fields[i].what, fields[i].check); err != nil {
				say(v.Value, "%s: %w", key, err)
				continue
			}
			checkKeys(file, v.Value, fields[i].what, found)
		}
	}
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// configField is one key that a struct understands.
type configField struct {
	key   string
	what  reflect.Type
	check string // the tag of that name
}

// configFields lists the keys of a struct, those of inlined structs among them. Names are found as the YAML package does:
// the yaml tag, else the json tag, else the field's name in lower case.
func configFields(t reflect.Type) []configField {
	fields := []configField{}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		tag, ok := f.Tag.Lookup("yaml")
		if !ok {
			tag = f.Tag.Get("json")
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" {
			continue
		}
		if slices.Contains(strings.Split(options, ","), "inline") && f.Type.Kind() == reflect.Struct {
			fields = append(fields, configFields(f.Type)...)
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fields = append(fields, configField{key: name, what: f.Type, check: f.Tag.Get("check")})
	}
	return fields
}

// isLeaf says whether a type reads its own text, so that its fields are not keys.
func isLeaf(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, i := range []reflect.Type{
		reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[yaml.BytesUnmarshaler](), reflect.TypeFor[yaml.InterfaceUnmarshaler](),
	} {
		if p.Implements(i) {
			return true
		}
	}
	return false
}

// suggest names the key that was probably meant, or all there are when there are few.
func suggest(key string, fields []configField) string {
	best, distance := "", 4 // more than three edits is another word
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
		if d := editDistance(strings.ToLower(key), strings.ToLower(f.key)); d < distance && d < len(key) {
			best, distance = f.key, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(keys) > 0:
		slices.Sort(keys)
		return "; known here: " + strings.Join(keys, ", ")
	}
	return ""
}

// editDistance is the number of letters to insert, drop or change.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
