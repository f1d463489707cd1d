package properties

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// A scenario is what happens to a few entities, in phases; each phase ends when everything has come to rest.
type scenario struct {
	Entities []script
	Phases   []phase
}

// phase is what holds for all entities.
type phase struct {
	// Frame is the number of records of a message; Pauses says after which of them the next waits until they are accepted.
	Frame  int
	Pauses []bool
	// Reread are pipelines, by number, whose stream is read again from the scenario's beginning, or from the phase before.
	Reread []int
	Late   bool
}

// script is one entity's life.
type script struct {
	Kind int
	// Missing says in how many phases the row is not there yet, of an update.
	Missing int
	Phases  []scene
}

// scene is what happens to one entity in one phase.
type scene struct {
	Fate fate
	// Letters is what becomes of the letters that the phases before left: in turn, one after the other.
	Letters []choice
	Events  []event
}

type choice string

const (
	keep    choice = "keep"
	replay  choice = "replay"
	discard choice = "discard"
	reload  choice = "discard and publish again"
)

// event is one record that is published.
type event struct {
	Sort sort
	// Of is the number of an earlier event of the entity; none yet = fresh.
	Of int
	// Says is what it says of each column: leave alone, set, clear.
	Says    []said
	Version int
	Keyed   bool
	Upper   bool // the entity is written in capitals, which makes no difference
}

type sort string

const (
	fresh sort = "fresh"
	again sort = "again" // the very same record
	reuse sort = "reuse" // other content under the same key
	echo  sort = "echo"  // the same content as another event
)

type said string

const (
	nothing said = "-"
	value   said = "value"
	null    said = "null"
)

func drawScenario(t *rapid.T) scenario {
	phases := rapid.IntRange(1, 4).Draw(t, "phases")
	saids := rapid.SampledFrom([]said{nothing, value, null, value})
	events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{
			Sort: rapid.SampledFrom([]sort{fresh, fresh, fresh, again, echo, reuse}).Draw(t, "sort"),
			Of:   rapid.IntRange(0, 7).Draw(t, "of"), Says: rapid.SliceOfN(saids, len(columns), len(columns)).Draw(t, "says"),
			Version: rapid.IntRange(1, 6).Draw(t, "version"), Keyed: rapid.Bool().Draw(t, "keyed"), Upper: rapid.Bool().Draw(t, "upper"),
		}
	}), 0, 4)
	scenes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) scene {
		return scene{
			Fate:    rapid.SampledFrom(append(fates, fateNone, fateLock)).Draw(t, "fate"),
			Letters: rapid.SliceOfN(rapid.SampledFrom([]choice{keep, replay, discard, reload}), 1, 3).Draw(t, "letters"),
			Events:  events.Draw(t, "events"),
		}
	}), phases, phases)
	return scenario{
		Entities: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) script {
			return script{Kind: rapid.IntRange(0, len(kinds)-1).Draw(t, "kind"), Missing: rapid.IntRange(0, 2).Draw(t, "missing"), Phases: scenes.Draw(t, "scenes")}
		}), 6, 24).Draw(t, "entities"),
		Phases: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) phase {
			return phase{
				Frame: rapid.IntRange(1, 8).Draw(t, "frame"), Pauses: rapid.SliceOfN(rapid.Bool(), 1, 3).Draw(t, "pauses"),
				Reread: rapid.SliceOfNDistinct(rapid.IntRange(0, len(kinds)-1), 0, len(kinds), rapid.ID[int]).Draw(t, "reread"),
				Late:   rapid.Bool().Draw(t, "late"),
			}
		}), phases, phases).Draw(t, "phases"),
	}
}

// String is the scenario as a script that a person can follow.
func (s scenario) String() string {
	var b strings.Builder
	for p, ph := range s.Phases {
		fmt.Fprintf(&b, "phase %d: frames of %d, pauses %v, pipelines read again %v (from the phase before: %v)\n", p, ph.Frame, ph.Pauses, ph.Reread, ph.Late)
		for n, e := range s.Entities {
			sc := e.Phases[p]
			fmt.Fprintf(&b, "  e%d of %s: %s; letters %v", n, kinds[e.Kind].pipeline, sc.Fate, sc.Letters)
			if kinds[e.Kind].updates() {
				fmt.Fprintf(&b, "; the row is there: %v", p >= e.Missing)
			}
			b.WriteByte('\n')
			for _, ev := range sc.Events {
				fmt.Fprintf(&b, "    %+v\n", ev)
			}
		}
	}
	return b.String()
}

// author writes what an entity's events say.
type author struct {
	kind  kind
	name  string
	wrote []published
}

// write makes the record of an event.
func (a *author) write(ev event) published {
	n := len(a.wrote)
	var of published
	if n > 0 {
		of = a.wrote[ev.Of%n]
	}
	keyed := ev.Keyed || a.kind.inserts()
	key := ""
	if keyed {
		key = fmt.Sprintf("%s.%d", a.name, n)
	}
	var p published
	switch {
	case n > 0 && ev.Sort == again:
		p = of
	case n > 0 && ev.Sort == echo:
		p = of
		p.key = key
	default:
		p = a.fresh(n, ev)
		p.key = key
		if n > 0 && ev.Sort == reuse && of.key != "" {
			p.key = of.key
		}
	}
	a.wrote = append(a.wrote, p)
	return p
}

func (a *author) fresh(n int, ev event) published {
	p := published{says: map[string]string{}}
	members := []string{}
	add := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		members = append(members, fmt.Sprintf("%q:%s", name, text))
	}
	id := a.name
	if ev.Upper {
		id = strings.ToUpper(id)
	}
	add("id", id)
	if a.kind.versioned {
		p.version = ev.Version
		add("v", ev.Version)
	}
	for i, c := range columns {
		switch ev.Says[i] {
		case value:
			p.says[c.field] = fmt.Sprintf("%s.%d%s", a.name, n, c.member)
			add(c.member, p.says[c.field])
		case null:
			p.says[c.field] = ""
			add(c.member, nil)
		case nothing:
			if a.kind.whole {
				p.says[c.field] = ""
			}
		}
	}
	p.body = "{" + strings.Join(members, ",") + "}"
	return p
}
