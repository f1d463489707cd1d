package pipeline

import (
	"slices"
	"strings"
)

// finish checks what concerns several keys at once and prepares the definition for mapping.
func (d *Definition) finish(r *reader, mapLines []int) {
	first := slices.IndexFunc(d.Mappings, func(m Mapping) bool { return strings.EqualFold(m.To, d.ExternalID) })
	switch {
	case first < 0:
		r.fail(0, "map fills no column %s: every row needs its external id", d.ExternalID)
		return
	case d.Mappings[first].To != d.ExternalID:
		r.fail(mapLines[first], "column %s and externalId %s differ in case: write both as the org does", d.Mappings[first].To, d.ExternalID)
		return
	case d.Mappings[first].From == nil:
		r.fail(mapLines[first], "the external id cannot be a constant: all records would be one row")
		return
	case d.Mappings[first].Type == TypeBoolean || d.Mappings[first].Type == TypeDate || d.Mappings[first].Type == TypeDateTime || d.Mappings[first].Type == TypeID:
		r.fail(mapLines[first], "the external id is of type %s: an external id field holds text or numbers", d.Mappings[first].Type)
		return
	}
	for i, m := range d.Mappings {
		if i != first && strings.EqualFold(m.To, "Id") {
			r.fail(mapLines[i], "column Id cannot be written by an upsert: rows are found by %s", d.ExternalID)
		}
	}
	externalID := strings.Join(d.Mappings[first].From, ".")
	if len(d.Key) == 1 && d.Key[0] == externalID {
		r.fail(0, "key names the member %q that is the external id: a second event of the same row would count as a repeat; "+
			"name what names the event, or leave key out", externalID)
	}
	order := append([]int{first}, slices.DeleteFunc(rangeOf(len(d.Mappings)), func(i int) bool { return i == first })...)
	p := &plan{root: &want{slot: -1}}
	headerChars := 0
	for _, i := range order {
		m := d.Mappings[i]
		d.header = append(d.header, m.To)
		headerChars += len(m.To) + 1
		if m.From == nil {
			p.cols = append(p.cols, column{slot: -1, constant: m.Const})
			continue
		}
		slot, ok := p.slot(m.From)
		if !ok {
			r.fail(mapLines[i], "from: %s is mapped as a value and as an object of other members", strings.Join(m.From, "."))
			continue
		}
		p.cols = append(p.cols, column{slot: slot, typ: m.Type, required: m.Required})
	}
	if headerChars > maxHeaderChars {
		r.fail(0, "the columns' names have %d characters, Salesforce takes a header line of at most %d", headerChars, maxHeaderChars)
	}
	for _, path := range d.Key {
		slot, ok := p.slot(strings.Split(path, "."))
		if !ok {
			r.fail(0, "key: %s is used as a value and as an object of other members", path)
			continue
		}
		p.keys = append(p.keys, slot)
	}
	d.plan = p
	if d.Mappings[first].Type == TypeNumber {
		r.warn(mapLines[first], "the external id is a number: 1 and 1.0 count as two rows here")
	}
	if d.Chunk.Bytes > d.Backlog {
		r.warn(0, "chunk.bytes is above backlog: chunks will be sealed by age or rows before they are full")
	}
}

func rangeOf(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// slot gives a path its place among the wanted values. false = the path runs through, or ends above, another one.
func (p *plan) slot(path []string) (int, bool) {
	w := p.root
	for _, name := range path {
		if w.slot >= 0 {
			return 0, false
		}
		child, ok := w.children[name]
		if !ok {
			child = &want{slot: -1}
			if w.children == nil {
				w.children = map[string]*want{}
			}
			w.children[name] = child
		}
		w = child
	}
	if len(w.children) > 0 {
		return 0, false
	}
	if w.slot < 0 {
		w.slot = p.slots
		p.slots++
		p.names = append(p.names, strings.Join(path, "."))
	}
	return w.slot, true
}
