package soql

import (
	"slices"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/org"
)

// Children are the rows of a sub-query: those that refer to rows of the query around it.
type Children struct {
	Object  *org.Object
	Columns []Column
	Members []*Member
	// Rows are those of each row of the query around, by its place.
	Rows map[uint32][]uint32

	reference *org.Field // by which they refer to it
}

// children adds a sub-query. Its own names are found later, when it is known that the query around it makes sense.
func (sel *selected) children(it item) error {
	q := it.sub
	parts := strings.Split(q.From.Path, ".")
	if len(parts) == 2 { // FROM Account.Contacts, or FROM a.Contacts
		for _, own := range sel.names {
			if strings.EqualFold(own, parts[0]) {
				parts = parts[1:]
				break
			}
		}
	}
	c := (*org.Child)(nil)
	if len(parts) == 1 {
		c = sel.object.Child(parts[0])
	}
	switch {
	case c == nil:
		return refuse(sel.text, q.From.pos, invalidType,
			"Didn't understand relationship '%s' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append "+
				"the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", q.From.Path)
	case q.count || q.tallies():
		return refuse(sel.text, it.pos, malformed, "only root queries support aggregate expressions")
	}
	if err := sel.take("(" + c.Name); err != nil { // a field may have the same name
		return err
	}
	children := &Children{Object: c.Field.Object(), reference: c.Field}
	sel.members = append(sel.members, &Member{Name: c.Name, Children: children})
	sel.subs = append(sel.subs, &plan{query: q, object: children.Object, child: children})
	return nil
}

// resolve finds what the names of a sub-query mean.
func (p *plan) resolve(m *org.Model, now time.Time) error {
	full, err := newPlan(m, p.query, p.object, now)
	if err != nil {
		return err
	}
	full.child = p.child
	*p = *full
	p.child.Columns, p.child.Members = p.columns, p.members
	return nil
}

// gather finds the rows of a sub-query for the rows of the query around it.
func (p *plan) gather(r org.Reader, w *work, parent *org.Object, parents []uint32, deleted bool) error {
	wanted := make(map[uint32]bool, len(parents))
	for _, row := range parents {
		wanted[row] = true
	}
	rows, err := p.matching(r, w, deleted)
	if err != nil {
		return err
	}
	if err := p.sort(r, w, rows); err != nil {
		return err
	}
	reference := p.object.Readable(p.child.reference.Name)
	all := map[uint32][]uint32{}
	for _, row := range rows {
		w.left--
		id := r.Value(p.object, row, reference)
		if up, ok := r.ByID(parent, id); ok && strings.HasPrefix(id, parent.KeyPrefix) && wanted[up] {
			all[up] = append(all[up], row)
		}
	}
	if err := w.done(); err != nil {
		return err
	}
	var kept []uint32
	for up, list := range all {
		all[up] = cut(list, p.query)
		kept = append(kept, all[up]...)
	}
	p.child.Rows = all
	slices.Sort(kept)
	for _, sub := range p.subs {
		if err := sub.gather(r, w, p.object, kept, deleted); err != nil {
			return err
		}
	}
	return nil
}

// Size is how many places of rows a result holds, those of its sub-queries too.
func (res *Result) Size() int { return len(res.Rows) + places(res.Members) }

func places(members []*Member) (n int) {
	for _, m := range members {
		n += places(m.Members)
		if m.Children != nil {
			for _, rows := range m.Children.Rows {
				n += len(rows)
			}
			n += places(m.Children.Members)
		}
	}
	return n
}
