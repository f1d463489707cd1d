package weather

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// refusal is why the org will never take a record, whatever the weather; the zero value: it takes it.
type refusal struct{ class, code string }

// entry is one record of the load.
type entry struct {
	key    string // the idempotency key
	entity string // the value of Ext__c
	n      int    // the number of the record among those of its entity, from 1
	says   map[string]string
	body   string
	never  refusal
}

// load is the records of a case, and what the org must hold for them.
type load struct {
	run     string
	entries map[string][]*entry // by pipeline, in the order in which they are published
	bystand []string            // entities of removals and phones that nobody names
}

// newLoad draws a load: size is the number of entities of a pipeline.
func newLoad(s *stack, size int, seed uint64) *load {
	s.cases++
	l := &load{run: fmt.Sprintf("w%d", s.cases), entries: map[string][]*entry{}}
	draw := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's load is to be drawn again
	for _, p := range pipelines {
		var seeds []map[string]string
		var queue []string
		for i := range size {
			name := fmt.Sprintf("%s-%s-%d", l.run, p.name, i)
			times := 1
			switch p.name {
			case things.name, phones.name:
				times = 1 + draw.IntN(3) // versions of one row
			case visits.name:
				if draw.IntN(6) == 0 {
					times = 2 // equal rows, each wanted
				}
			}
			for range times {
				queue = append(queue, name)
			}
			if p.name == phones.name || p.name == removals.name {
				seeds = append(seeds, map[string]string{"Ext__c": name, "A__c": "0", "B__c": "0"})
			}
		}
		draw.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		if seeds != nil {
			name := fmt.Sprintf("%s-%s-bystander", l.run, p.name)
			l.bystand = append(l.bystand, name)
			seeds = append(seeds, map[string]string{"Ext__c": name, "A__c": "0", "B__c": "0"})
			s.Sim.Seed(p.object, seeds...)
		}
		said := map[string]int{}
		for _, name := range queue {
			said[name]++
			l.add(p, name, said[name], refusal{}, draw)
		}
		l.add(p, fmt.Sprintf("%s-%s-never", l.run, p.name), 1, p.never(), draw)
	}
	return l
}

// never is what is wrong with the record of each load that cannot land.
func (p pipeline) never() refusal {
	if p.columns == nil {
		return refusal{"reference", "ENTITY_NOT_FOUND"} // nobody of that name is there to be deleted
	}
	if p.name == phones.name {
		return refusal{"reference", "ENTITY_NOT_FOUND"}
	}
	return refusal{"data", "INVALID_EMAIL_ADDRESS"}
}

// add writes a record: the nth version of its entity says n in one of the columns or in all.
func (l *load) add(p pipeline, entity string, n int, never refusal, draw *rand.Rand) {
	e := &entry{key: fmt.Sprintf("%s#%d", entity, n), entity: entity, n: n, says: map[string]string{}, never: never}
	value := fmt.Sprint(n)
	if !p.known() {
		value = "visited" // equal rows are equal
	}
	columns := p.columns
	if n > 1 && len(columns) > 1 {
		if which := draw.IntN(len(columns) + 1); which < len(columns) {
			columns = columns[which : which+1]
		}
	}
	for _, c := range columns {
		e.says[c] = value
	}
	members := map[string]string{"id": entity}
	for c, v := range e.says {
		members[c] = v
	}
	if never.class == "data" {
		members["mail"] = "nobody at nowhere"
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	e.body = string(text)
	l.entries[p.name] = append(l.entries[p.name], e)
}

// frames are the records of a pipeline as they are published.
func (l *load) frames(p pipeline, size int) [][]*entry {
	var out [][]*entry
	for all := l.entries[p.name]; len(all) > 0; {
		n := min(size, len(all))
		out = append(out, all[:n])
		all = all[n:]
	}
	return out
}

// lands is how many of the records of a pipeline the org will take in the end.
func (l *load) lands(p pipeline) (n int64) {
	for _, e := range l.entries[p.name] {
		if e.never == (refusal{}) {
			n++
		}
	}
	return n
}

// of says whether an entity, or a key, is of this load.
func (l *load) of(name string) bool { return strings.HasPrefix(name, l.run+"-") }
