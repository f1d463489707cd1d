package report

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// kept writes what a run leaves behind.
func kept(t *testing.T, p history.Plan, note history.Run, v *history.Verdict, points *history.Points) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), fmt.Sprintf("seed-%d", p.Seed))
	write := func(name string, value any) {
		if err := history.WriteJSON(filepath.Join(dir, name), value); err != nil {
			t.Fatal(err)
		}
	}
	write(history.PlanFile, p)
	write(history.RunFile, note)
	if v != nil {
		write(history.VerdictFile, v)
	}
	if points != nil {
		write(history.PointsFile, points)
	}
	return dir
}

func sum(t *testing.T, demands *Demands, points []string, dirs ...string) *Report {
	t.Helper()
	r := New("chaos run", points, demands)
	for _, d := range dirs {
		if err := r.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	r.Done()
	return r
}

func passing(t *testing.T, seed uint64) string {
	return kept(t,
		history.Plan{Seed: seed, Records: 2_100, Faults: []history.Fault{{Kind: history.Kill}, {Kind: history.Org, OrgKind: "status"}}},
		history.Run{Seed: seed, Seconds: 14.5, Commit: "abc", Machine: "2 cores", Started: "2026-01-02T03:04:05Z"},
		&history.Verdict{
			Seed: seed, OK: true, Checked: map[string]int{"records": 2_100}, Faults: map[string]int{"kill": 1, "org": 1, "org:status": 1},
			Recoveries: []history.Recovery{{Kind: history.Kill, Seconds: float64(seed)}, {Kind: history.NATSRestart, Seconds: 99}},
		},
		&history.Points{Reached: map[string]int{"ops.a.b": 4}, Killed: map[string]int{"ops.a.b": 1}, Held: map[string]int{"ops.a.b": 1}})
}

func TestRunsAreSummedUp(t *testing.T) {
	t.Run("what passed, what was injected, and how long recoveries took", func(t *testing.T) {
		r := sum(t, nil, []string{"ops.a.b"}, passing(t, 1), passing(t, 2))
		if r.Runs != 2 || r.Passed != 2 || !r.OK() || r.Records != 4_200 || r.Injected != 4 || r.Checked["records"] != 4_200 {
			t.Errorf("%+v", r)
		}
		if x := r.Times[0]; x.Group != Service || x.Count != 2 || x.P50 != 1 || x.P99 != 2 || x.Max != 2 {
			t.Errorf("recoveries %+v: a restart asked for is no kill", r.Times)
		}
		if p := r.Points[0]; p != (PointCount{Name: "ops.a.b", Reached: 2, Killed: 2, Held: 2}) {
			t.Errorf("points %+v", r.Points)
		}
	})
	t.Run("a run with findings fails it, and says how to repeat", func(t *testing.T) {
		bad := kept(t, history.Plan{Seed: 9, Planted: "upload_twice"}, history.Run{}, &history.Verdict{
			Seed: 9, Findings: []history.Finding{{Invariant: "I5", Name: "lost", Pipeline: "things", Key: "k\x1b[31m1", Text: "acknowledged and nowhere"}},
		}, nil)
		r := sum(t, nil, nil, passing(t, 1), bad)
		if r.OK() || r.Failed != 1 || r.Names["lost"] != 1 {
			t.Errorf("%+v", r)
		}
		for _, want := range []string{"1 of 2 runs failed", "make chaos SEED=9", "I5 lost (pipeline things, key k [31m1): acknowledged and nowhere"} {
			if !strings.Contains(r.Page(), want) {
				t.Errorf("the page does not say %q:\n%s", want, r.Page())
			}
		}
		if text := Failure(history.Plan{Seed: 9, Planted: "upload_twice"}, "runs/seed-9", history.Verdict{}); !strings.Contains(text, "make chaos SEED=9 PLANTED=upload_twice") {
			t.Error(text)
		}
	})
	t.Run("runs on a cluster have its faults and bounds, and say on what they are made again", func(t *testing.T) {
		dir := kept(t, history.Plan{Seed: 9, Nodes: 3}, history.Run{}, &history.Verdict{
			Seed: 9, Faults: map[string]int{"node_empty": 1}, Findings: []history.Finding{{Invariant: "I5", Name: "lost", Text: "acknowledged and nowhere"}},
			Recoveries: []history.Recovery{{Kind: history.LeaderKill, Seconds: 6}, {Kind: history.NATSKill, Seconds: 9}},
		}, nil)
		r := sum(t, nil, nil, dir)
		for _, want := range []string{"make chaos SEED=9 NATS=3", "| `node_empty` | 0 | 1 |", "| `two_down` | 0 | 0 |", "| a node of NATS | 1 | 6.0 |", "| all nodes of NATS | 1 | 9.0 |"} {
			if !strings.Contains(r.Page(), want) {
				t.Errorf("the page does not say %q:\n%s", want, r.Page())
			}
		}
		if page := sum(t, nil, nil, passing(t, 1)).Page(); strings.Contains(page, "node") {
			t.Errorf("a page about one server speaks of nodes:\n%s", page)
		}
	})
	t.Run("a run that told nothing is no run that passed", func(t *testing.T) {
		r := sum(t, nil, nil, kept(t, history.Plan{Seed: 3}, history.Run{Harness: "no port"}, nil, nil))
		if r.OK() || r.Harness != 1 || r.Passed != 0 || !strings.Contains(r.Page(), "told nothing: no port") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("what was demanded and not tried fails it", func(t *testing.T) {
		r := sum(t, &Demands{Points: []string{"ops.a.b", "ops.c.d"}, OrgKinds: []string{"status", "quota"}, Times: 1}, nil, passing(t, 1))
		gaps := strings.Join(r.Gaps, "\n")
		for _, want := range []string{"fault nats_kill was injected 0 times, not 1", "the org's fault quota struck in 0 runs, not 1", "crash point ops.c.d was never reached"} {
			if !strings.Contains(gaps, want) {
				t.Errorf("not said: %s", want)
			}
		}
		if r.OK() || strings.Contains(gaps, "ops.a.b") || strings.Contains(gaps, "fault kill ") || strings.Contains(gaps, "fault status") {
			t.Errorf("gaps:\n%s", gaps)
		}
	})
	t.Run("runs that were too few, too small, too slow or too calm fail it", func(t *testing.T) {
		r := sum(t, &Demands{Runs: 3, Records: 2_200, Faults: 3, Seconds: 14, Recoveries: 100}, nil, passing(t, 1), passing(t, 2))
		gaps := strings.Join(r.Gaps, "\n")
		for _, want := range []string{
			"2 runs have a verdict, not 3", "2 runs published less than 2200 records, the least seed 1: 2100", "2 runs were struck by less than 3 faults, the least seed 1: by 2",
			"2 runs took longer than 14 s, the longest seed 1: 14.5 s", "the recovery of one service was measured 2 times, not 100",
		} {
			if !strings.Contains(gaps, want) {
				t.Errorf("not said: %s; but\n%s", want, gaps)
			}
		}
		if r.OK() {
			t.Error("it is called good")
		}
		if r := sum(t, &Demands{Runs: 2, Records: 2_100, Faults: 2, Seconds: 15}, nil, passing(t, 1), passing(t, 2)); !r.OK() {
			t.Errorf("gaps: %v", r.Gaps)
		}
	})
	t.Run("runs that mostly told nothing at first fail it", func(t *testing.T) {
		r := New("chaos run", nil, &Demands{})
		r.Retried = 1
		if err := r.Add(passing(t, 1)); err != nil {
			t.Fatal(err)
		}
		if r.Done(); r.OK() || !strings.Contains(strings.Join(r.Gaps, ""), "1 of 1 runs told nothing at first") {
			t.Errorf("gaps: %v", r.Gaps)
		}
	})
	t.Run("no run at all is nothing that passed", func(t *testing.T) {
		if sum(t, nil, nil).OK() {
			t.Error("it is called good")
		}
	})
	t.Run("a recovery in a hundred may be late, two may not", func(t *testing.T) {
		seconds := make([]float64, 100)
		seconds[0] = 60
		if x := timesOf(bound{Service, 10}, seconds); x.Late() || x.Max != 60 {
			t.Errorf("%+v", x)
		}
		seconds[0] = 60
		if x := timesOf(bound{Service, 10}, append(seconds, 60)); !x.Late() {
			t.Errorf("%+v", x)
		}
	})
	t.Run("programs can read it", func(t *testing.T) {
		text, err := sum(t, nil, nil, passing(t, 1)).JSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(text, &back); err != nil || back.Passed != 1 || back.Names["lost"] != 0 || len(back.Times) != 4 {
			t.Errorf("%v: %s", err, text)
		}
	})
	t.Run("a directory that holds no run is an error", func(t *testing.T) {
		if err := New("", nil, nil).Add(t.TempDir()); err == nil {
			t.Error("no error")
		}
	})
}

func TestARunIsALine(t *testing.T) {
	got := RunLine(history.Plan{Seed: 17, Records: 2_140}, history.Run{Seconds: 14.2}, history.Verdict{OK: true, Faults: map[string]int{"kill": 3, "cut": 2, "org": 2, "org:status": 1, "org:quota": 1}})
	for _, want := range []string{"seed 17 ok 14.2 s", "2,140 records 7 faults (kill×3 cut×2 org×2) 0 findings"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Contains(got, "\n") {
		t.Errorf("more than a line: %q", got)
	}
}
