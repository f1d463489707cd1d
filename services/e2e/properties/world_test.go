package properties

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
	"bulkhead/services/orgsim/simtest"
)

// world is a scenario that is lived through: the model of its entities beside the stack.
type world struct {
	rt       rapid.TB
	s        *stack
	sc       scenario
	n        int
	entities []*entity
	authors  []*author
	base     map[string]balance // by pipeline, before it began
	streams  map[string][]sent  // what was published, by pipeline
	runs     []string
	began    map[string][]uint64 // by pipeline: the first sequence of each phase; 0 = nothing was published in it
}

// sent is one published record, and whose it is.
type sent struct {
	entity int
	published
}

func newWorld(rt rapid.TB, s *stack, sc scenario, n int) *world {
	w := &world{rt: rt, s: s, sc: sc, n: n, base: map[string]balance{}, streams: map[string][]sent{}, began: map[string][]uint64{}}
	for i, e := range sc.Entities {
		k := kinds[e.Kind]
		name := fmt.Sprintf("c%d-e%d", n, i)
		w.entities = append(w.entities, newEntity(k, name))
		w.authors = append(w.authors, &author{kind: k, name: name})
	}
	for _, k := range kinds {
		w.base[k.pipeline] = s.balance(rt, k.pipeline, "")
	}
	return w
}

// live goes through one phase and checks all that must hold at its end.
func (w *world) live(p int) {
	run := fmt.Sprintf("c%d-p%d", w.n, p)
	w.runs = append(w.runs, run)
	w.seed(p)
	w.faults(p)
	reloaded := w.decide(p)
	for _, k := range w.sc.Phases[p].Reread {
		w.reread(p, kinds[k])
	}
	for _, k := range kinds {
		w.began[k.pipeline] = append(w.began[k.pipeline], 0)
		w.publish(p, k, run, reloaded)
	}
	w.calm()
	w.s.Sim.ClearFaults()
	w.compare(p)
}

// seed puts the rows into the org that updates will find from now on.
func (w *world) seed(p int) {
	for i, e := range w.entities {
		if e.kind.updates() && !e.exists && p >= w.sc.Entities[i].Missing {
			w.s.Sim.Seed(e.kind.object, map[string]string{"Ext__c": e.name})
			e.exists = true
		}
	}
}

// faults tells the org what to do to the rows of each entity.
func (w *world) faults(p int) {
	const noParent = "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:Parent__c --"
	type effect struct {
		simtest.Effect

		times int
	}
	effects := map[fate]effect{
		fateLock:      {simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError}, 2},
		fateTransient: {simtest.Effect{Kind: simtest.RowError, Error: "SERVER_UNAVAILABLE:try again:--"}, 1},
		fateParent:    {simtest.Effect{Kind: simtest.RowError, Error: noParent}, 1},
		fateLost:      {simtest.Effect{Kind: simtest.LoseRows}, 1},
		fateData:      {simtest.Effect{Kind: simtest.RowError, Error: "FIELD_CUSTOM_VALIDATION_EXCEPTION:not today:A__c --"}, 0},
		fateDuplicate: {simtest.Effect{Kind: simtest.RowError, Error: "DUPLICATE_VALUE:duplicate value found: Number__c duplicates value on record with id: a00000000000001:--"}, 0},
		fateOrphan:    {simtest.Effect{Kind: simtest.RowError, Error: noParent}, 0},
	}
	names := map[fate][]string{}
	for i, e := range w.entities {
		e.fate = w.sc.Entities[i].Phases[p].Fate
		e.tell("phase %d: %s; in the org: %v", p, e.fate, e.exists)
		names[e.fate] = append(names[e.fate], e.name)
	}
	for _, f := range fates {
		if x, ok := effects[f]; ok && len(names[f]) > 0 {
			w.s.Sim.AddFault(simtest.Fault{Where: &simtest.Where{Keys: names[f]}, TimesPerKey: x.times, Effect: x.Effect})
		}
	}
}

