package verdict

import (
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	classUnresolved = "unresolved"

	codeMissing   = "MISSING"   // the org's files do not name the row
	codeWithdrawn = "WITHDRAWN" // an operator took it back before it was sent
)

// retried are the classes that are tried again until a policy's tries are used up; the others are dead at once.
var retried = map[string]bool{"transient": true, "contention": true, "reference": true, "unclassified": true}

// healed are codes of the org that time heals: nobody may die of them at the first try.
var healed = map[string]bool{"UNABLE_TO_LOCK_ROW": true, "UNKNOWN_EXCEPTION": true, "SERVER_UNAVAILABLE": true}

// dead: what is said to have died did not land, and died of what its letter says.
func (c *court) dead() {
	for _, i := range c.known.order {
		if i.rec == nil {
			continue // said already
		}
		switch i.state() {
		case stateDead:
			c.checked("dead", 1)
			c.oneDead(i)
		case stateUnresolved:
			c.checked("unresolved", 1)
			c.oneUnresolved(i)
		case stateDiscarded:
			if !c.known.ordered(i, discard) && (len(i.letters) > 0 || !c.known.unseenDiscard) {
				c.find("I2", unbalanced, i.about(), "it is discarded, and nobody ordered that")
			}
		case stateRolledBack:
			c.find("I2", unbalanced, i.about(), "it is rolled back, and no person of a run orders that")
		}
	}
}

// diedOf is the class and code of a dead record.
func (i *item) diedOf() (class, code string) {
	if len(i.open) > 0 {
		return i.open[0].Class, i.open[0].Code
	}
	if l := i.letter(); l != nil {
		return l.Class, l.Code
	}
	return "", ""
}

// healing are codes of letters of records that a person may heal by replaying them later: what another one did is put right, or a definition is.
// Those of the org are none of these: it must have refused the record as often as any other.
var healing = map[string]bool{"UNKNOWN_MEMBER": true, "KEY_REUSED": true}

// saidBy is a row that the org saved, and said so, of what a dead record says: the record's own, or one into which it was merged.
func (k *known) saidBy(r *record) *row {
	told := func(x *row) bool { return x.effect() && !x.hidden() }
	if n := slices.IndexFunc(r.rows, told); n >= 0 {
		return r.rows[n]
	}
	g := k.group(r.pipe, r.entity)
	if g == nil || !r.versions() {
		return nil
	}
	own := maps.Clone(r.says)
	maps.DeleteFunc(own, func(f string, _ *string) bool { return f == r.pipe.Field || f == r.pipe.Stamp })
	if len(own) == 0 || r.pipe.Stamp == "" {
		return nil
	}
	for _, x := range g.rows {
		if told(x) && x.pipe == r.pipe && x.rec != nil && x.rec.n > r.n && covers(x.Cells, own) {
			return x
		}
	}
	return nil
}

func (c *court) oneDead(i *item) {
	r := i.rec
	class, code := i.diedOf()
	if class == "" {
		return // dead without a letter: said already
	}
	if x := c.known.saidBy(r); x != nil && !c.known.forgottenDelete(x, code) && !c.known.forgottenReplay(i, x) {
		c.find("I7", falseFailure, i.about().in(x.job.ID), "it is dead of %s/%s, and row %d of the job was %s as %s, as its result file said",
			class, code, x.N, x.Outcome, x.ID)
		return
	}
	fate, heals := strings.CutPrefix(r.fate, "heals/")
	switch {
	case r.fate != "" && !heals:
		if fate != class+"/"+code && !i.replayedTo(fate, class) {
			c.find("I7", falseFailure, i.about(), "it is dead of %s/%s, and whatever happens it must die of %s", class, code, fate)
		}
	case heals && fate == class && healing[code]:
	case class == classUnresolved:
		c.find("I2", unbalanced, i.about(), "it is dead, and its letter calls it unresolved")
	case code == codeWithdrawn:
		c.find("I7", falseFailure, i.about(), "it was withdrawn, and no person of a run orders that")
	default:
		c.reason(i, class, code)
	}
}

// replayedTo says whether a record died of its fate at first, and then, replayed as it was, of another code of the same class: what was one
// unreadable frame is read as one record then.
func (i *item) replayedTo(fate, class string) bool {
	first := i.letters
	return fate == "data/FRAME_UNREADABLE" && len(first) > 1 && first[0].Generation == 0 && first[0].Stage == stageExtract &&
		first[0].Class == class && first[0].Class+"/"+first[0].Code == fate
}

