package verdict

import (
	"regexp"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// What an operator orders of letters.
const (
	replay  = "replay"
	discard = "discard"
	resolve = "resolve"
)

// orders are what people ordered of letters. They count whatever they were answered: an order without an answer may have been carried out.
type orders struct {
	of      map[[2]string]bool // by order and letter
	filters map[[2]string]bool // by order and "<pipeline>/<class>/<code>"
	// unnamed says that some do not name their letters, as in runs from before orders did: then any letter may have been meant.
	unnamed bool
}

// aboutLetters finds orders in the words of operators of such runs.
var aboutLetters = regexp.MustCompile(`^\w+ (replay|discard) |^resolve: |letters of records sent in job`)

func ordersOf(timeline []history.Event) orders {
	o := orders{of: map[[2]string]bool{}, filters: map[[2]string]bool{}}
	for _, e := range timeline {
		if e.What != "operator" {
			continue
		}
		switch {
		case e.Filter != "":
			o.filters[[2]string{e.Order, e.Filter}] = true
		case len(e.Letters) == 0 && aboutLetters.MatchString(e.Text):
			o.unnamed = true
		}
		for _, id := range e.Letters {
			o.of[[2]string{e.Order, id}] = true
		}
	}
	return o
}

// given says whether somebody ordered one of these things of a letter.
func (o orders) given(l history.Letter, what ...string) bool {
	return o.unnamed || slices.ContainsFunc(what, func(order string) bool {
		return o.of[[2]string{order, l.ID}] || o.filters[[2]string{order, l.Pipeline + "/" + l.Class + "/" + l.Code}]
	})
}

// unseen counts the letters that somebody ordered one of these things of, and that are not among those that were seen.
func (o orders) unseen(letters []history.Letter, what ...string) int {
	seen, out := map[string]bool{}, map[string]bool{}
	for _, l := range letters {
		seen[l.ID] = true
	}
	for of := range o.of {
		if slices.Contains(what, of[0]) && !seen[of[1]] {
			out[of[1]] = true
		}
	}
	return len(out)
}

// filtered says whether somebody ordered something of letters of a pipeline without naming them.
func (o orders) filtered(pipeline string) bool {
	for f := range o.filters {
		if strings.HasPrefix(f[1], pipeline+"/") {
			return true
		}
	}
	return o.unnamed
}

// ordered says whether somebody ordered one of these things of any letter of a record.
func (k *known) ordered(i *item, what ...string) bool {
	return slices.ContainsFunc(i.letters, func(l history.Letter) bool { return k.orders.given(l, what...) })
}

// orderedOnce: what was ordered twice under one idempotency key is one order.
func (c *court) orderedOnce() {
	actions := map[string]history.Event{}
	for _, e := range c.run.Timeline {
		if e.What != "operator" || e.Key == "" || e.Action == "" {
			continue
		}
		c.checked("orders", 1)
		if first := actions[e.Key]; first.Action != "" && first.Action != e.Action && !c.known.forgot(first.At, e.At) {
			c.find("I13", doubled, about{}, "the order %q was given again under its key, and carried out again: as %s, then as %s", e.Key, first.Action, e.Action)
		}
		actions[e.Key] = e
	}
}
