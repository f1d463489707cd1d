package verdict

import (
	"cmp"
	"maps"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// resultCalls are the endpoints by which the product learns what became of rows.
var resultCalls = map[string]bool{"success": true, "failed": true, "unprocessed": true}

func (k *known) readJobs(run *history.All) {
	for _, j := range run.Jobs {
		k.jobs[j.ID] = &job{OrgJob: j}
	}
	for _, c := range run.Calls {
		// What is refused, or not answered at all, is asked again without end: it hides nothing.
		if j := k.jobs[c.Job]; j != nil && resultCalls[c.Endpoint] && c.Fault != "" && c.Status == 200 {
			j.badReads++
		}
	}
	for _, r := range run.Rows {
		j := k.jobs[r.Job]
		if j == nil {
			j = &job{OrgJob: history.OrgJob{ID: r.Job}}
			k.jobs[r.Job] = j
		}
		x := &row{OrgRow: r, job: j}
		j.rows = append(j.rows, x)
		k.rows = append(k.rows, x)
		if x.effect() {
			k.saved[fold("Id", x.ID)] = append(k.saved[fold("Id", x.ID)], x)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(k.jobs)) {
		j := k.jobs[id]
		slices.SortFunc(j.rows, func(a, b *row) int { return cmp.Compare(a.N, b.N) })
		p := k.owner(j)
		if j.Foreign || p == nil {
			continue
		}
		for _, x := range j.rows {
			k.attribute(x, p)
		}
	}
	for _, r := range k.records {
		slices.SortStableFunc(r.rows, func(a, b *row) int { return cmp.Compare(a.job.Closed, b.job.Closed) })
	}
}

// owner is the pipeline whose job it is: a job has the rows of one. The newest record of a row names it, else the columns tell, else what
// the product says of it.
func (k *known) owner(j *job) *pipe {
	var of []*pipe
	for _, name := range slices.Sorted(maps.Keys(k.pipes)) {
		if p := k.pipes[name]; p.Object == j.Object && p.Operation == j.Operation {
			of = append(of, p)
		}
	}
	for _, p := range of {
		if p.Stamp != "" && slices.ContainsFunc(j.rows, func(x *row) bool { return p.byStamp[x.Cells[p.Stamp]] != nil }) {
			return p
		}
	}
	// What one of them may write and another may not, the other has not written.
	of = slices.DeleteFunc(slices.Clone(of), func(p *pipe) bool {
		return slices.ContainsFunc(of, func(other *pipe) bool {
			return other != p && slices.ContainsFunc(j.rows, func(x *row) bool {
				for f := range x.Cells {
					if other.fields[f] && !p.fields[f] {
						return true
					}
				}
				return false
			})
		})
	})
	switch {
	case len(of) == 1:
		return of[0]
	case slices.Contains(of, k.pipes[k.told[j.ID]]):
		return k.pipes[k.told[j.ID]]
	}
	return nil
}

// attribute finds out whom a row is about, and which record is the newest in it.
func (k *known) attribute(x *row, p *pipe) {
	x.pipe = p
	if p.Stamp != "" {
		x.rec = p.byStamp[x.Cells[p.Stamp]]
	}
	if p.Field != "" {
		x.entity = x.Cells[p.Field]
		if o := k.orgs[fold("Id", or(x.Cells["Id"], x.ID))]; x.entity == "" && o != nil {
			x.entity = valueOf(o, p.Field) // the product asked for the Id before it sent the row
		}
	}
	if g := k.group(p, x.entity); g != nil {
		g.rows = append(g.rows, x)
		switch _, stamped := x.Cells[p.Stamp]; {
		case p.Stamp == "":
			x.rec = only(g.records, func(r *record) bool { return r.pipe == p && covers(x.Cells, r.says) })
		case !stamped:
			x.rec = g.reduced(x)
		}
	}
	if x.rec != nil {
		x.rec.rows = append(x.rec.rows, x)
	}
}

// reduced is the record of which a row without a stamp says what is left when newer ones have taken over the rest, the stamp too: the newest with a
// value in it. A cell that only clears its field says nothing of whom it is from.
func (g *group) reduced(x *row) *record {
	var newest *record
	for _, r := range g.records {
		if r.pipe != x.pipe || newest != nil && newest.n > r.n {
			continue
		}
		for f, v := range r.says {
			if f != r.pipe.Field && v != nil && holds(x.Cells, f, v) {
				newest = r
			}
		}
	}
	return newest
}

// only is the one record of which a question is true; nil when there is none or more than one.
func only(records []*record, is func(*record) bool) *record {
	var found *record
	for _, r := range records {
		if is(r) {
			if found != nil {
				return nil
			}
			found = r
		}
	}
	return found
}

// covers says whether a row's cells hold all that a record says.
func covers(cells map[string]string, says map[string]*string) bool {
	for f, v := range says {
		if !holds(cells, f, v) {
			return false
		}
	}
	return true
}

// cleared is how a cell says that its field is to be emptied.
const cleared = "#N/A"

// holds says whether a cell says a value, nil = empty the field.
func holds(cells map[string]string, field string, value *string) bool {
	if value == nil {
		return cells[field] == cleared
	}
	return *value != "" && cells[field] == *value
}
