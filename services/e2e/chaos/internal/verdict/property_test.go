package verdict

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
)

// drawn is a record that a drawn history still has to bring to its end.
type drawn struct {
	pipeline, key, entity string
	n                     int
	says                  map[string]*string
}

// draw makes a history in which everything is as it must be: patches of a few entities in several chunks, each row of which lands, is refused for
// good, meets locks and comes back reduced to what nothing newer says, or lands unseen and is sent again; and inserts of both sorts beside them.
func draw(t *rapid.T) *history.All {
	m := newMaker()
	waiting := []drawn{}
	newest := map[string]int{}
	last := map[string]map[string]int{} // by entity and field, the newest record that names it
	byKey := map[string]drawn{}
	for chunk := range rapid.IntRange(2, 6).Draw(t, "chunks") {
		var batch []drawn
		for range rapid.IntRange(1, 6).Draw(t, "records") {
			entity := fmt.Sprintf("p%d", rapid.IntRange(0, 3).Draw(t, "entity"))
			if slices.ContainsFunc(batch, func(d drawn) bool { return d.entity == entity }) {
				continue
			}
			newest[entity]++
			d := drawn{pipeline: "parts", key: fmt.Sprintf("parts-%d-%s", chunk, entity), entity: entity, n: newest[entity], says: map[string]*string{}}
			for _, f := range []string{"A__c", "B__c"} {
				if rapid.IntRange(0, 2).Draw(t, f) > 0 {
					v := fmt.Sprintf("%s.%d.%s", entity, d.n, f)
					d.says[f] = &v
				}
			}
			m.publish(d.pipeline, d.key, d.entity, d.n, d.says, "")
			if rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
				m.again(history.OK, true)
			}
			if last[entity] == nil {
				last[entity] = map[string]int{}
			}
			for f := range d.says {
				last[entity][f] = d.n
			}
			batch, byKey[d.key] = append(batch, d), d
		}
		waiting = send(t, m, append(waiting, batch...), last, byKey, false)
	}
	for len(waiting) > 0 {
		waiting = send(t, m, waiting, last, byKey, true)
	}
	inserts(t, m)
	return m.made()
}

// send has a job carry what is waiting and gives what must come back.
func send(t *rapid.T, m *maker, batch []drawn, last map[string]map[string]int, byKey map[string]drawn, land bool) (again []drawn) {
	var rows []sent
	var carried []drawn
	inJob := map[string]bool{}
	for _, d := range batch {
		if inJob[d.entity] {
			again = append(again, d)
			continue
		}
		c := cells("Ext__c", d.entity)
		for f, v := range d.says {
			if last[d.entity][f] == d.n { // else a newer record says it
				c[f] = *v
			}
		}
		if len(c) == 1 {
			m.rests(d.pipeline, d.key, d.entity, stateSuperseded, newestOf(byKey, d, last[d.entity]))
			continue
		}
		inJob[d.entity] = true
		r := sent{cells: c, outcome: updated}
		if m.rows["Part__c/"+d.entity] == "" {
			r.outcome = created
		}
		switch n := rapid.IntRange(0, 5).Draw(t, "outcome"); {
		case land:
		case n == 0:
			r.outcome, r.err = failed, "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--"
		case n == 1:
			r.outcome = "unprocessed"
		case n == 2:
			r.hidden = "lost"
		}
		rows, carried = append(rows, r), append(carried, d)
	}
	if len(rows) == 0 {
		return again
	}
	job := m.job("parts", rows...)
	for i, d := range carried {
		if r := rows[i]; r.err == "" && r.outcome != "unprocessed" && r.hidden == "" {
			m.landed(d.pipeline, d.key, d.entity, job, 0)
			continue
		}
		again = append(again, d)
	}
	return again
}

// newestOf is the key of the newest record that names one of a record's fields.
func newestOf(byKey map[string]drawn, of drawn, last map[string]int) string {
	newest := of
	for _, d := range byKey {
		for f := range of.says {
			if d.entity == of.entity && d.n == last[f] && d.n > newest.n {
				newest = d
			}
		}
	}
	return newest.key
}

func inserts(t *rapid.T, m *maker) {
	var orders, visits []sent
	n := rapid.IntRange(1, 4).Draw(t, "inserts")
	for i := range n {
		key := fmt.Sprintf("orders-%d", i)
		m.publish("orders", key, key, 1, says("Name__c", "order "+key), "")
		orders = append(orders, sent{cells: cells("Request__c", key, "Name__c", "order "+key), outcome: created})
		place := fmt.Sprintf("place %d", rapid.IntRange(0, 1).Draw(t, "place"))
		m.publish("visits", fmt.Sprintf("visits-%d", i), "", 1, says("Place__c", place), "")
		visits = append(visits, sent{cells: cells("Place__c", place), outcome: created})
	}
	o, v := m.job("orders", orders...), m.job("visits", visits...)
	made := m.all.Rows[len(m.all.Rows)-n:]
	for i := range n {
		m.landed("orders", fmt.Sprintf("orders-%d", i), fmt.Sprintf("orders-%d", i), o, 0)
		m.landedAs("visits", fmt.Sprintf("visits-%d", i), made[i].ID, v, 0)
	}
	m.publish("orders", "orders-bad", "orders-bad", 1, nil, "data/UNKNOWN_MEMBER")
	m.dies("orders", "orders-bad", "orders-bad", "data", "UNKNOWN_MEMBER", stageExtract, 0)
}

