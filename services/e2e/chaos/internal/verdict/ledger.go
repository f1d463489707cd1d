package verdict

import (
	"cmp"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// readLedger puts what the API and the stream say together by key, and each beside the record that was published.
func (k *known) readLedger(run *history.All) {
	for _, l := range run.Landed {
		i := k.item(l.Pipeline, l.Key)
		i.landed = append(i.landed, l)
	}
	for _, r := range run.Final.Records {
		i := k.item(r.Pipeline, r.Key)
		i.states = append(i.states, r)
	}
	for _, o := range run.Final.Open {
		i := k.item(o.Pipeline, o.Key)
		i.open = append(i.open, o)
	}
	seen := map[string]bool{}
	for _, l := range run.Letters {
		i := k.item(l.Pipeline, l.Key)
		if !seen[l.ID] { // it stands there again when its stream was made again
			seen[l.ID] = true
			i.letters = append(i.letters, l)
		}
	}
	for _, i := range k.order {
		slices.SortStableFunc(i.letters, func(a, b history.Letter) int { return cmp.Compare(a.Generation, b.Generation) })
		if r := k.find(i); r != nil {
			i.rec = r
			r.items = append(r.items, i)
		}
		k.strays(i)
	}
}

func (k *known) item(pipeline, key string) *item {
	id := [2]string{pipeline, key}
	i := k.items[id]
	if i == nil {
		i = &item{pipeline: pipeline, key: key}
		k.items[id] = i
		k.order = append(k.order, i)
	}
	return i
}

// find gives the published record of a line of the ledger: by its key, else, where the product makes the key, by its place in the stream, else
// by its index and entity among those of which it is not known where they lie.
func (k *known) find(i *item) *record {
	p := k.pipes[i.pipeline]
	if p == nil {
		return nil
	}
	if r := p.byKey[i.key]; r != nil {
		return r
	}
	place, entity := i.origin()
	if r := p.byPlace[place]; r != nil {
		if r.key != "" {
			return nil // it is known under its own key
		}
		return r
	}
	for _, t := range k.records {
		if t.pipe != p || t.key != "" || !t.maybe || len(t.items) >= t.most() || entity != "" && fold(p.Field, entity) != fold(p.Field, t.entity) {
			continue
		}
		if slices.ContainsFunc(t.tries, func(x history.Publication) bool { return x.Answer == history.Unknown && x.Index == place.Index }) {
			return t
		}
	}
	return nil
}

// origin is where the ledger says that the record lies, and whom it is about where it says that.
func (i *item) origin() (at history.Place, entity string) {
	for _, l := range i.landed {
		at = l.Origin
	}
	for _, s := range i.states {
		at, entity = s.Origin, or(entity, s.Entity)
	}
	for _, l := range i.letters {
		at, entity = l.Origin, or(entity, l.Entity)
	}
	for _, o := range i.open {
		entity = or(entity, o.Entity)
	}
	return at, entity
}

// state is where the API has the record at rest; "" = nowhere.
func (i *item) state() string {
	if len(i.landed) > 0 {
		return stateLanded
	}
	for _, s := range i.states {
		return s.State
	}
	return ""
}

// letter is the newest letter of the record that was seen; nil = none was.
func (i *item) letter() *history.Letter {
	if n := len(i.letters); n > 0 {
		return &i.letters[n-1]
	}
	return nil
}

// is says whether any of the record's lines in the ledger is in one of these states.
func (r *record) is(states ...string) bool {
	return slices.ContainsFunc(r.items, func(i *item) bool { return slices.Contains(states, i.state()) })
}
