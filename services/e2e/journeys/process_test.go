package journeys

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is built once for all tests of this package, without the race detector: the processes run at full speed and the
// services' own tests run with it. Beside it lie the programs that only some journeys need, see [program].
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead-journeys")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "bulkhead")
	if _, err := build("bulkhead/services/bulkhead"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const (
	// patience bounds every wait of a journey: far above what a run takes on a busy machine, far below the test's own timeout.
	patience = 3 * time.Minute
	// politeStop is how long a process may take to end after SIGTERM.
	politeStop = 15 * time.Second
	// keptLog is how much of a process's log the report of a failed test shows, in bytes.
	keptLog = 64 << 10
)

// atOnce lets two journeys run at the same time: each is a whole stack, and more of them only make each other slow.
var atOnce = make(chan struct{}, 2)

// inTurn makes the test parallel to at most one other journey.
func inTurn(t *testing.T) {
	t.Parallel()
	atOnce <- struct{}{}
	t.Cleanup(func() { <-atOnce })
}

// process is one running command, in a process group of its own.
type process struct {
	cmd    *exec.Cmd
	lines  chan map[string]any
	stderr *tail
	done   chan struct{}
	err    error
}

// tail keeps the end of what a process logged, for the report of a failed test, and all of it where a directory is named.
type tail struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	file *os.File
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - keptLog; over > 0 {
		l.buf.Next(over)
	}
	if l.file != nil {
		return l.file.Write(p)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newTail(t *testing.T, name string) *tail {
	t.Helper()
	l := &tail{}
	dir := os.Getenv("BULKHEAD_JOURNEY_LOGS")
	if dir == "" {
		return l
	}
	f, err := os.CreateTemp(dir, strings.ReplaceAll(t.Name(), "/", "_")+"-"+name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	l.file = f
	return l
}

// start runs the binary; its stdout is read as one JSON object a line.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, args[0], exec.Command(binary, args...))
}

// launch runs a command that ends with its test; name is what its log is called.
func launch(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, lines: make(chan map[string]any, 1000), stderr: newTail(t, name), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.stderr
	p.cmd.WaitDelay = politeStop // a grandchild that holds the pipe open does not hold us
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s := bufio.NewScanner(stdout)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var line map[string]any
			if json.Unmarshal(s.Bytes(), &line) == nil {
				p.lines <- line
			}
		}
		close(p.lines)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if p.alive() {
			if code := p.stop(t); code != 0 {
				t.Errorf("%v ended with exit code %d after SIGTERM", cmd.Args, code)
			}
		}
		if t.Failed() {
			t.Logf("the last that %v logged:\n%s", cmd.Args, p.stderr)
		}
	})
	return p
}

// kill ends the whole process group at once, as a power switch would.
func (p *process) kill() {
	if p.alive() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.done
}

// stop asks politely and returns the exit code; who does not end in time is killed and has failed.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if !p.endsWithin(politeStop) {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGQUIT) // its goroutines go to its log
		p.endsWithin(time.Second)
		p.kill()
		t.Errorf("still running %s after SIGTERM", politeStop)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// endsWithin waits for the end, and says whether it came in time.
func (p *process) endsWithin(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

// next returns the next line of stdout, which has to come while the process starts.
func (p *process) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.done
			t.Fatalf("ended before it was ready: %v\n%s", p.err, p.stderr)
		}
		return line
	case <-time.After(patience):
		t.Fatalf("not ready in %s", patience)
	}
	return nil
}

// endpoints reads stdout until the ready line and returns the endpoints by name, and the ready line as "ready".
func (p *process) endpoints(t *testing.T) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for {
		line := p.next(t)
		if line["event"] == "ready" {
			out["ready"] = line
			return out
		}
		if name, ok := line["endpoint"].(string); ok {
			out[name] = line
		}
	}
}

// result of a command that ran to its end.
type result struct {
	code           int
	stdout, stderr string
}

// object reads stdout as exactly one JSON object.
func (r result) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	d := json.NewDecoder(strings.NewReader(r.stdout))
	if err := d.Decode(&out); err != nil {
		t.Fatalf("stdout is no JSON object: %v\n%s", err, r.stdout)
	}
	if rest, _ := io.ReadAll(io.MultiReader(d.Buffered())); len(bytes.TrimSpace(rest)) > 0 {
		t.Fatalf("stdout holds more than one object: %q", rest)
	}
	return out
}

// command runs the binary to its end, with nothing on its standard input.
func command(t *testing.T, args ...string) result {
	t.Helper()
	return toItsEnd(t, exec.Command(binary, args...))
}

// toItsEnd runs a command and gives what it said.
func toItsEnd(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errOut, politeStop
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	_ = cmd.Wait() // the exit code says it
	return result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errOut.String()}
}
