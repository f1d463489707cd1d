package load

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/libs/pipeline"
)

// shownNames is how many names a message lists.
const shownNames = 20

// members are the paths that a definition reads from a record, and what for.
type members struct {
	name     string
	all      map[string]bool
	strict   bool
	needs    []need
	optional []string
}

type need struct{ path, why string }

func membersOf(d *pipeline.Definition) members {
	m := members{name: d.Name, all: map[string]bool{}, strict: d.UnknownMembers == pipeline.UnknownReject}
	wants := func(path, why string) {
		m.all[path] = true
		m.needs = append(m.needs, need{path, why})
	}
	for _, part := range d.Key {
		wants(part, "it names the event (key)")
	}
	if d.Version != nil {
		wants(strings.Join(d.Version, "."), "it says which version is newer (version)")
	}
	for _, c := range d.Mappings {
		if c.From == nil {
			continue
		}
		path := strings.Join(c.From, ".")
		switch {
		case c.To == d.KeyField():
			wants(path, "without it nobody can tell which row is meant ("+c.To+")")
		case c.Required:
			wants(path, "the definition requires it")
		default:
			m.all[path] = true
			m.optional = append(m.optional, path)
		}
	}
	return m
}

// nested says whether a column's name is the path of a nested member.
func (m members) nested(column string) bool { return strings.Contains(column, ".") && m.all[column] }

// check compares a file's columns with what the definition reads. The notes are worth saying and no reason to stop.
func (m members) check(file string, columns []string) (notes []string, _ error) {
	var unknown, lacking, left []string
	for _, c := range columns {
		if !m.all[c] {
			unknown = append(unknown, c)
		}
	}
	for _, n := range m.needs {
		if !slices.Contains(columns, n.path) && !slices.Contains(lacking, n.path+": "+n.why) {
			lacking = append(lacking, n.path+": "+n.why)
		}
	}
	for _, path := range m.optional {
		if !slices.Contains(columns, path) {
			left = append(left, path)
		}
	}
	switch {
	case len(unknown) > 0 && m.strict:
		return nil, usagef("%s has columns that the definition of %s does not name: %s. Add them to its map, set unknownMembers: ignore in it, or correct the header. Nothing was published",
			file, m.name, list(unknown))
	case len(lacking) > 0:
		return nil, usagef("%s lacks columns that the definition of %s needs (%s). Every row would be refused; nothing was published",
			file, m.name, strings.Join(lacking, "; "))
	}
	if len(unknown) > 0 {
		notes = append(notes, fmt.Sprintf("columns that the definition does not name are ignored: %s", list(unknown)))
	}
	if len(left) > 0 {
		notes = append(notes, fmt.Sprintf("the file has no column for %s: these fields are left alone", list(left)))
	}
	return notes, nil
}

func list(names []string) string {
	shown := names[:min(len(names), shownNames)]
	quoted := make([]string, len(shown))
	for i, n := range shown {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	text := strings.Join(quoted, ", ")
	if len(names) > len(shown) {
		text += fmt.Sprintf(" and %d more", len(names)-len(shown))
	}
	return text
}
