package properties

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/services/e2e/inprocess"
)

// await waits until all that was published is judged.
func (w *world) await(k kind) {
	want := w.expected(k)
	var b balance
	if !inprocess.Within(patience, func() bool {
		b = w.s.balance(w.rt, k.pipeline, "")
		return b.decided() >= want.decided()
	}) {
		w.rt.Fatalf("pipeline %s has judged %+v, want %+v", k.pipeline, b, want)
	}
}

// expected counts what the model says of a pipeline, on top of what was there before the scenario.
func (w *world) expected(k kind) balance {
	b := w.base[k.pipeline]
	w.count(&b, k.pipeline, "")
	return b
}

// count adds the model's records of a pipeline and run to a balance; "" = all.
func (w *world) count(b *balance, pipeline, run string) {
	for _, e := range w.entities {
		if pipeline != "" && e.kind.pipeline != pipeline {
			continue
		}
		if run == "" {
			b.Repeats += e.repeats
		}
		for r, n := range e.past {
			if run == "" || r == run {
				b.Balance.Accepted += n
				b.Balance.Discarded += n
			}
		}
		for _, x := range e.entries {
			if run != "" && x.run != run {
				continue
			}
			b.Balance.Accepted++
			switch x.state {
			case landed:
				b.Balance.Landed++
			case dead:
				b.Balance.Dead++
			case superseded:
				b.Balance.Superseded++
			case discarded:
				b.Balance.Discarded++
			}
		}
	}
}

// calm waits until nothing moves any more and every letter can be seen.
func (w *world) calm() {
	for _, k := range kinds {
		want := w.expected(k)
		var b balance
		if !inprocess.Within(patience, func() bool {
			w.s.balance(w.rt, "", w.runs[len(w.runs)-1])
			b = w.s.balance(w.rt, k.pipeline, "")
			return b.decided() >= want.decided() && b.calm()
		}) {
			w.rt.Fatalf("pipeline %s does not come to rest: %+v, want %+v", k.pipeline, b, want)
		}
		if b.Repeats != want.Repeats || b.Balance.Accepted != want.Balance.Accepted {
			w.rt.Fatalf("pipeline %s has %d records and %d repeats, want %d and %d", k.pipeline, b.Balance.Accepted, b.Repeats, want.Balance.Accepted, want.Repeats)
		}
		var letters int
		if !inprocess.Within(patience, func() bool { letters = len(w.s.letters(w.rt, k.pipeline)); return int64(letters) == b.Balance.Dead }) {
			w.rt.Fatalf("pipeline %s has %d dead records and %d letters", k.pipeline, b.Balance.Dead, letters)
		}
	}
}

// compare holds everything against the model.
func (w *world) compare(p int) {
	var wrong []string
	letters := map[string]map[string]letter{}
	for _, k := range kinds {
		letters[k.pipeline] = map[string]letter{}
		for _, l := range w.s.letters(w.rt, k.pipeline) {
			letters[k.pipeline][l.Key] = l
		}
	}
	for _, e := range w.entities {
		seen := map[string]end{}
		for _, h := range w.s.histories(w.rt, e.kind.pipeline, e.name) {
			x := e.find(h)
			if x == nil {
				wrong = append(wrong, fmt.Sprintf("nobody published what the ledger calls %s: %+v", h.Key, h))
				continue
			}
			got := end{state: h.State}
			if h.State == dead {
				l := letters[e.kind.pipeline][h.Key]
				got.class, got.code = l.Class, l.Code
			}
			seen[x.key] = got
			if h.State == landed && h.ID == "" || h.State == superseded && h.Successor == "" {
				wrong = append(wrong, fmt.Sprintf("%s has no Salesforce id, or no successor: %+v", h.Key, h))
			}
		}
		bad := append(e.rest(seen), w.row(e)...)
		if len(bad) > 0 {
			wrong = append(wrong, bad...)
			wrong = append(wrong, fmt.Sprintf("the story of %s in %s:\n  %s", e.name, e.kind.pipeline, strings.Join(e.story, "\n  ")))
		}
	}
	for _, k := range kinds {
		got, want := w.s.balance(w.rt, k.pipeline, ""), w.expected(k)
		if got.Balance != want.Balance {
			wrong = append(wrong, fmt.Sprintf("the balance of %s is %+v, want %+v", k.pipeline, got.Balance, want.Balance))
		}
	}
	for _, run := range w.runs {
		var want balance
		w.count(&want, "", run)
		if got := w.s.balance(w.rt, "", run); got.Balance != want.Balance {
			wrong = append(wrong, fmt.Sprintf("the balance of run %s is %+v, want %+v", run, got.Balance, want.Balance))
		}
	}
	if len(wrong) > 0 {
		w.rt.Fatalf("after phase %d:\n%s", p, strings.Join(wrong, "\n"))
	}
}

// row compares the org's row of an entity with the model.
func (w *world) row(e *entity) []string {
	r, ok := w.s.Sim.Record(e.kind.object, e.name)
	if ok != e.hasRow() {
		return []string{fmt.Sprintf("the org holds %s: %v", e.name, ok)}
	}
	if !ok {
		return nil
	}
	var wrong []string
	for _, c := range columns {
		if got, want := r.Fields[c.field], e.values(c.field); !slices.Contains(want, got) {
			wrong = append(wrong, fmt.Sprintf("%s.%s is %q, want %q", e.name, c.field, got, want))
		}
		var values []string
		for _, v := range r.Versions {
			values = append(values, v.Fields[c.field])
		}
		if text := e.runsBack(c.field, values); text != "" {
			wrong = append(wrong, e.name+"."+text)
		}
	}
	return wrong
}

// end gives up what is left, so that the next scenario begins without letters.
func (w *world) end() {
	for _, k := range kinds {
		var ids []string
		for _, l := range w.s.letters(w.rt, k.pipeline) {
			ids = append(ids, l.ID)
		}
		w.s.order(w.rt, "discard", ids)
	}
}
