package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// command runs one command line.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// keptRun writes what a report needs of a run, below a directory of runs.
func keptRun(t *testing.T, session, name string, v history.Verdict, note history.Run) string {
	t.Helper()
	dir := filepath.Join(session, name)
	for file, value := range map[string]any{history.PlanFile: history.Plan{Seed: v.Seed, Records: 2_000}, history.RunFile: note, history.VerdictFile: v} {
		if err := history.WriteJSON(filepath.Join(dir, file), value); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCommands(t *testing.T) {
	t.Run("plan prints what a seed means", func(t *testing.T) {
		code, out, errOut := command(t, "plan", "17")
		var p history.Plan
		if err := json.Unmarshal([]byte(out), &p); code != exitPassed || err != nil || p.Seed != 17 || len(p.Faults) < 10 {
			t.Errorf("exit code %d, %v, %s%s", code, err, out, errOut)
		}
	})
	t.Run("plan prints what a seed means on a cluster", func(t *testing.T) {
		code, out, errOut := command(t, "plan", "17", "--nats", "3")
		var p history.Plan
		if err := json.Unmarshal([]byte(out), &p); code != exitPassed || err != nil || p.Seed != 17 || p.Nodes != 3 {
			t.Errorf("exit code %d, %v, %s%s", code, err, out, errOut)
		}
	})
	t.Run("report sums up the runs below a directory, and fails for one that failed", func(t *testing.T) {
		session := t.TempDir()
		keptRun(t, session, "seed-1", history.Verdict{Seed: 1, OK: true}, history.Run{})
		if code, out, errOut := command(t, "report", session); code != exitPassed || !strings.Contains(out, "1 of 1 runs passed") {
			t.Errorf("exit code %d: %s%s", code, out, errOut)
		}
		bad := keptRun(t, session, "seed-2", history.Verdict{Seed: 2, Findings: []history.Finding{{Invariant: "I4", Name: "doubled"}}}, history.Run{})
		if code, out, _ := command(t, "report", session); code != exitFound || !strings.Contains(out, "1 of 2 runs failed") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if code, out, _ := command(t, "report", bad); code != exitFound || !strings.Contains(out, "1 of 1 runs failed") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	t.Run("a run that was made again counts once", func(t *testing.T) {
		session := t.TempDir()
		keptRun(t, session, "seed-1", history.Verdict{}, history.Run{Harness: "no port"})
		keptRun(t, session, "seed-1-again", history.Verdict{Seed: 1, OK: true}, history.Run{})
		if code, out, errOut := command(t, "report", session); code != exitPassed || !strings.Contains(out, "1 of 1 runs passed") {
			t.Errorf("exit code %d: %s%s", code, out, errOut)
		}
	})
	t.Run("a complete report says what was never tried", func(t *testing.T) {
		session := t.TempDir()
		keptRun(t, session, "seed-1", history.Verdict{Seed: 1, OK: true}, history.Run{})
		code, out, _ := command(t, "report", "--complete", session)
		if code != exitFound || !strings.Contains(out, "not all that was demanded was tried") || !strings.Contains(out, "fault kill was injected 0 times") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	for name, args := range map[string][]string{
		"a seed that is none":           {"plan", "x"},
		"no directory of runs":          {"report", t.TempDir()},
		"a directory without a run":     {"judge", t.TempDir()},
		"nothing to shrink":             {"shrink", t.TempDir()},
		"a flag that is not known":      {"run", "--seedz", "2"},
		"flags that contradict":         {"run", "--seed", "2", "--seeds", "3"},
		"a cluster of two":              {"run", "--nats", "2"},
		"crash points on a cluster":     {"run", "--nats", "3", "--points"},
		"no seeds at all":               {"run", "--seeds", "0"},
		"a plan that is not there":      {"run", "--plan", filepath.Join(t.TempDir(), "plan.json")},
		"a command that does not exist": {"destroy"},
		"no power cuts at all":          {"power", "--rounds", "0"},
		"a power cut of nobody":         {"power", "--targets", ""},
		"a power cut of the org":        {"power", "--targets", "org"},
		"an unsafe org":                 {"power", "--unsafe", "org"},
		"a soak of nothing":             {"soak", "--records", "0"},
		"a soak of more than all":       {"soak", "--failing", "101"},
		"a soak of parts too small":     {"soak", "--failing", "0.001"},
		"a soak without kills":          {"soak", "--kill-every", "0s"},
		"a soak onto a page of others":  {"soak", "--markdown", "command_test.go"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			if code, _, errOut := command(t, args...); code != exitHarness || !strings.HasPrefix(errOut, "chaos: ") {
				t.Errorf("exit code %d: %s", code, errOut)
			}
		})
	}
}
