package verdict

import (
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// landed: what is said to have landed is in the org, once, with these values.
func (c *court) landed() {
	ids := map[[2]string]*item{} // rows that inserts say they made, by pipeline and Id
	for _, i := range c.known.order {
		if i.rec == nil {
			continue // said already
		}
		for _, l := range i.landed {
			c.checked("landed", 1)
			c.oneLanded(i, l)
			if i.rec.pipe.Operation != insert {
				continue
			}
			id := [2]string{i.pipeline, fold("Id", l.ID)}
			if other := ids[id]; other != nil && other != i {
				c.find("I6", falseSuccess, i.about().in(l.Job), "it landed as %s, and so did %s: an insert makes a row of its own", l.ID, other.key)
			}
			ids[id] = i
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.known.pipes)) {
		switch p := c.known.pipes[name]; {
		case p.Operation == insert && p.Field == "":
			c.multiset(p)
		case p.Operation == insert:
			c.inserted(p)
		}
	}
	c.once()
}

// oneLanded: the org has the row, it is that of the record's entity, and a job wrote what the record says, or newer values in its place.
func (c *court) oneLanded(i *item, l history.Landed) {
	r := i.rec
	if r.fate != "" && !strings.HasPrefix(r.fate, "heals/") && !c.known.overruled(i) && !c.known.takenForGone(r) {
		c.find("I6", falseSuccess, i.about().in(l.Job), "it landed as %s, and whatever happens it must die of %s", l.ID, r.fate)
		return
	}
	g := c.known.group(r.pipe, r.entity)
	if r.pipe.Operation == remove {
		c.oneDeleted(i, l, g)
		return
	}
	o := c.known.orgs[fold("Id", l.ID)]
	switch {
	case o == nil:
		c.find("I6", falseSuccess, i.about().in(l.Job), "it landed as %q, and the org never had such a row", l.ID)
		return
	case g != nil && !slices.Contains(g.orgs, o):
		c.find("I6", falseSuccess, i.about().in(l.Job), "it landed as %s, whose %s is %q", l.ID, r.pipe.Field, valueOf(o, r.pipe.Field))
		return
	}
	for _, x := range c.known.saved[fold("Id", l.ID)] {
		// What a person says to have landed names the row alone.
		if x.Outcome != deleted && x.pipe == r.pipe && (l.Job == "" || x.job.ID == l.Job) && r.carried(x, g) {
			return
		}
	}
	c.find("I6", falseSuccess, i.about().in(l.Job), "it landed as %s, and no row of the job that the org saved says %s", l.ID, said(r.says))
}

// carried says whether a row says what the record says: each field its own value, a newer record's, or nothing, where a newer one says it later.
func (r *record) carried(x *row, g *group) bool {
	for f, v := range r.says {
		if holds(x.Cells, f, v) || f == r.pipe.Field || v == nil && x.Outcome == created && x.Cells[f] == "" {
			continue
		}
		newer := false
		if g != nil {
			cell, carries := x.Cells[f]
			newer = slices.ContainsFunc(g.records, func(o *record) bool {
				to, names := o.says[f]
				return names && o.n > r.n && (!carries && o.entered() || carries && (to == nil && cell == cleared || to != nil && *to == cell))
			})
		}
		if !newer {
			return false
		}
	}
	return true
}

// entered says whether a record became a version of its entity: it is in the ledger, and was not refused before.
func (r *record) entered() bool {
	for _, i := range r.items {
		l := i.letter()
		if i.state() != stateDead || l == nil || l.Stage != stageExtract {
			return true
		}
	}
	return false
}

// sentIn says whether a job was sent a row of the entity. One that was sent again without the rows that were deleted by then was not:
// an earlier job did it, whose results nobody could read.
func (g *group) sentIn(job string) bool {
	return slices.ContainsFunc(g.rows, func(x *row) bool { return x.job.ID == job })
}

// oneDeleted: a job of ours deleted the row. It need not be the job that the product names: where nobody could read what an earlier job did, the
// product asks the org before it sends the rows again, leaves out what is gone, and calls it landed with the resend. That is true as long as
// the earlier job hid its outcome, or is forgotten, and the named one was not sent the row.
func (c *court) oneDeleted(i *item, l history.Landed, g *group) {
	if g == nil || c.known.takenForGone(i.rec) {
		return
	}
	for _, x := range g.rows {
		if x.Outcome == deleted && (l.ID == "" || fold("Id", x.ID) == fold("Id", l.ID)) && (l.Job == "" || x.job.ID == l.Job || (x.hidden() || c.known.forgotten(x.job.Closed)) && !g.sentIn(l.Job)) {
			o := c.known.orgs[fold("Id", x.ID)]
			if o == nil || o.Deleted {
				return
			}
		}
	}
	c.find("I6", falseSuccess, i.about().in(l.Job), "its delete landed (%s), and no row of the org was deleted by a job of ours and is gone", or(l.ID, "no Id"))
}

// inserted: of each record there is one row at most, and none of what is dead.
func (c *court) inserted(p *pipe) {
	if p.Stamp == "" {
		return
	}
	rows := map[string][]string{}
	for _, o := range c.known.orgs {
		if o.Object == p.Object && !o.Seeded && len(o.Versions) > 0 {
			if v := o.Versions[0].Fields[p.Stamp]; p.byStamp[v] != nil {
				rows[v] = append(rows[v], o.ID)
			}
		}
	}
	for stamp, r := range p.byStamp {
		c.checked("inserts", 1)
		if n := len(rows[stamp]); n > 1 {
			slices.Sort(rows[stamp])
			c.find("I4", doubled, r.about(), "one insert made %d rows: %v", n, rows[stamp])
		}
	}
}

// multiset: where rows are told apart by nothing, equal rows are as many as the records that landed or may have.
func (c *court) multiset(p *pipe) {
	type count struct {
		records, landed, open, dead int
		of                          about
	}
	counts := map[string]*count{}
	at := func(key string) *count {
		if counts[key] == nil {
			counts[key] = &count{of: about{pipeline: p.Name}}
		}
		return counts[key]
	}
	for _, r := range p.records {
		if r.fate != "" {
			continue // it never becomes a row
		}
		values := maps.Clone(r.says)
		maps.DeleteFunc(values, func(_ string, v *string) bool { return v == nil }) // what is empty is not there
		key := said(values)
		n := at(key)
		n.records += r.most()
		n.of = r.about()
		for _, i := range r.items {
			switch i.state() {
			case stateLanded:
				n.landed++
			case stateUnresolved, stateDiscarded, stateRolledBack:
				n.open++ // it may have landed: that is why a person is asked
			case stateDead:
				n.dead++
			}
		}
	}
	rows := map[string]int{}
	for _, o := range c.known.orgs {
		if o.Object != p.Object || o.Seeded || len(o.Versions) == 0 {
			continue
		}
		values := map[string]*string{}
		for f, v := range o.Versions[0].Fields {
			if p.fields[f] {
				values[f] = &v
			}
		}
		rows[said(values)]++
	}
	for key, n := range rows {
		if counts[key] == nil {
			c.find("I6", foreign, about{pipeline: p.Name}, "the org has %d rows that say %s, and nobody published them", n, key)
		}
	}
	for key, n := range counts {
		c.checked("inserts", n.records)
		switch have := rows[key]; {
		case have > n.records:
			c.find("I4", doubled, n.of, "%d records say %s, and the org has %d rows", n.records, key, have)
		case have < n.landed:
			c.find("I6", falseSuccess, n.of, "%d records that say %s landed, and the org has %d rows", n.landed, key, have)
		case have > n.landed+n.open && n.dead > 0:
			c.find("I7", falseFailure, n.of, "%d records that say %s are dead, %d landed and %d are unresolved, and the org has %d rows", n.dead, key, n.landed, n.open, have)
		case have > n.landed+n.open:
			c.find("I5", lost, n.of, "%d records that say %s landed and %d are unresolved, and the org has %d rows", n.landed, key, n.open, have)
		}
	}
}

// once: an entity is one row, and was made once.
func (c *court) once() {
	for _, g := range c.known.groups {
		var live []string
		gone := false
		for _, o := range g.orgs {
			if o.Deleted {
				gone = true
				continue
			}
			live = append(live, o.ID)
		}
		if len(live) > 1 && len(g.records) > 0 {
			slices.Sort(live)
			c.find("I4", doubled, g.about(), "the org has %d rows of it: %v", len(live), live)
			continue
		}
		made := 0
		for _, x := range g.rows {
			if x.Outcome == created {
				made++
			}
		}
		if made > 1 && !gone && len(live) < 2 {
			c.find("I4", doubled, g.about(), "%d rows of jobs made it, and none of the rows was deleted", made)
		}
	}
}

func (g *group) about() about {
	a := about{entity: g.name}
	if len(g.records) > 0 {
		a.pipeline = g.records[0].pipe.Name
	}
	return a
}

// said is what a record says, in one line. Equal texts are equal records.
func said(says map[string]*string) string {
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(says)) {
		if v := says[f]; v != nil {
			parts = append(parts, f+"="+*v)
			continue
		}
		parts = append(parts, f+"=null")
	}
	return "{" + strings.Join(parts, " ") + "}"
}