func TestAnyRun(t *testing.T) {
	t.Run("in which everything is as it must be passes, in whatever order its files are written", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			run := draw(rt)
			mustPass(rt, run)
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1)) //nolint:gosec // to be drawn again
			shuffle(r, run.Records)
			shuffle(r, run.Rows)
			shuffle(r, run.Jobs)
			shuffle(r, run.Landed)
			shuffle(r, run.Letters)
			shuffle(r, run.Final.Open)
			shuffle(r, run.Final.Left)
			shuffle(r, run.Final.Records)
			mustPass(rt, run)
		})
	})
	for does, spoil := range spoilers() {
		t.Run("fails when "+does, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				run := draw(rt)
				if !spoil(rt, run) {
					return // there was nothing to spoil
				}
				if v, err := Of(run); err != nil || v.OK {
					rt.Fatalf("nothing was noticed (%v)", err)
				}
			})
		})
	}
}

func mustPass(t *rapid.T, run *history.All) {
	t.Helper()
	v, err := Of(run)
	if err != nil || !v.OK {
		t.Fatalf("%v, it says:\n%s", err, told(v))
	}
}

func shuffle[T any](r *rand.Rand, values []T) {
	r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
}

// one draws an element of which a question is true; nil when there is none.
func one[T any](t *rapid.T, values []T, is func(T) bool) *T {
	var fit []int
	for i, v := range values {
		if is(v) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return &values[rapid.SampledFrom(fit).Draw(t, "which")]
}

func any1[T any](T) bool { return true }

// spoilers are ways to spoil a correct history; each says whether it did.
func spoilers() map[string]func(*rapid.T, *history.All) bool {
	return map[string]func(*rapid.T, *history.All) bool{
		"a row of the org is missing": func(t *rapid.T, a *history.All) bool {
			gone := one(t, a.Records, any1[history.OrgRecord]).ID
			a.Records = slices.DeleteFunc(a.Records, func(o history.OrgRecord) bool { return o.ID == gone })
			return slices.ContainsFunc(a.Landed, func(l history.Landed) bool { return l.ID == gone })
		},
		"a row of the org is there twice": func(t *rapid.T, a *history.All) bool {
			twin := *one(t, a.Records, any1[history.OrgRecord])
			twin.ID = "a01000000999999AAA"
			a.Records = append(a.Records, twin)
			return true
		},
		"a value of a row is another": func(t *rapid.T, a *history.All) bool {
			o := one(t, a.Records, any1[history.OrgRecord])
			v := &o.Versions[len(o.Versions)-1]
			v.Fields = maps.Clone(v.Fields)
			for _, f := range []string{"A__c", "B__c", "Place__c", "Name__c"} {
				if v.Fields[f] != "" {
					v.Fields[f] = "another"
					return true
				}
			}
			return false
		},
		"a row goes back to what it was": func(t *rapid.T, a *history.All) bool {
			o := one(t, a.Records, func(o history.OrgRecord) bool {
				n := len(o.Versions)
				return n > 1 && o.Versions[n-1].Fields["A__c"] != o.Versions[n-2].Fields["A__c"] && o.Versions[n-2].Fields["A__c"] != ""
			})
			if o == nil {
				return false
			}
			back := o.Versions[len(o.Versions)-2]
			o.Versions = append(o.Versions, back)
			return true
		},
		"a line of what landed is missing": func(t *rapid.T, a *history.All) bool {
			gone := *one(t, a.Landed, any1[history.Landed])
			a.Landed = slices.DeleteFunc(a.Landed, func(l history.Landed) bool { return l == gone })
			return true
		},
		"a line of what landed is there twice": func(t *rapid.T, a *history.All) bool {
			a.Landed = append(a.Landed, *one(t, a.Landed, any1[history.Landed]))
			return true
		},
		"a superseded record is missing": func(t *rapid.T, a *history.All) bool {
			gone := one(t, a.Final.Records, func(r history.FinalRecord) bool { return r.State == stateSuperseded })
			if gone == nil {
				return false
			}
			key := gone.Key
			a.Final.Records = slices.DeleteFunc(a.Final.Records, func(r history.FinalRecord) bool { return r.Key == key })
			return true
		},
		"a letter is missing in the stream": func(_ *rapid.T, a *history.All) bool {
			a.Final.Left = nil
			return true
		},
		"an open letter is missing in the API": func(_ *rapid.T, a *history.All) bool {
			a.Final.Open = nil
			return true
		},
		"a row that landed had failed": func(t *rapid.T, a *history.All) bool {
			landed := *one(t, a.Landed, func(l history.Landed) bool { return l.Pipeline == "parts" || l.Pipeline == "orders" })
			for i := range a.Rows {
				if r := &a.Rows[i]; r.ID == landed.ID {
					r.Outcome, r.ID = failed, ""
				}
			}
			return true
		},
		"an uploaded row is sent once more": func(t *rapid.T, a *history.All) bool {
			r := one(t, a.Rows, func(r history.OrgRow) bool {
				return (r.Outcome == created || r.Outcome == updated) && r.Hidden == "" && (r.Cells["Stamp__c"] != "" || r.Cells["Request__c"] != "")
			})
			if r == nil {
				return false
			}
			again, was := *r, *at(a.Jobs, func(j history.OrgJob) bool { return j.ID == r.Job })
			was.ID, was.Closed, was.Ended = "750999", 100_000, 100_010
			again.Job, again.N, again.Outcome = was.ID, 0, updated
			a.Jobs, a.Rows = append(a.Jobs, was), append(a.Rows, again)
			return true
		},
		"a publication was acknowledged and nobody has it": func(_ *rapid.T, a *history.All) bool {
			p := a.Published[0]
			p.Key, p.Record, p.Seq = "parts-gone", 9999, 9999
			a.Published = append(a.Published, p)
			return true
		},
	}
}