// reason: a record that can land dies because the org refused it, as often as the policy demands.
func (c *court) reason(i *item, class, code string) {
	l := i.letter()
	switch {
	case l == nil:
		return // it lies in the stream, or letters says so; and what lies there was seen, or nothing is judged
	case l.Stage == stageExtract:
		c.find("I7", falseFailure, i.about(), "it was refused (%s/%s: %.200s), and nothing is wrong with it", class, code, l.Text)
		return
	case c.unsent(i.rec, code):
		return
	}
	tries, refused := 0, false // in the last of them
	for _, a := range l.Attempts {
		if a.Class == "" || a.Class == "quota" || a.Class == "auth" {
			continue // no try of the record: the org never looked at it
		}
		if refused = c.refusedIn(i.rec, a); refused {
			tries++
		}
	}
	fewest := c.policy(c.run.Final.Fewest, i.pipeline, class)
	switch {
	case !refused:
		c.find("I7", falseFailure, i.about(), "it is dead of %s/%s (%.200s), and no row of its last job was refused so: its %d attempts name %v",
			class, code, l.Text, len(l.Attempts), jobsOf(l.Attempts))
	case retried[class] && tries < fewest:
		c.find("I7", falseFailure, i.about(), "it was given up as %s/%s after %d tries of %d that the org refused", class, code, tries, fewest)
	case !retried[class] && healed[code]:
		c.find("I7", falseFailure, i.about(), "it is dead at once of %s, which time heals", code)
	}
}

// policy is what a map of tries says of a class of a pipeline.
func (c *court) policy(tries map[string]int, pipeline, class string) int {
	if n, ok := tries[pipeline+"/"+class]; ok {
		return n
	}
	return tries[class]
}

func jobsOf(attempts []history.LetterAttempt) []string {
	var out []string
	for _, a := range attempts {
		out = append(out, a.Job+" "+a.Code)
	}
	return out
}

// refusedIn says whether the org refused the record in the job of an attempt as the attempt says, or hid what it did.
func (c *court) refusedIn(r *record, a history.LetterAttempt) bool {
	if a.Job == "" {
		return c.refusedInACall(r, a)
	}
	j := c.known.jobs[a.Job]
	if j == nil {
		return false
	}
	if j.Gone && a.Code == codeMissing {
		return true
	}
	for _, x := range j.rows {
		ours := x.rec == r || r.pipe.Field == "" && covers(x.Cells, r.says) ||
			r.pipe.Field != "" && x.pipe == r.pipe && fold(r.pipe.Field, x.entity) == fold(r.pipe.Field, r.entity)
		if !ours {
			continue
		}
		switch {
		case x.Hidden == "rewritten", a.Code == codeMissing && x.hidden():
			return true
		case x.Outcome == failed && codeOf(x.Error) == a.Code:
			return true
		}
	}
	return false
}

// refusedInACall says the same of an attempt that names no job: it was a call of collections, of which there may have been several.
func (c *court) refusedInACall(r *record, a history.LetterAttempt) bool {
	g := c.known.group(r.pipe, r.entity)
	if g == nil {
		return false
	}
	for _, x := range g.rows {
		if x.job.Called && x.pipe == r.pipe && (a.Code == codeMissing || x.Outcome == failed && codeOf(x.Error) == a.Code) {
			return true
		}
	}
	return false
}

// codeOf is the status code in the org's text about a failed row: CODE:message:fields--.
func codeOf(text string) string {
	code, _, _ := strings.Cut(text, ":")
	return code
}

// unsent says whether a row was rightly left out of what was sent: it names a row that the org does not have (any more), or several.
func (c *court) unsent(r *record, code string) bool {
	g := c.known.group(r.pipe, r.entity)
	if g == nil {
		return false
	}
	live, gone := 0, 0
	for _, o := range g.orgs {
		if o.Deleted {
			gone++
			continue
		}
		live++
	}
	switch code {
	case "ENTITY_NOT_FOUND":
		return live == 0
	case "ENTITY_IS_DELETED":
		return gone > 0
	case "DUPLICATE_EXTERNAL_ID":
		return live > 1
	}
	return false
}

// oneUnresolved: only what nobody could know is unresolved: an insert whose rows nothing tells apart, and of which the org did not tell.
func (c *court) oneUnresolved(i *item) {
	r := i.rec
	if r.pipe.Operation != insert || r.pipe.Field != "" {
		c.find("I7", falseFailure, i.about(), "it is unresolved, and its rows have %s by which the org can be asked, or can be sent again", or(r.pipe.Field, "what tells them apart"))
		return
	}
	l := i.letter()
	if l == nil || c.known.maybeSent(r) {
		return // letters says so, or nobody can know
	}
	for _, a := range l.Attempts {
		j := c.known.jobs[a.Job]
		if j == nil {
			continue
		}
		if j.Gone || slices.ContainsFunc(j.rows, func(x *row) bool { return x.hidden() && covers(x.Cells, r.says) }) {
			return
		}
	}
	c.find("I7", falseFailure, i.about(), "it is unresolved, and the org told what became of each of its rows: its attempts name %v", jobsOf(l.Attempts))
}
