package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Report sums up runs.
type Report struct {
	Command string `json:"command"` // that made it, to be typed again
	Commit  string `json:"commit"`
	Machine string `json:"machine"`
	Started string `json:"started"`

	Runs    int `json:"runs"`
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Harness int `json:"harness"` // runs that judged nothing because the instrument itself failed
	Retried int `json:"retried"` // runs that were made again for that reason, and then told something

	Records  int     `json:"records"` // published, repeats not counted
	Seconds  float64 `json:"seconds"` // of all runs
	MaxRun   float64 `json:"max_run_seconds"`
	Injected int     `json:"injected"`

	// Planned and Faults are counts by kind: what seeds asked for, and what really happened. The org's kinds are "org:<kind>".
	Planned map[string]int `json:"planned"`
	Faults  map[string]int `json:"faults"`
	Checked map[string]int `json:"checked"`
	// Names counts findings by their word; those that are promised not to be found are there with 0.
	Names  map[string]int `json:"names"`
	Points []PointCount   `json:"points"`
	Times  []Times        `json:"recoveries"`
	Bad    []Bad          `json:"bad,omitempty"`
	Gaps   []string       `json:"gaps,omitempty"` // what was demanded of the runs and is not so; empty unless asked for

	demands *Demands
	ran     []single
	seconds map[Group][]float64
	reached map[string]*PointCount
}

// PointCount says how often, in how many runs, a crash point was passed, killed at and held at.
type PointCount struct {
	Name    string `json:"name"`
	Reached int    `json:"reached"`
	Killed  int    `json:"killed"`
	Held    int    `json:"held"`
}

// Bad is a run that did not pass.
type Bad struct {
	Seed     uint64            `json:"seed"`
	Again    string            `json:"again"` // the command that makes it once more
	Dir      string            `json:"dir"`
	Harness  string            `json:"harness,omitempty"`
	Findings []history.Finding `json:"findings,omitempty"`
}

// promised are the words of findings of which there must be none, in the order of the page.
func promised() []string {
	return []string{
		"lost", "doubled", "stale", "field_lost", "stuck", "unbalanced", "orphaned", "false_success", "false_failure", "resent", "unbounded",
		"backwards", "foreign", "leaked",
	}
}

// New makes a report of no runs. With demands, [Report.Done] also says what was never tried.
func New(command string, points []string, demands *Demands) *Report {
	r := &Report{
		Command: command, Planned: map[string]int{}, Faults: map[string]int{}, Checked: map[string]int{}, Names: map[string]int{},
		demands: demands, seconds: map[Group][]float64{}, reached: map[string]*PointCount{},
	}
	for _, n := range promised() {
		r.Names[n] = 0
	}
	for _, p := range points {
		r.point(p)
	}
	return r
}

func (r *Report) point(name string) *PointCount {
	if r.reached[name] == nil {
		r.reached[name] = &PointCount{Name: name}
	}
	return r.reached[name]
}

// Add reads the directory of one run.
func (r *Report) Add(dir string) error {
	plan, err := history.ReadJSON[history.Plan](filepath.Join(dir, history.PlanFile))
	if err != nil {
		return err
	}
	run, err := history.ReadJSON[history.Run](filepath.Join(dir, history.RunFile))
	if err != nil {
		return err
	}
	r.Runs++
	r.Seconds += run.Seconds
	r.MaxRun = max(r.MaxRun, run.Seconds)
	r.Commit, r.Machine = run.Commit, run.Machine
	if r.Started == "" || run.Started < r.Started {
		r.Started = run.Started
	}
	if run.Harness != "" {
		r.Harness++
		r.Bad = append(r.Bad, Bad{Seed: plan.Seed, Again: Again(plan, dir), Dir: dir, Harness: run.Harness})
		return nil
	}
	verdict, err := history.ReadJSON[history.Verdict](filepath.Join(dir, history.VerdictFile))
	if errors.Is(err, fs.ErrNotExist) {
		r.Harness++
		r.Bad = append(r.Bad, Bad{Seed: plan.Seed, Again: Again(plan, dir), Dir: dir, Harness: "it has no verdict: it did not come to its end, or goes on"})
		return nil
	}
	if err != nil {
		return err
	}
	points, err := history.ReadJSON[history.Points](filepath.Join(dir, history.PointsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.Records += verdict.Checked["records"]
	r.ran = append(r.ran, single{plan: plan, run: run, verdict: verdict})
	r.count(plan, verdict)
	r.pass(points)
	if verdict.OK {
		r.Passed++
		return nil
	}
	r.Failed++
	r.Bad = append(r.Bad, Bad{Seed: plan.Seed, Again: Again(plan, dir), Dir: dir, Findings: verdict.Findings})
	return nil
}

func (r *Report) count(plan history.Plan, verdict history.Verdict) {
	for _, f := range plan.Faults {
		r.Planned[kindOf(f)]++
	}
	for k, n := range verdict.Faults {
		if k == string(history.Org) {
			continue // the sum of the org's kinds, which are there one by one
		}
		r.Faults[k] += n
		r.Injected += n
	}
	for k, n := range verdict.Checked {
		r.Checked[k] += n
	}
	for _, f := range verdict.Findings {
		r.Names[f.Name]++
	}
	if plan.Sweep {
		return
	}
	for _, x := range verdict.Recoveries {
		if g, ok := groupOf(x.Kind, plan.Clustered()); ok {
			r.seconds[g] = append(r.seconds[g], x.Seconds)
		}
	}
}

func kindOf(f history.Fault) string {
	if f.Kind == history.Org {
		return orgKind(f.OrgKind)
	}
	return string(f.Kind)
}

func orgKind(kind string) string { return string(history.Org) + ":" + kind }

func (r *Report) pass(p history.Points) {
	for name, n := range p.Reached {
		if n > 0 {
			r.point(name).Reached++
		}
	}
	for name, n := range p.Killed {
		r.point(name).Killed += n
	}
	for name, n := range p.Held {
		r.point(name).Held += n
	}
}

// Done closes the sums. It is called once, when every run was added.
func (r *Report) Done() {
	r.Points = r.Points[:0]
	for _, p := range r.reached {
		r.Points = append(r.Points, *p)
	}
	slices.SortFunc(r.Points, func(a, b PointCount) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	r.Times = r.Times[:0]
	for _, b := range bounds(r.clustered()) {
		r.Times = append(r.Times, timesOf(b, r.seconds[b.group]))
	}
	if r.demands != nil {
		r.Gaps = r.gaps()
	}
}

// clustered says whether the runs stood on a cluster of brokers.
func (r *Report) clustered() bool {
	return slices.ContainsFunc(r.ran, func(s single) bool { return s.plan.Clustered() })
}

// kinds are the faults that the runs could have, in the order of the page.
func (r *Report) kinds() []history.FaultKind {
	if r.clustered() {
		return slices.Concat(history.FaultKinds(), history.ClusterKinds())
	}
	return history.FaultKinds()
}

// Late are the groups whose recoveries took longer than their bounds.
func (r *Report) Late() []Times {
	var out []Times
	for _, t := range r.Times {
		if t.Late() {
			out = append(out, t)
		}
	}
	return out
}

// OK says that there were runs, every one passed, recoveries kept to their bounds, and nothing that was demanded was left untried.
func (r *Report) OK() bool {
	return r.Passed > 0 && r.Failed == 0 && r.Harness == 0 && len(r.Late()) == 0 && len(r.Gaps) == 0
}

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(text, '\n'), nil
}
