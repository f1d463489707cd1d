package load

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// objects makes a JSON object of each row of cells: every cell is a string, an empty one an absent member, or null.
type objects struct {
	csv       *csvReader
	columns   int
	root      []*member
	emptyNull bool
	out       []byte
}

// member is a member of the object to be: a cell, or an object of members.
type member struct {
	prefix []byte // its name as JSON, with the colon
	column int
	inner  []*member
}

// newObjects plans the objects; a column whose name is the path of a nested member (a.b), as the definition has it, becomes one.
func newObjects(csv *csvReader, names []string, nested func(string) bool, emptyNull bool) *objects {
	o := &objects{csv: csv, columns: len(names), emptyNull: emptyNull}
	index := map[string]*member{}
	for i, name := range names {
		path := []string{name}
		if nested(name) {
			path = strings.Split(name, ".")
		}
		into := &o.root
		for depth, part := range path[:len(path)-1] {
			at := strings.Join(path[:depth+1], ".")
			if index[at] == nil {
				index[at] = &member{prefix: prefix(part), column: -1}
				*into = append(*into, index[at])
			}
			into = &index[at].inner
		}
		*into = append(*into, &member{prefix: prefix(path[len(path)-1]), column: i})
	}
	return o
}

func prefix(name string) []byte { return append(appendString(nil, []byte(name)), ':') }

func (o *objects) next() (row, error) {
	c, err := o.csv.next()
	if err != nil {
		return row{}, err
	}
	r := row{line: c.line, refused: c.defect}
	if r.refused == "" && c.len() != o.columns {
		r.refused = fmt.Sprintf("the row has %d cells, the header %d", c.len(), o.columns)
	}
	if r.refused != "" {
		return r, nil
	}
	o.out, _ = o.object(o.out[:0], o.root, c)
	r.body = o.out
	return r, nil
}

// object appends an object; any says whether it has a member.
func (o *objects) object(out []byte, members []*member, c cells) (_ []byte, any bool) {
	out = append(out, '{')
	for _, m := range members {
		before := len(out)
		if any {
			out = append(out, ',')
		}
		out = append(out, m.prefix...)
		has := true
		switch {
		case m.column < 0:
			out, has = o.object(out, m.inner, c)
		case len(c.at(m.column)) > 0:
			out = appendString(out, c.at(m.column))
		case o.emptyNull:
			out = append(out, "null"...)
		default:
			has = false
		}
		if !has {
			out = out[:before]
		}
		any = any || has
	}
	return append(out, '}'), any
}

// appendString writes a JSON string. Bytes that are no UTF-8 stay as they are: who reads records refuses them and keeps the payload.
func appendString(out, s []byte) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	from := 0
	for i, b := range s {
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		out = append(out, s[from:i]...)
		from = i + 1
		switch b {
		case '"', '\\':
			out = append(out, '\\', b)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
	}
	return append(append(out, s[from:]...), '"')
}

// readHeader reads the names of the columns from the first row.
func readHeader(csv *csvReader, name string) ([]string, error) {
	c, err := csv.next()
	if err == io.EOF { //nolint:errorlint // io.EOF comes as it is
		return nil, usagef("%s is empty: a header with the names of the columns is needed, or --header", name)
	}
	if err != nil {
		return nil, err
	}
	if c.defect != "" {
		return nil, usagef("%s, line %d, the header: %s", name, c.line, c.defect)
	}
	names := make([]string, c.len())
	for i := range names {
		names[i] = string(c.at(i))
	}
	return names, checkNames(names, fmt.Sprintf("%s, line %d, the header", name, c.line))
}

func checkNames(names []string, where string) error {
	for i, n := range names {
		switch {
		case strings.TrimSpace(n) == "":
			return usagef("%s: column %d has no name (--header gives names to a file without a header)", where, i+1)
		case strings.ToValidUTF8(n, "") != n:
			return usagef("%s: the name of column %d is no UTF-8: convert the file first (iconv -t UTF-8)", where, i+1)
		case slices.Contains(names[:i], n):
			return usagef("%s: two columns have the name %q", where, n)
		}
	}
	return nil
}