// decide does with the letters of earlier phases as the scenario says, and returns what is to be published again, by entity.
func (w *world) decide(p int) map[int][]published {
	again := map[int][]published{}
	if p == 0 {
		return again
	}
	orders := map[string]map[string][]string{} // pipeline → verb → letters
	ids := map[string]map[string]string{}
	for i, e := range w.entities {
		k := e.kind.pipeline
		if ids[k] == nil {
			ids[k], orders[k] = map[string]string{}, map[string][]string{}
			for _, l := range w.s.letters(w.rt, k) {
				ids[k][l.Key] = l.ID
			}
		}
		choices, nth := w.sc.Entities[i].Phases[p].Letters, 0
		for _, x := range slices.Clone(e.entries) {
			if x.state != dead {
				continue
			}
			verb := "discard"
			switch c := choices[nth%len(choices)]; c {
			case keep:
				verb = ""
			case replay:
				verb = "replay"
				e.replay(x)
			case reload:
				again[i] = append(again[i], published{key: x.published, body: x.content, version: x.order.version, says: x.says})
				x.state, x.class, x.code = discarded, "", ""
				e.tell("%s is discarded, to be published again", x.key)
			case discard:
				x.state, x.class, x.code = discarded, "", ""
				e.tell("%s is discarded", x.key)
			}
			nth++
			if verb != "" {
				id, ok := ids[k][x.ledgerKey]
				if !ok {
					w.rt.Fatalf("record %s is dead and has no letter", x.ledgerKey)
				}
				orders[k][verb] = append(orders[k][verb], id)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(orders)) {
		// Discards first: what is given up is no newer version for what is replayed.
		w.s.order(w.rt, "discard", orders[k]["discard"])
		w.s.order(w.rt, "replay", orders[k]["replay"])
	}
	return again
}

// reread has a stream read again from the scenario's first message, or from the one that the phase before began with.
func (w *world) reread(p int, k kind) {
	stream := w.streams[k.pipeline]
	if len(stream) == 0 {
		return
	}
	from := stream[0].seq
	if w.sc.Phases[p].Late && p > 0 && w.began[k.pipeline][p-1] > 0 {
		from = w.began[k.pipeline][p-1]
	}
	again := map[string]bool{}
	for _, x := range stream {
		if x.seq >= from {
			w.entities[x.entity].reread(x.published, again)
		}
	}
	w.s.reread(w.rt, k.pipeline, from)
}

// publish sends a pipeline's records of a phase: the entities in turn, what is loaded again first.
func (w *world) publish(p int, k kind, run string, reloaded map[int][]published) {
	var queues [][]sent
	for i, e := range w.entities {
		if e.kind != k {
			continue
		}
		var q []sent
		for _, x := range reloaded[i] {
			q = append(q, sent{i, x})
		}
		for _, ev := range w.sc.Entities[i].Phases[p].Events {
			q = append(q, sent{i, w.authors[i].write(ev)})
		}
		queues = append(queues, q)
	}
	var all []sent
	for n := 0; len(queues) > 0; n++ {
		queues = slices.DeleteFunc(queues, func(q []sent) bool { return len(q) <= n })
		for _, q := range queues {
			all = append(all, q[n])
		}
	}
	ph := w.sc.Phases[p]
	for n, frame := range slices.Collect(slices.Chunk(all, ph.Frame)) {
		batch := &recordv1.RecordBatch{}
		for _, x := range frame {
			batch.Records = append(batch.Records, &recordv1.Record{Body: []byte(x.body), Key: x.key})
		}
		body, err := proto.Marshal(batch)
		fatal(w.rt, err)
		seq, err := w.s.publish(k.pipeline, run, body)
		fatal(w.rt, err)
		if n == 0 {
			w.began[k.pipeline][p] = seq
		}
		for i, x := range frame {
			x.run, x.seq, x.idx = run, seq, i
			w.entities[x.entity].read(x.published)
			w.streams[k.pipeline] = append(w.streams[k.pipeline], x)
		}
		if ph.Pauses[n%len(ph.Pauses)] {
			w.await(k)
		}
	}
}

// tally counts what became of the records, for whoever asks what a run has seen.
func (w *world) tally(seen map[string]int) {
	for _, e := range w.entities {
		seen["repeat"] += int(e.repeats)
		for _, n := range e.past {
			seen["opened again"] += int(n)
		}
		for _, x := range e.entries {
			seen[end{x.state, x.class, x.code}.String()]++
		}
	}
	for _, p := range w.sc.Phases {
		seen["read again"] += len(p.Reread)
	}
}
