package verdict

import (
	"maps"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// letters: what the API calls open lies in the stream, what lies there is open, and nothing left it without an action.
func (c *court) letters() {
	left := map[string]bool{}
	for _, id := range c.run.Final.Left {
		left[id] = true
	}
	open := map[string]bool{}
	for _, o := range c.run.Final.Open {
		open[o.ID] = true
		c.checked("open_letters", 1)
		if !left[o.ID] {
			c.find("I14", lost, about{pipeline: o.Pipeline, entity: o.Entity, key: o.Key}, "letter %s (%s/%s) is open, and the stream has it not", o.ID, o.Class, o.Code)
		}
	}
	seen := map[string]history.Letter{}
	for _, l := range c.run.Letters {
		seen[l.ID] = l
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		if l := seen[id]; !open[id] {
			c.find("I14", unbalanced, about{pipeline: l.Pipeline, entity: l.Entity, key: l.Key}, "letter %s lies in the stream, and the API does not call it open", id)
		}
	}
	c.payloads()
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		l := seen[id]
		c.checked("letters", 1)
		if left[id] {
			continue
		}
		i := c.known.items[[2]string{l.Pipeline, l.Key}]
		switch state := i.state(); {
		case open[id]: // said above
		case c.known.stray(l) && c.known.undone.given(l, replay, discard, resolve): // it was written, and what it says decided, in a forgotten time
		case !c.known.orders.given(l, replay, discard, resolve):
			c.find("I14", lost, i.about(), "letter %s (%s/%s) left the stream, and nobody ordered anything of it", id, l.Class, l.Code)
		case state == stateDead && i.generation() <= l.Generation:
			c.find("I14", lost, i.about(), "letter %s (%s/%s) left the stream, and its record is still dead", id, l.Class, l.Code)
		}
	}
	c.generations()
}

// payloads: a letter holds the record as it was published. What it says must stand there; how it was written is its publisher's.
func (c *court) payloads() {
	for _, i := range c.known.order {
		if i.rec == nil {
			continue
		}
		for _, l := range i.letters {
			for _, f := range slices.Sorted(maps.Keys(i.rec.says)) {
				v := i.rec.says[f]
				if v == nil || strings.ContainsFunc(*v, escaped) {
					continue
				}
				c.checked("payloads", 1)
				if !strings.Contains(l.Payload, `"`+*v+`"`) {
					c.find("I14", lost, i.about(), "letter %s does not hold what was published: of %s it has not %q", l.ID, f, *v)
					break
				}
			}
		}
	}
}

// escaped are characters that JSON may write otherwise.
func escaped(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\/<>&`, r) }

// generation is the newest of a record at rest.
func (i *item) generation() int {
	g := 0
	for _, l := range i.landed {
		g = max(g, l.Generation)
	}
	for _, s := range i.states {
		g = max(g, s.Generation)
	}
	return g
}

// blind says whether there were moments in which nobody could see the stream of letters: it was deleted, or the broker or a node of it was away. What lay there for a
// moment only may never have been seen.
func blind(run *history.All) bool {
	blinds := map[string]bool{}
	for _, f := range run.Plan.Faults {
		switch f.Kind {
		case history.NATSKill, history.NATSRestart, history.KillAll, history.LeaderKill, history.NodeCut, history.NodeEmpty, history.TwoDown:
			blinds[f.ID] = true
		case history.StreamDelete:
			blinds[f.ID] = f.Stream == "DLQ"
		case history.PowerCut:
			blinds[f.ID] = f.Target != history.CutLedger
		}
	}
	return slices.ContainsFunc(run.Timeline, func(e history.Event) bool { return e.What == "fault" && e.Done && blinds[e.Fault] })
}

// generations: each generation behind the first was opened by somebody's order about the letter of the one before it: by a replay, or, when it
// was given up, by its upstream.
func (c *court) generations() {
	unseen := c.known.unseenOrders // each may have opened one generation
	for _, i := range c.known.order {
		g := i.generation()
		if g == 0 || i.rec == nil {
			continue // of a record that nobody published it is said already
		}
		c.checked("replayed", 1)
		dead := map[int]history.Letter{}
		for _, l := range i.letters {
			dead[l.Generation] = l
		}
		reopened, _ := c.known.reopened(i)
		if chances := c.known.chances(i.rec); reopened > chances {
			c.find("I13", unbalanced, i.about(), "%d of its %d generations follow letters that were discarded, and it was published or read again %d times", reopened, g, chances)
		}
		for n := range g {
			switch l, seen := dead[n]; {
			case seen && c.known.orders.given(l, discard): // counted above
				continue
			case seen && !c.known.orders.given(l, replay, resolve):
				c.find("I13", unbalanced, i.about(), "it is in generation %d, and nobody ordered anything of letter %s of generation %d", g, l.ID, n)
			case !seen && c.known.blind && unseen > 0:
				unseen--
				continue
			case !seen && (!c.known.blind || !c.known.orders.filtered(i.pipeline)):
				c.find("I13", unbalanced, i.about(), "it is in generation %d, and no letter of generation %d was ever seen: one replay opens one generation", g, n)
			default:
				continue
			}
			break
		}
	}
}
