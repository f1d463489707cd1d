package verdict

import (
	"maps"
	"slices"
)

// grain is how exactly the org's times are told, in ms.
const grain = 1

// jobs: none is left behind, none was sent content twice, and no row was sent again while it had landed or might still land.
func (c *court) jobs() {
	for _, id := range slices.Sorted(maps.Keys(c.known.jobs)) {
		j := c.known.jobs[id]
		if j.Foreign {
			continue
		}
		c.checked("jobs", 1)
		a := about{job: id}
		for _, x := range j.rows {
			if x.pipe != nil {
				a.pipeline = x.pipe.Name
				break
			}
		}
		switch {
		case j.Gone:
		case j.State == "Open":
			c.find("I20", orphaned, a, "it is left Open, made at %.0f ms with %d rows", j.Created, j.Rows)
		case j.State == "UploadComplete", j.State == "InProgress":
			c.find("I20", orphaned, a, "it was closed at %.0f ms and is still %s at rest", j.Closed, j.State)
		}
		if j.Uploads > 1 {
			c.find("I3", resent, a, "content was sent to it %d times: a job takes one upload, whatever was answered", j.Uploads)
		}
		c.unaccounted(j, a)
	}
	for _, r := range c.known.records {
		c.resends(r)
	}
}

// unaccounted: what a closed job wrote is told of: at least one of its records landed, or waits for a person.
func (c *court) unaccounted(j *job, a about) {
	effects, records := 0, 0
	for _, x := range j.rows {
		if x.effect() && x.rec != nil {
			effects++
			records += len(x.rec.items)
		}
	}
	if effects > 0 && records == 0 {
		c.find("I20", orphaned, a, "it was closed and wrote %d rows, and the product tells of none of their records", effects)
	}
}

// resends: between two jobs that carry a record, the earlier one must have ended without it, as far as the product could know.
func (c *court) resends(r *record) {
	for n, later := range r.rows {
		if n == 0 {
			continue
		}
		c.checked("resends", 1)
		for _, earlier := range r.rows[:n] {
			if earlier.job == later.job || !c.again(r, earlier, later) {
				continue
			}
			break // one finding about a sending is enough
		}
	}
}

// again says whether a later sending of a record was wrong because of an earlier one.
func (c *court) again(r *record, earlier, later *row) bool {
	a, b := earlier.job, later.job
	switch {
	case b.Closed > 0 && (a.Ended == 0 && !a.Gone || a.Ended > b.Closed+grain) && a.Closed <= b.Closed:
		c.find("I3", resent, r.about().in(b.ID), "it was sent again in a job closed at %.0f ms, while job %s, closed at %.0f ms, was at work until %.0f ms",
			b.Closed, a.ID, a.Closed, a.Ended)
		return true
	case r.pipe.Operation != insert && c.known.forgot(a.Closed, b.Closed): // what may be sent twice is, when it is forgotten that it was sent
	case earlier.effect() && (r.pipe.Operation == insert || !earlier.hidden()):
		c.find("I8", resent, r.about().in(b.ID), "it was sent again at %.0f ms, and job %s had %s it as %s", b.Closed, a.ID, earlier.Outcome, earlier.ID)
		return true
	}
	return false
}
