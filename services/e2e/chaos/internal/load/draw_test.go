package load

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
)

func planOf(seed uint64, records int) history.Plan {
	return history.Plan{Version: 1, Seed: seed, Records: records, FaultsFor: 9000}
}

func TestDraw(t *testing.T) {
	t.Run("the same seed is the same load, another seed another", func(t *testing.T) {
		a, b := Draw(planOf(7, 2000)), Draw(planOf(7, 2000))
		if !reflect.DeepEqual(a, b) {
			t.Error("two loads of one seed differ")
		}
		if reflect.DeepEqual(a, Draw(planOf(8, 2000))) {
			t.Error("another seed is the same load")
		}
	})
	t.Run("what the issue wants of a load is in every one of 2,000 records", func(t *testing.T) {
		for seed := range uint64(30) {
			checkVariety(t, Draw(planOf(seed, 2000)))
		}
	})
	t.Run("a load keeps its promises whatever the seed and size", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			p := planOf(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(200, 3000).Draw(rt, "records"))
			checkPromises(rt, p, Draw(p))
		})
	})
}

// checkVariety looks for everything that a run is to be about.
func checkVariety(t *testing.T, l *Load) {
	t.Helper()
	fates, seen, ids := map[string]int{}, map[string]int{}, map[string]string{}
	for name, messages := range l.Messages {
		seen[name] = 0
		for _, m := range messages {
			seen["type "+m.Type]++
			seen["encoding "+m.Encoding]++
			if other, ok := ids[m.MsgID]; ok && other != name {
				seen["one id in two pipelines"]++
			}
			ids[m.MsgID] = name
			for _, e := range m.Entries {
				if e.Again {
					seen["repeats"]++
					continue
				}
				seen[name]++
				fates[e.Fate]++
				if e.N > 1 {
					seen["later versions"]++
				}
				for _, v := range e.Says {
					if v == nil {
						seen["cleared fields"]++
					}
				}
			}
		}
	}
	for _, want := range []string{
		"type ", "type " + typeJSON, "type " + typeNDJSON, "encoding " + gzipped, "encoding " + zstded, "one id in two pipelines", "repeats",
		"later versions", "cleared fields", parts, dated, prices, labels, orders, visits, phones, levels, removals, children,
	} {
		if seen[want] == 0 {
			t.Errorf("a load has no %s", want)
		}
	}
	classes := map[string]int{}
	for f, n := range fates {
		class, _, _ := strings.Cut(f, "/")
		classes[class] += n
	}
	for _, want := range []string{"", "data", "duplicate", "reference", "heals"} {
		if classes[want] == 0 {
			t.Errorf("a load has nothing of class %q: %v", want, fates)
		}
	}
	if classes[""] < 1500 {
		t.Errorf("only %d of 2,000 records can land", classes[""])
	}
	if len(fates) < 12 {
		t.Errorf("a load has only these fates: %v", fates)
	}
}

// checkPromises holds a load against the package's contract.
func checkPromises(t rapid.TB, p history.Plan, l *Load) {
	t.Helper()
	if got := l.Records(); got != p.Records {
		t.Errorf("%d records, want %d", got, p.Records)
	}
	pipelines := map[string]history.Pipeline{}
	for _, pl := range Pipelines() {
		pipelines[pl.Name] = pl
	}
	for name, messages := range l.Messages {
		pl := pipelines[name]
		at, next := 0.0, 0
		keys, stamps, number, refused := map[string]*Item{}, map[string]bool{}, map[*Item]int{}, map[string]bool{}
		bodies := map[string]string{} // by message id
		newest := map[string]*Item{}
		for _, m := range messages {
			if m.At < at || m.At > p.FaultsFor {
				t.Errorf("%s is published at %.0f, after one at %.0f", m.Name, m.At, at)
			}
			at = m.At
			body := ""
			inFrame := map[string]bool{}
			for _, e := range m.Entries {
				body += e.Body + "\n"
				n, known := number[e.Item]
				if known != e.Again || known && n != e.Record || !known && e.Record != next {
					t.Errorf("%s: record %d is numbered wrongly (again: %v, known: %v)", m.Name, e.Record, e.Again, known)
				}
				if !known {
					number[e.Item] = e.Record
					next++
				}
				if e.Key == "" && !pl.Exact {
					t.Errorf("%s: a record without a key in a pipeline that is not exact: %+v", m.Name, e.Item)
				}
				if e.Key == "" && e.Entity != "" && e.Fate == "" {
					if e.Again && newest[e.Entity] != e.Item {
						t.Errorf("%s: what is said again is not the newest of %s", m.Name, e.Entity)
					}
					if inFrame[e.Entity] {
						t.Errorf("%s: two records of %s whose keys are their content in one frame", m.Name, e.Entity)
					}
					inFrame[e.Entity], newest[e.Entity] = true, e.Item
				}
				if of, ok := keys[e.Key]; e.Key != "" && ok && of != e.Item {
					t.Errorf("%s: key %s stands for two records", m.Name, e.Key)
				}
				keys[e.Key] = e.Item
				if pl.Stamp != "" && e.Fate == "" && !e.Again {
					s := e.Says[pl.Stamp]
					if s == nil || stamps[*s] {
						t.Errorf("%s: stamp of record %d is missing or used twice", m.Name, e.Record)
					} else {
						stamps[*s] = true
					}
				}
				if strings.HasPrefix(e.Fate, "data/") && e.Says != nil && e.Entity != "" {
					refused[e.Entity] = true
				} else if refused[e.Entity] {
					t.Errorf("%s: %s, which the org refuses, has another record", m.Name, e.Entity)
				}
			}
			if was, ok := bodies[m.MsgID]; ok && !strings.HasPrefix(body, was) && !strings.HasPrefix(was, body) {
				t.Errorf("%s: id %s names two different messages", m.Name, m.MsgID)
			}
			bodies[m.MsgID] = body
		}
	}
}

func TestBodies(t *testing.T) {
	t.Run("what can land is JSON that says what the log says", func(t *testing.T) {
		members := map[string]map[string]string{} // pipeline → field → member
		for _, p := range all() {
			members[p.Name] = map[string]string{p.Field: p.member}
			for _, c := range append(p.columns, addedColumn) {
				members[p.Name][c.field] = c.member
			}
		}
		for name, messages := range Draw(planOf(3, 2000)).Messages {
			for _, m := range messages {
				for _, e := range m.Entries {
					if e.Fate != "" && !strings.HasPrefix(e.Fate, "heals/") {
						continue
					}
					var body map[string]any
					if err := json.Unmarshal([]byte(strings.ReplaceAll(e.Body, idMark, "")), &body); err != nil {
						t.Fatalf("%s: %v: %s", m.Name, err, e.Body)
					}
					for field, value := range e.Says {
						got, there := body[members[name][field]]
						if !there || value == nil && got != nil || value != nil && got != *value {
							t.Errorf("%s: %s is %v in %s", m.Name, field, got, e.Body)
						}
					}
				}
			}
		}
	})
}
