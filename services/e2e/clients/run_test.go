//go:build clients

package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/simtest"
)

// commandTime bounds one command of a client; the slowest poll every five seconds.
const commandTime = 3 * time.Minute

// answer is how a command ended and what it printed.
type answer struct {
	code     int
	out, err string
}

// run runs a command to its end.
func run(t testing.TB, dir string, env []string, program string, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTime)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, env, &out, &complaint, time.Second
	err := cmd.Run()
	var ended *exec.ExitError
	if ctx.Err() != nil || err != nil && !errors.As(err, &ended) {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, &out, &complaint)
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), complaint.String()}
}

// bare is an environment in which a client finds nothing but what it is given.
func bare(t testing.TB, more ...string) []string {
	t.Helper()
	return append([]string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "TMPDIR=" + t.TempDir(), "LANG=C.UTF-8"}, more...)
}

// ofOrg tells scripts where the org is and how to get in.
func ofOrg(s *simtest.Sim) []string {
	return []string{
		"ORG_URL=" + s.URL, "ORG_CLIENT_ID=" + s.ClientID, "ORG_CLIENT_SECRET=" + s.Secret, "ORG_USERNAME=" + s.Username, "ORG_PASSWORD=" + app.DefaultPassword,
		"ORG_KEY=" + string(s.PrivateKey()),
	}
}

// start starts an org with the model of these tests.
func start(t testing.TB, options ...simtest.Option) *simtest.Sim {
	t.Helper()
	return simtest.Start(t, append([]simtest.Option{simtest.Model(content(t, filepath.Join("testdata", "model.yaml")))}, options...)...)
}

// content is the text of a file.
func content(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// steps are the lines that a script has said, by step. Each must be asked for.
type steps struct {
	t    *testing.T
	said map[string]map[string]any
}

// read takes in the lines of a command that must have ended well.
func read(t *testing.T, a answer) *steps {
	t.Helper()
	if a.code != 0 {
		t.Fatalf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
	s := &steps{t, map[string]map[string]any{}}
	for line := range strings.Lines(a.out) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		name, _ := said["step"].(string)
		delete(said, "step")
		s.said[name] = said
	}
	t.Cleanup(func() {
		for name, said := range s.said {
			if !t.Failed() {
				t.Errorf("nobody asked for the step %q: %v", name, said)
			}
		}
	})
	return s
}

// want compares what a step said with JSON.
func (s *steps) want(step, want string) {
	s.t.Helper()
	said, ok := s.said[step]
	delete(s.said, step)
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		s.t.Fatalf("%v in %s", err, want)
	}
	if !ok || !reflect.DeepEqual(said, wanted) {
		got, _ := json.Marshal(said) // it was JSON
		s.t.Errorf("%s:\n got %s\nwant %s", step, got, want)
	}
}

// take returns a member of what a step said, which want is not told of.
func (s *steps) take(step, member string) string {
	s.t.Helper()
	text, ok := s.said[step][member].(string)
	if !ok {
		s.t.Errorf("%s says no %s: %v", step, member, s.said[step])
	}
	delete(s.said[step], member)
	return text
}

// fields are those of a row of the org, which must be there.
func fields(t testing.TB, s *simtest.Sim, object, key string) map[string]string {
	t.Helper()
	r, ok := s.Record(object, key)
	if !ok {
		t.Fatalf("%s holds no %s %s", s, object, key)
	}
	return r.Fields
}

// holds says that a row of the org has these values and nothing in the named fields that are wanted empty.
func holds(t testing.TB, s *simtest.Sim, object, key string, want map[string]string) {
	t.Helper()
	got := fields(t, s, object, key)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s %s has %s %q, want %q", object, key, name, got[name], value)
		}
	}
}

// rows says how many rows of an object the org holds.
func rows(t testing.TB, s *simtest.Sim, object string, want int) {
	t.Helper()
	if n := s.Counts()[object].Rows; n != want {
		t.Errorf("%s holds %d rows of %s, want %d", s, n, object, want)
	}
}
