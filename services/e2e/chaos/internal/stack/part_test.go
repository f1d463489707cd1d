package stack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// patience bounds every wait.
const patience = 20 * time.Second

// log keeps the events of a part.
type log struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *log) record(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *log) count(what, text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.What == what && strings.Contains(e.Text, text) {
			n++
		}
	}
	return n
}

// shell keeps a part that runs a script; the rules are its first argument and the file for its words the second.
func shell(t *testing.T, script string, change func(*Part)) (*Part, *log) {
	t.Helper()
	dir, seen := t.TempDir(), &log{}
	for _, sub := range []string{logsDir, pointsDir} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := newPart("part-1", dir, seen.record)
	p.ready = func(context.Context) error { return nil }
	p.command = func(rules, traced string) (*exec.Cmd, error) {
		return exec.Command("/bin/sh", "-c", script, "sh", rules, traced), nil
	}
	if change != nil {
		change(p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var kept sync.WaitGroup
	kept.Go(func() { p.keep(ctx) })
	t.Cleanup(func() {
		cancel()
		kept.Wait()
		if p.Alive() {
			t.Error("it still runs after its end")
		}
	})
	return p, seen
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Await(ctx, yes); err != nil {
		t.Fatalf("never: %s", what)
	}
}

// forever sleeps without a child of its own.
const forever = "exec sleep 1000"

func TestPart(t *testing.T) {
	t.Parallel()
	t.Run("is started again at once when it was killed", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, forever, nil)
		eventually(t, "it runs", p.Alive)
		if !p.Kill() {
			t.Fatal("it was down")
		}
		eventually(t, "it runs again", func() bool { return seen.count("start", "start 2") == 1 && p.Alive() })
		if seen.count("exit", "killed") != 1 {
			t.Errorf("%+v", seen.events)
		}
	})
	t.Run("tells of its process as it runs now, and of none while it is down", func(t *testing.T) {
		t.Parallel()
		p, _ := shell(t, forever, func(p *Part) { p.page = "http://here" })
		eventually(t, "it runs", p.Alive)
		first, yes := p.running()
		if !yes || first.Part != "part-1" || first.Start != 1 || first.PID < 2 || first.Page != "http://here" || time.Since(first.Since) > patience {
			t.Errorf("%+v, %t", first, yes)
		}
		release := p.Hold()
		p.Kill()
		if down, yes := p.running(); yes {
			t.Errorf("%+v", down)
		}
		release()
		eventually(t, "it runs again", func() bool {
			second, yes := p.running()
			return yes && second.Start == 2 && second.PID != first.PID && second.Since.After(first.Since)
		})
	})
	t.Run("stays down while anybody holds it", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, forever, nil)
		eventually(t, "it runs", p.Alive)
		one, two := p.Hold(), p.Hold()
		p.Kill()
		one()
		one() // counts once
		if p.Kill() || p.Alive() {
			t.Error("it was started while it was held")
		}
		two()
		eventually(t, "it runs again", func() bool { return seen.count("start", "start 2") == 1 })
	})
	t.Run("ends by one SIGTERM, however many ask", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, `trap 'n=x$n; [ $n = x ] || exit 9; sleep 0.2; exit 0' TERM; echo up; while :; do sleep 0.02; done`, nil)
		eventually(t, "it listens", func() bool {
			text, err := os.ReadFile(filepath.Join(p.dir, logsDir, "part-1-1.log"))
			return err == nil && len(text) > 0
		})
		release := p.Hold()
		defer release()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if text, done := p.Terminate(t.Context()); !done || text != "exit status 0" {
					t.Errorf("%q, %t", text, done)
				}
			})
		}
		both.Wait()
		eventually(t, "one end in peace", func() bool { return seen.count("exit", "exit status 0") == 1 })
	})
	t.Run("stands still when it is frozen, and can be killed then", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, forever, nil)
		eventually(t, "it runs", p.Alive)
		thaw, done := p.Freeze()
		if !done || !p.Alive() {
			t.Fatal("it could not be frozen")
		}
		p.Kill()
		thaw()
		eventually(t, "it runs again", func() bool { return seen.count("start", "start 2") == 1 })
	})
	t.Run("dies of a rule as often as the rule says, and has it no more after that", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, `[ -n "$1" ] && echo "reached a.b
killed a.b" >>"$2" && kill -9 $$; `+forever, nil)
		eventually(t, "it runs", p.Alive)
		p.Rule("f1", "a.b", "a.b=crash@1", 2)
		p.Kill()
		eventually(t, "it died twice and runs", func() bool { return seen.count("start", "start 4") == 1 && p.Alive() })
		if p.Killed("a.b") != 2 || p.Ruled() || p.disarm() {
			t.Errorf("killed %d times, ruled %t", p.Killed("a.b"), p.Ruled())
		}
		s := &Stack{o: Options{Dir: p.dir}}
		if got := s.Points(); got.Killed["a.b"] != 2 || got.Reached["a.b"] != 2 || len(got.Held) != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("tells of an end that nobody asked for, and is started again later and later", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		var causes []string
		_, seen := shell(t, "exit 3", func(p *Part) {
			p.lone = func(cause error) {
				mu.Lock()
				defer mu.Unlock()
				causes = append(causes, cause.Error())
			}
		})
		eventually(t, "three starts", func() bool { return seen.count("start", "start 3") == 1 })
		mu.Lock()
		defer mu.Unlock()
		if len(causes) < 2 || !strings.Contains(causes[0], "exit status 3") {
			t.Errorf("%q", causes)
		}
	})
	t.Run("is never started again when what it knew is gone with it", func(t *testing.T) {
		t.Parallel()
		p, seen := shell(t, "exit 0", func(p *Part) { p.once = true })
		eventually(t, "it says so", func() bool { return seen.count("note", "gone") == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.WaitReady(ctx); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Error(err)
		}
	})
}

func TestPorts(t *testing.T) {
	t.Parallel()
	t.Run("are different ones, and can be given again when they are free", func(t *testing.T) {
		t.Parallel()
		var a, b ports
		var all []string
		for range 50 {
			for _, p := range []*ports{&a, &b} {
				at, err := p.address(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, at)
			}
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != 100 {
			t.Error("a port was given twice")
		}
		a.free()
		b.free()
		given.Lock()
		defer given.Unlock()
		for _, p := range append(a.taken, b.taken...) {
			t.Errorf("port %d is still taken", p)
		}
	})
}
