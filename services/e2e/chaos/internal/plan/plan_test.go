package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/e2e/chaos/internal/history"
)

// ninety crash points, as many as there are about.
func ninety() []Point {
	var out []Point
	for i := range 90 {
		s := Services()[i%len(Services())]
		out = append(out, Point{Name: fmt.Sprintf("%s.step_%d.before_commit", s, i), Service: s})
	}
	return out
}

func TestASeedIsItsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		a := Draw(seed, ninety())
		back := ninety()
		slices.Reverse(back)
		if b := Draw(seed, back); !reflect.DeepEqual(a, b) {
			t.Fatal("the same seed gives another plan when the points are listed in another order")
		}
		if a.Records < minRecords || len(a.Faults) < 10 || len(a.Faults) > 30 {
			t.Fatalf("%d records and %d faults", a.Records, len(a.Faults))
		}
		last := 0.0
		for i, f := range a.Faults {
			if f.At < last || f.At < 0 || f.At > a.FaultsFor || f.ID == "" || f.Target == "" {
				t.Fatalf("fault %d: %+v", i, f)
			}
			last = f.At
			if lasting[f.Kind] && f.At+f.For > a.FaultsFor+lateEnd {
				t.Fatalf("fault %d outlasts the others: %+v", i, f)
			}
			if !slices.Contains(history.FaultKinds(), f.Kind) {
				t.Fatalf("kind %q", f.Kind)
			}
			if (f.Kind == history.Org) != (f.Script != nil && f.OrgKind != "") || f.Stream == "RECORDS" {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func TestStopsStandApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := -apart * 2.0
		for _, f := range Draw(rapid.Uint64().Draw(t, "seed"), nil).Faults {
			switch f.Kind {
			case history.KillAll, history.NATSKill, history.NATSRestart, history.PGKill, history.PGRestart:
				if f.At-last < apart {
					t.Fatalf("%s at %.0f ms, %.0f ms behind another", f.Kind, f.At, f.At-last)
				}
				last = f.At
			}
		}
	})
}

func TestTwoHundredSeedsTryEverything(t *testing.T) {
	for _, first := range []uint64{1, 1_000_003} {
		kinds, org, points, kills, edges := map[history.FaultKind]int{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
		for seed := first; seed < first+200; seed++ {
			for _, f := range Draw(seed, ninety()).Faults {
				kinds[f.Kind]++
				if f.OrgKind != "" {
					org[f.OrgKind]++
				}
				if f.Point != "" {
					points[f.Point]++
				}
				if f.Kind == history.Kill || f.Kind == history.KillLong {
					service, _, _ := strings.Cut(f.Target, "-")
					kills[service]++
				}
				if strings.Contains(f.Target, ">") {
					edges[f.Target]++
				}
			}
		}
		for _, k := range history.FaultKinds() {
			if kinds[k] < 20 {
				t.Errorf("from seed %d on: %s is injected %d times", first, k, kinds[k])
			}
		}
		for _, k := range []history.FaultKind{history.KillAll, history.NATSKill, history.PGKill} {
			if kinds[k] < 150 {
				t.Errorf("from seed %d on: %s is injected %d times, too seldom for a hundred recoveries", first, k, kinds[k])
			}
		}
		for _, s := range Services() {
			if kills[s] < 100 {
				t.Errorf("from seed %d on: %s is killed %d times", first, s, kills[s])
			}
		}
		for _, k := range OrgKinds() {
			if org[k] < 15 {
				t.Errorf("from seed %d on: the org's %s is injected %d times", first, k, org[k])
			}
		}
		for _, p := range ninety() {
			if points[p.Name] < 4 {
				t.Errorf("from seed %d on: %s is tried %d times", first, p.Name, points[p.Name])
			}
		}
		if len(edges) != 2+2*Instances*len(Services()) {
			t.Errorf("from seed %d on: %d edges are cut, delayed or half open", first, len(edges))
		}
	}
}

func TestScriptsAreThoseOfTheSimulatorsGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../../../docs/guides/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(guide), "| kind | what happens |")
	if !ok {
		t.Fatal("docs/guides/simulator.md has no table of kinds")
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			want = append(want, m[1])
		}
	}
	got := OrgKinds()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the guide names %v, plans inject %v", want, got)
	}
	for _, s := range scripts() {
		for seed := range uint64(50) {
			var rules []map[string]any
			if err := json.Unmarshal(s.write(newChance(seed, 1)), &rules); err != nil || len(rules) == 0 {
				t.Fatalf("%s: %d rules, %v", s.kind, len(rules), err)
			}
			for _, r := range rules {
				m, _ := r["match"].(map[string]any)
				if r["times"] == nil && (m == nil || m["for"] == nil) {
					t.Errorf("%s: a rule has no end: %v", s.kind, r)
				}
			}
		}
	}
}

func TestTheListOfPointsIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Point
		err  string
	}{
		"a name and a service, and what it needs": {
			text: "# points\n\nops.a.before_b   ops\npoller.a.after_b poller needs=gone,pause\n",
			want: []Point{{"ops.a.before_b", "ops", nil}, {"poller.a.after_b", "poller", []string{"gone", "pause"}}},
		},
		"a service that is none":         {text: "a.b web", err: `line 1: "a.b web" names none of`},
		"a line with a word too many":    {text: "\na.b ops c", err: "line 2"},
		"a name that stands there twice": {text: "a.b ops\na.b ops", err: "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePoints(c.text)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWhatPointsNeedIsPlanned(t *testing.T) {
	text, err := os.ReadFile("../../points.txt")
	if err != nil {
		t.Fatal(err)
	}
	declared, err := ParsePoints(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range declared {
		for _, need := range p.Needs {
			d := &drawing{chance: newChance(1, 0), plan: history.Plan{FaultsFor: faultsFor}}
			point := history.Fault{At: 1_000, Kind: history.KillPoint, Target: p.Service + "-1", Point: p.Name}
			d.provide(need, point)
			if known := need == madeAgain || need == restored; (len(d.plan.Faults) == 0) != known {
				t.Errorf("%s needs %s, for which %d faults are planned; said to be out of reach: %v", p.Name, need, len(d.plan.Faults), known)
			}
			for _, f := range d.plan.Faults {
				if f.At < point.At || f.At > faultsFor || f.Kind == history.Org && f.OrgKind == "" {
					t.Errorf("%s: what it needs is planned for %.0f ms", p.Name, f.At)
				}
			}
		}
	}
}
