package verdict

import (
	"maps"
	"slices"
	"strings"
)

// superseded: what a superseded record says is covered by newer records that are not superseded themselves, field by field, and it names the
// one that took its place.
func (c *court) superseded(g *group, r *record) {
	for _, i := range r.items {
		if i.state() == stateSuperseded {
			c.successor(g, i)
		}
	}
	if !r.is(stateSuperseded) {
		return
	}
	c.checked("superseded", 1)
	if len(r.says) == 0 || r.pipe.Operation == remove {
		if !slices.ContainsFunc(g.records, func(o *record) bool { return o.n > r.n && o.entered() && !o.is(stateSuperseded) }) {
			c.find("I9", fieldLost, r.about(), "it is superseded, and nothing newer is there")
		}
		return
	}
	for _, f := range slices.Sorted(maps.Keys(r.says)) {
		if f == g.field {
			continue
		}
		ends := slices.ContainsFunc(g.records, func(o *record) bool {
			_, names := o.says[f]
			return names && o.n > r.n && o.entered() && !o.is(stateSuperseded)
		})
		if !ends {
			c.find("I9", fieldLost, r.about(), "it is superseded, and %s, which it sets, is named by nothing newer that landed, died or waits for a person", f)
			return
		}
	}
}

// successor follows the chain of those that took a record's place: each is a newer version of the same entity, and the last one is not
// superseded.
func (c *court) successor(g *group, i *item) {
	for at := i; ; {
		key := at.states[0].Successor
		next := c.known.items[[2]string{at.pipeline, key}]
		if other, theirs, ok := strings.Cut(key, "/"); ok && next == nil { // of another pipeline that writes the same entities
			next = c.known.items[[2]string{other, theirs}]
		}
		switch {
		case next == nil || next.rec == nil:
			c.find("I2", fieldLost, i.about(), "it is superseded, and %q, which is to have taken the place of %q, is no record", key, at.key)
			return
		case !slices.Contains(g.records, next.rec) || next.rec.n <= at.rec.n:
			c.find("I2", fieldLost, i.about(), "it is superseded, and %q, which is to have taken the place of %q, is no newer version of it", key, at.key)
			return
		case next.state() != stateSuperseded:
			return
		}
		at = next // numbers only rise, so it ends
	}
}
