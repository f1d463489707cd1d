package verdict

import (
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// versions: no value of a row ever went back to an older record's, none was lost, none was set by nobody.
func (c *court) versions() {
	for _, id := range slices.SortedFunc(maps.Keys(c.known.groups), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) }) {
		g := c.known.groups[id]
		for _, o := range g.orgs {
			c.bystander(g, o)
			for _, f := range g.fields() {
				if c.history(g, o, f) && !o.Deleted {
					c.newest(g, o, f)
				}
			}
		}
		for _, r := range g.records {
			c.superseded(g, r)
		}
	}
	c.strangers()
}

// fields are those that records of an entity name, or rows that were sent about it, but the one that names the entity.
func (g *group) fields() []string {
	names := map[string]bool{}
	for _, r := range g.records {
		for f := range r.says {
			names[f] = f != g.field
		}
	}
	for _, x := range g.rows {
		for f := range x.Cells {
			if x.pipe.fields[f] {
				names[f] = f != g.field
			}
		}
	}
	maps.DeleteFunc(names, func(_ string, named bool) bool { return !named })
	return slices.Sorted(maps.Keys(names))
}

// bystander: a row that nobody names is as it was.
func (c *court) bystander(g *group, o *history.OrgRecord) {
	c.checked("rows", 1)
	if len(g.records) > 0 || len(g.rows) > 0 && !o.Seeded {
		return
	}
	switch {
	case !o.Seeded && g.written(o):
		c.find("I6", foreign, about{entity: g.name}, "the org has row %s of %s, which nobody published", o.ID, o.Object)
	case o.Seeded && (o.Deleted || len(o.Versions) > 1):
		c.find("I6", foreign, about{entity: g.name}, "row %s of %s was written or deleted, and nobody named it", o.ID, o.Object)
	}
}

// written says whether a job wrote the row: what another way made is not the product's.
func (g *group) written(o *history.OrgRecord) bool {
	return slices.ContainsFunc(o.Versions, func(v history.OrgVersion) bool { return v.Job != "" })
}

// strangers: rows that no key field names are judged as multisets; what is left has no owner at all.
func (c *court) strangers() {
	objects := map[string]bool{}
	for _, p := range c.known.pipes {
		objects[p.Object] = true
	}
	for _, o := range c.known.orgs {
		if !objects[o.Object] && len(o.Versions) > 0 && o.Versions[len(o.Versions)-1].Job != "" {
			c.find("I6", foreign, about{}, "the org has row %s of %s, an object that no pipeline writes", o.ID, o.Object)
		}
	}
	for _, x := range c.known.rows {
		c.checked("uploaded_rows", 1)
		if x.job.Foreign {
			continue
		}
		if x.pipe == nil {
			c.find("I6", foreign, about{}.in(x.job.ID), "row %d of the job was %s, and no pipeline can have sent it: %v", x.N, x.Outcome, x.Cells)
			continue
		}
		c.unnamed(x)
		if x.pipe.Field == "" {
			continue // judged as multisets
		}
		if g := c.known.group(x.pipe, x.entity); (g == nil || len(g.records) == 0) && !c.known.named(x) {
			c.find("I6", foreign, about{pipeline: x.pipe.Name, entity: x.entity}.in(x.job.ID), "row %d of the job was %s, and nobody published it", x.N, or(x.Outcome+" as "+x.ID, x.Outcome))
		}
	}
}

// unnamed: a row sets nothing that its definition does not write.
func (c *court) unnamed(x *row) {
	if x.pipe.Constants == nil {
		return // nobody knows what else it writes
	}
	for _, f := range slices.Sorted(maps.Keys(x.Cells)) {
		if !x.pipe.fields[f] && f != "Id" && x.pipe.Constants[f] != x.Cells[f] {
			c.find("I6", foreign, about{pipeline: x.pipe.Name, entity: x.entity}.in(x.job.ID), "row %d of the job sets %s to %q, and no definition does", x.N, f, x.Cells[f])
			return
		}
	}
}

// named says whether anything that was published is about a row's entity, refused records too.
func (k *known) named(x *row) bool {
	for _, r := range x.pipe.records {
		if fold(x.pipe.Field, r.entity) == fold(x.pipe.Field, x.entity) {
			return true
		}
	}
	return false
}

