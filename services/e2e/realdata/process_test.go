package realdata

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience bounds every wait, far above what a load takes on a busy machine.
	patience = 15 * time.Minute
	// politeStop is how long a process may take to end after SIGTERM.
	politeStop = 15 * time.Second
	// keptLog is how much of a process's log the report of a failed test shows, in bytes.
	keptLog = 32 << 10
)

// tail keeps the end of what a process logged.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - keptLog; over > 0 {
		l.buf.Next(over)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve starts a command that runs until the test ends, and returns what it printed up to the line that last says yes to, by
// endpoint.
func serve(t *testing.T, last func(map[string]any) bool, args ...string) map[string]map[string]any {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	log := &tail{}
	cmd.Stderr, cmd.SysProcAttr, cmd.WaitDelay = log, &syscall.SysProcAttr{Setpgid: true}, politeStop
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, done := make(chan map[string]any, 100), make(chan struct{})
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			var line map[string]any
			if json.Unmarshal(s.Bytes(), &line) == nil {
				lines <- line
			}
		}
		close(lines)
		_ = cmd.Wait() // the exit code says it
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(politeStop):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%v ended with exit code %d", args, code)
		}
		if t.Failed() {
			t.Logf("the last that %v logged:\n%s", args, log)
		}
	})
	out := map[string]map[string]any{}
	late := time.After(patience)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("%v ended before it was ready:\n%s", args, log)
			}
			if name, ok := line["endpoint"].(string); ok {
				out[name] = line
			}
			if last(line) {
				return out
			}
		case <-late:
			t.Fatalf("%v was not ready in %s", args, patience)
		}
	}
}

// stack is a running system with an org of its own.
type stack struct {
	ops, nats, control string
}

// start starts an org with a model, and every service.
func start(t *testing.T, model string) stack {
	t.Helper()
	file := t.TempDir() + "/model.yaml"
	if err := os.WriteFile(file, []byte(model), 0o600); err != nil {
		t.Fatal(err)
	}
	sim := serve(t, func(map[string]any) bool { return true }, "sim", "--listen", "127.0.0.1:0", "--model", file, "--rows-per-second", "-1")
	url := member(t, sim, "simulator", "url")
	e := serve(t, func(line map[string]any) bool { return line["event"] == "ready" },
		"dev", "--nats-port", "0", "--ops-port", "0", "--grpc-port", "0", "--sim", url, "--pipelines", "testdata/pipelines")
	return stack{ops: member(t, e, "ops_http", "url"), nats: member(t, e, "nats", "url"), control: strings.TrimRight(url, "/") + "/sim/"}
}

func member(t *testing.T, endpoints map[string]map[string]any, endpoint, name string) string {
	t.Helper()
	s, _ := endpoints[endpoint][name].(string)
	if s == "" {
		t.Fatalf("no %s of %s was printed: %v", name, endpoint, endpoints)
	}
	return s
}

// result of a command that ran to its end.
type result struct {
	code           int
	stdout, stderr string
}

// command runs the binary to its end.
func command(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.Command(binary(t), args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errOut, politeStop
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait() // the exit code says it
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}
