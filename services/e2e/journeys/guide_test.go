package journeys

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What the guide's steps may be at most, and how long they may take, from the alert to the records that have landed.
const (
	mostSteps = 10
	mostTime  = 3 * time.Minute
)

var (
	guideStep    = regexp.MustCompile(`(?m)^\*\*(\d+)\. `)
	guideCommand = regexp.MustCompile("(?s)```\n(.*?)\n```")
	placeholder  = regexp.MustCompile(`\b[A-Z]{3,}\b`)
)

// guideSteps are the commands of the guide's steps; "" = a step without one.
func guideSteps(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "guides", "dead-letters.md"))
	if err != nil {
		t.Fatal(err)
	}
	walk, _, _ := strings.Cut(string(text), "\n## ")
	starts := guideStep.FindAllStringIndex(walk, -1)
	var out []string
	for i, at := range starts {
		end := len(walk)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		command := ""
		if m := guideCommand.FindStringSubmatch(walk[at[0]:end]); m != nil {
			command = m[1]
		}
		out = append(out, command)
	}
	return out
}

// words splits a command as a shell does whose only quotes are single ones.
func words(command string) []string {
	var out []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// TestFromAnAlertToRecordsThatLand follows the guide for dead letters as a person does who knows nothing but what the steps print.
func TestFromAnAlertToRecordsThatLand(t *testing.T) {
	inTurn(t)
	steps := guideSteps(t)
	if len(steps) < 5 || len(steps) > mostSteps {
		t.Fatalf("the guide has %d steps, at most %d are wanted", len(steps), mostSteps)
	}
	s := dev(t, "--pipelines", quickPipelines(t))
	b := cli{s.ops}
	good, dead := keysOf("good", 20), keysOf("dead", 7)
	rule := s.org.fault(t, failRows(noLastName, dead, nil))
	s.client(t).publish(t, "contacts", messagesOf(append(good, dead...), contact)...)
	s.settle(t, "", 27)

	began := time.Now()
	printed := "" // all that the steps have printed so far
	meaning := map[string]string{"PIPELINE": "contacts", "CODE": "REQUIRED_FIELD_MISSING"}
	shown := map[string]string{} // what a step printed of a word where it is not what is typed
	for i, line := range steps {
		n := i + 1
		if line == "" {
			s.org.heal(t, rule) // the one thing that is done elsewhere
			continue
		}
		args := words(line)
		if args[0] != "bulkhead" {
			t.Fatalf("step %d is no command of ours: %s", n, line)
		}
		for j, a := range args {
			if !placeholder.MatchString(a) || placeholder.FindString(a) != a {
				continue
			}
			value := meaning[a]
			if value == "" || !strings.Contains(printed, cmp.Or(shown[a], value)) {
				t.Fatalf("step %d asks for %s, and no step before it has printed it (%q)\n%s", n, a, value, printed)
			}
			args[j] = value
		}
		run := b.run
		if args[1] == "classes" { // it needs no server
			run = command
		}
		r := run(t, args[1:]...)
		printed += r.stdout
		switch {
		case n == len(steps): // what was ordered is on its way
			eventually(t, "the last step says that nothing needs a person", func(context.Context) (bool, error) {
				return run(t, args[1:]...).code == 0, nil
			})
		case n == 1 && r.code != 3: // done in part: something is dead
			t.Errorf("the alert ends with exit code %d, want 3\n%s%s", r.code, r.stdout, r.stderr)
		case n > 1 && r.code != 0:
			t.Errorf("step %d, %s: exit code %d\n%s%s", n, line, r.code, r.stdout, r.stderr)
		}
		switch {
		case strings.HasPrefix(line, "bulkhead dlq ls"):
			all := decode[struct {
				Groups []struct {
					Group string `json:"group"`
					Count int64  `json:"count"`
				} `json:"groups"`
				Letters []letter `json:"dead_letters"`
			}](t, b.wants(t, 0, "dlq", "ls", "--json").stdout)
			if len(all.Groups) != 1 || len(all.Letters) != len(dead) {
				t.Fatalf("%d groups of %d letters: one cause is one group", len(all.Groups), len(all.Letters))
			}
			meaning["GROUP"], meaning["LETTER"], meaning["KEY"] = all.Groups[0].Group, all.Letters[0].ID, all.Letters[0].Key
			shown["COUNT"], meaning["COUNT"] = itoa(all.Groups[0].Count), itoa(all.Groups[0].Count-1) // one of them is tried alone first
		case strings.HasPrefix(line, "bulkhead dlq replay LETTER"):
			s.settle(t, "", 27)
		case strings.HasPrefix(line, "bulkhead record") && !strings.Contains(r.stdout, "landed"):
			t.Errorf("step %d does not say that it has landed:\n%s", n, r.stdout)
		}
	}
	if took := time.Since(began); took > mostTime {
		t.Errorf("it took %s, at most %s is wanted", took, mostTime)
	}
	if got := s.settle(t, "", 27).Balance; got != (balance{Accepted: 27, Landed: 27}) {
		t.Errorf("%+v", got)
	}
	if held := s.org.rows(t, "Contact"); len(held) < 27 {
		t.Errorf("the org holds %d of 27", len(held))
	}
}