// history walks through what a row held in a field, and says whether all of it was in order. A value stands for the oldest record that can have
// set it and is not older than what was there before; when there is none, it went back.
func (c *court) history(g *group, o *history.OrgRecord, field string) bool {
	was := ""
	var reached []reachedBy
	for n, v := range o.Versions {
		value := c.known.shown(v, field)
		if n == 0 && v.Job == "" || v.Deleted {
			was = value
			continue
		}
		c.checked("versions", 1)
		x := c.known.rowOf(v)
		if x == nil {
			was = value
			continue
		}
		at := c.known.remembered(reached, x.job)
		_, wrote := x.Cells[field]
		if value == was && !wrote {
			continue
		}
		oldest, known := -1, false
		for _, r := range g.records {
			to, names := r.says[field]
			if !names || (to == nil) != (value == "") || to != nil && *to != value {
				continue
			}
			known = true
			if r.n >= at {
				oldest = r.n
				break // they are in order
			}
		}
		switch {
		case value == was && oldest < 0: // the same again, of whomever: nothing went back
		case !known:
			c.find("I6", foreign, g.about().in(v.Job), "%s of row %s became %q, which no record of it says", field, o.ID, value)
			return false
		case oldest < 0:
			c.find("I9", stale, g.about().in(v.Job), "%s of row %s went back from record %d's value to %q", field, o.ID, at, value)
			return false
		default:
			at = oldest
		}
		// The newest record in the row is known where it bears its stamp: what follows must be newer than that.
		if r := x.rec; r != nil && r.pipe.Stamp != "" && r.n > at {
			if to, names := r.says[field]; names && (to == nil && value == "" || to != nil && *to == value) {
				at = r.n
			}
		}
		reached = append(reached, reachedBy{x.job, at})
		was = value
	}
	return true
}

// reachedBy is the record whose value a field had when a job had written it.
type reachedBy struct {
	job *job
	at  int
}

// remembered is the record whose value a field has reached, as far as the ledger knew when a job was closed: what was sent and is forgotten is sent again, in its
// order, and for a while the org holds older values.
func (k *known) remembered(reached []reachedBy, by *job) int {
	at := -1
	for _, r := range reached {
		if !k.forgot(r.job.Closed, by.Closed) {
			at = r.at
		}
	}
	return at
}

// shown is what a version of a row holds in a column: in a field, or, where the column names a parent by a field of the parent, in that one.
func (k *known) shown(v history.OrgVersion, column string) string {
	relation, field, isParent := strings.Cut(column, ".")
	if !isParent {
		return v.Fields[column]
	}
	reference, custom := strings.CutSuffix(relation, "__r")
	if custom {
		reference += "__c"
	} else {
		reference += "Id"
	}
	if parent := k.orgs[fold("Id", v.Fields[reference])]; parent != nil {
		return valueOf(parent, field)
	}
	return ""
}

// rowOf is the uploaded row that made a version of a row of the org.
func (k *known) rowOf(v history.OrgVersion) *row {
	j := k.jobs[v.Job]
	if j == nil || v.N >= len(j.rows) || j.rows[v.N].N != v.N {
		return nil
	}
	return j.rows[v.N]
}

// newest: in the end a field holds what the newest landed record that names it says, unless that was rightly left out of what was sent.
func (c *court) newest(g *group, o *history.OrgRecord, field string) {
	if len(o.Versions) == 0 {
		return
	}
	var last *record
	for _, r := range g.records {
		if _, names := r.says[field]; names && r.is(stateLanded) && r.pipe.Operation != remove {
			last = r
		}
	}
	if last == nil {
		return
	}
	c.checked("fields", 1)
	have, want := c.known.shown(o.Versions[len(o.Versions)-1], field), last.says[field]
	if want == nil && have == "" || want != nil && *want == have {
		return
	}
	for _, r := range g.records {
		to, names := r.says[field]
		if !names || r.n <= last.n || !r.entered() {
			continue
		}
		// A newer record that has not landed names the field. Either it shows (then the org did what nobody was told of), or an older resend left
		// the field to it.
		if to != nil && *to == have || to == nil && have == "" || !g.sent(last, field) {
			return
		}
	}
	told := "nothing"
	if want != nil {
		told = *want
	}
	c.find("I9", fieldLost, last.about(), "%s of row %s is %q; the newest record that landed and names it, number %d, says %q", field, o.ID, have, last.n, told)
}

// sent says whether a row that the org saved carried a field for a record.
func (g *group) sent(r *record, field string) bool {
	return slices.ContainsFunc(g.rows, func(x *row) bool {
		return x.effect() && holds(x.Cells, field, r.says[field])
	})
}
