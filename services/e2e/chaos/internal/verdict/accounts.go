package verdict

import (
	"maps"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// atRest are the states in which a record may rest.
var atRest = map[string]bool{
	stateLanded: true, stateDead: true, stateUnresolved: true, stateSuperseded: true, stateDiscarded: true, stateRolledBack: true,
}

// accounts: each acknowledged record is in exactly one place, and nobody else's is in any.
func (c *court) accounts() {
	c.checked("records", len(c.known.records))
	for _, r := range c.known.records {
		c.account(r)
	}
	for _, i := range c.known.order {
		if i.rec == nil {
			c.find("I2", foreign, i.about(), "the product has this record (%s) and nobody published it", i.where())
		}
		c.place(i)
	}
	for _, name := range slices.Sorted(maps.Keys(c.known.pipes)) {
		c.recount(c.known.pipes[name])
	}
}

// account: what the broker acknowledged is there, what it refused is not.
func (c *court) account(r *record) {
	least, most := r.least(), r.most()
	switch n := len(r.items); {
	case n < least:
		c.find("I5", lost, r.about(), "acknowledged at sequence %d, index %d, and neither landed nor dead nor superseded nor discarded (%d of %d are there)",
			r.first().Seq, r.first().Index, n, least)
	case n > most && most == 0:
		c.find("I2", foreign, r.about(), "the broker refused each of %d tries to publish it, and the product has it all the same", len(r.tries))
	case n > most:
		c.find("I12", doubled, r.about(), "published once, and the product made %d records of it", n)
	}
}

// first is the first try that was acknowledged.
func (r *record) first() history.Publication {
	for _, t := range r.tries {
		if t.Answer == history.OK {
			return t
		}
	}
	return r.tries[0]
}

// where names the places in which the ledger has a record.
func (i *item) where() []string {
	var out []string
	for _, l := range i.landed {
		out = append(out, "landed as "+l.ID)
	}
	for _, s := range i.states {
		out = append(out, s.State)
	}
	for _, o := range i.open {
		out = append(out, "letter "+o.ID)
	}
	if len(out) == 0 && len(i.letters) > 0 {
		out = append(out, "a letter was seen")
	}
	return out
}

// place: a record is in one place at rest.
func (c *court) place(i *item) {
	switch {
	case len(i.landed) > 1:
		invariant, word := "I2", unbalanced
		if i.landed[0].Generation != i.landed[1].Generation {
			invariant = "I13"
		}
		c.find(invariant, word, i.about(), "it landed %d times, in generations %d and %d, as %s and %s",
			len(i.landed), i.landed[0].Generation, i.landed[1].Generation, i.landed[0].ID, i.landed[1].ID)
		return
	case len(i.landed) == 1 && len(i.states) > 0, len(i.states) > 1:
		c.find("I2", unbalanced, i.about(), "it is in several places at once: %v", i.where())
		return
	}
	state := i.state()
	waits := state == stateDead || state == stateUnresolved
	switch {
	case state == "" && i.rec != nil && len(i.open) == 0 && len(i.letters) > 0:
		c.find("I14", lost, i.about(), "a letter of it was seen, and now it is nowhere")
	case state != "" && !atRest[state]:
		if c.run.Run.Rested {
			c.find("I5", stuck, i.about(), "it is %s at rest", state)
		}
	case waits && len(i.open) == 0:
		c.find("I14", lost, i.about(), "it is %s and has no open letter", state)
	case len(i.open) > 0 && !waits:
		c.find("I2", unbalanced, i.about(), "letter %s is open, and the record is %s", i.open[0].ID, or(state, "nowhere"))
	case len(i.open) > 1:
		c.find("I2", unbalanced, i.about(), "%d letters of it are open at once", len(i.open))
	}
}

// recount: the balance of the API is what we count ourselves.
func (c *court) recount(p *pipe) {
	b, known := c.run.Final.Balance[p.Name]
	if !known {
		if len(p.records) > 0 {
			c.find("I1", unbalanced, about{pipeline: p.Name}, "%d records were published, and the API has no balance of the pipeline", len(p.records))
		}
		return
	}
	ours := map[string]int64{}
	var reopenedLeast, reopenedMost int64
	for _, i := range c.known.order {
		if i.pipeline == p.Name {
			ours[i.state()]++
			least, most := c.known.reopened(i)
			reopenedLeast, reopenedMost = reopenedLeast+int64(least), reopenedMost+int64(most)
		}
	}
	// What was given up stays so when its upstream opens the next generation.
	if more := b.Discarded - ours[stateDiscarded]; more > 0 {
		ours[stateDiscarded] += min(max(more, reopenedLeast), reopenedMost)
	} else {
		ours[stateDiscarded] += reopenedLeast
	}
	terms := []struct {
		state string
		n     int64
	}{
		{stateLanded, b.Landed},
		{stateDead, b.Dead},
		{stateUnresolved, b.Unresolved},
		{stateSuperseded, b.Superseded},
		{stateDiscarded, b.Discarded},
		{stateRolledBack, b.RolledBack},
	}
	all := int64(0)
	for _, t := range terms {
		all += t.n
		if t.n != ours[t.state] {
			c.find("I1", unbalanced, about{pipeline: p.Name}, "the balance says %d %s, we count %d", t.n, t.state, ours[t.state])
		}
	}
	if b.Accepted != sum(b) {
		c.find("I1", unbalanced, about{pipeline: p.Name}, "%d were accepted, and the terms make %d: %+v", b.Accepted, sum(b), b)
	}
	if moving := sum(b) - all; moving != 0 && c.run.Run.Rested {
		c.find("I5", stuck, about{pipeline: p.Name}, "%d in flight, %d retrying and %d waiting for their parent at rest", b.InFlight, b.Retrying, b.WaitingForParent)
	}
	if b.Unread != 0 && c.run.Run.Rested {
		c.find("I5", stuck, about{pipeline: p.Name}, "%d messages are unread at rest", b.Unread)
	}
	c.accepted(p, b)
	c.checked("balances", 1)
}

func sum(b history.Balance) int64 {
	return b.Landed + b.InFlight + b.Retrying + b.WaitingForParent + b.Unresolved + b.Dead + b.Superseded + b.Discarded + b.RolledBack
}

// accepted: as many were accepted, and counted as repeats, as the broker's answers allow. What was given up and published again is no repeat.
func (c *court) accepted(p *pipe, b history.Balance) {
	if !c.run.Run.Rested {
		return // what is unread is not accepted yet
	}
	var least, most, repeatsLeast, repeatsMost int64
	for _, r := range p.records {
		lies, may := r.places()
		least, most = least+int64(r.least()), most+int64(r.most())
		if r.placed() {
			continue // what has no key repeats nothing
		}
		var again, perhaps int
		for _, i := range r.items {
			n, m := c.known.reopened(i)
			again, perhaps = again+n, perhaps+m
		}
		least, most = least+int64(again), most+int64(perhaps)
		repeatsLeast += int64(max(lies-r.most()-perhaps, 0))
		repeatsMost += int64(max(lies+may-1, 0))
	}
	if b.Accepted < least || b.Accepted > most {
		c.find("I1", unbalanced, about{pipeline: p.Name}, "%d were accepted; by the broker's answers it must be between %d and %d", b.Accepted, least, most)
	}
	if b.Repeats < repeatsLeast || b.Repeats > repeatsMost {
		c.find("I12", unbalanced, about{pipeline: p.Name}, "%d repeats were counted; by the broker's answers it must be between %d and %d",
			b.Repeats, repeatsLeast, repeatsMost)
	}
}
