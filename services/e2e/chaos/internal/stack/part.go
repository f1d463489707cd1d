package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// restFirst and restMost are the rests before a start after an end that nobody asked for, as a container's keeper takes them.
	restFirst = 50 * time.Millisecond
	restMost  = time.Second
	// steady is how long a process must have run for its end to count as the first in a row.
	steady = 2 * time.Second
	// politeEnd bounds an end after SIGTERM: services give themselves ten seconds.
	politeEnd = 13 * time.Second
	// lookEvery is the rest between two questions whether something is ready.
	lookEvery = 20 * time.Millisecond
	// askFor bounds one such question.
	askFor = 2 * time.Second
)

// Part is one thing that runs as a process of its own and is started again whenever it ended: an instance of a service, the broker, the
// simulator.
type Part struct {
	name   string
	dir    string // of the run
	record func(history.Event)
	// command makes a new command; what it is given are the rules for its crash points and the file to tell about them.
	command func(rules, traced string) (*exec.Cmd, error)
	// lone is told of an end that nobody asked for; nil = nobody is.
	lone func(cause error)
	// once: it is never started again, because what it knew is gone.
	once bool
	// ready says whether it serves: nil = yes.
	ready func(ctx context.Context) error
	// page is the root of its pages, where it has some.
	page string

	mu      sync.Mutex
	changed chan struct{} // closed and made anew at every change of what follows
	held    int           // how many want it to stay down
	rules   map[string]*rule
	now     *process
	starts  int
	broken  error // why it could not be started at all
}

func newPart(name, dir string, record func(history.Event)) *Part {
	return &Part{name: name, dir: dir, record: record, changed: make(chan struct{}), rules: map[string]*rule{}}
}

// Name of the part, as plans name it.
func (p *Part) Name() string { return p.name }

// tell wakes who waits for a change. The lock is held.
func (p *Part) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// keep runs the part until ctx ends, and ends it then.
func (p *Part) keep(ctx context.Context) {
	rest := restFirst
	for p.allowed(ctx) {
		began := time.Now()
		proc, err := p.start()
		if err != nil {
			p.giveUp(err)
			return
		}
		select {
		case <-proc.done:
		case <-ctx.Done():
			proc.end(syscall.SIGKILL)
			<-proc.done
		}
		text, alone := proc.cause()
		p.mu.Lock()
		p.now = nil
		p.obeyedLocked(proc.traced)
		p.tell()
		p.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		p.record(history.Event{What: "exit", Target: p.name, Text: text})
		if p.once {
			p.giveUp(fmt.Errorf("it is gone (%s), and with it all that it knew", text))
			return
		}
		if !alone || proc.killedItself() || time.Since(began) > steady {
			rest = restFirst
		}
		if alone && !proc.killedItself() {
			if p.lone != nil {
				p.lone(fmt.Errorf("%s: %s; see %s", p.name, text, filepath.Join(p.dir, logsDir)))
			}
			sleep(ctx, rest)
			rest = min(2*rest, restMost)
		}
	}
}

// giveUp notes why it is down for good.
func (p *Part) giveUp(why error) {
	p.mu.Lock()
	p.broken = why
	p.tell()
	p.mu.Unlock()
	p.record(history.Event{What: "note", Target: p.name, Text: why.Error()})
}

// allowed waits until nobody wants it down; false = the run is over.
func (p *Part) allowed(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		held, changed := p.held, p.changed
		p.mu.Unlock()
		if held == 0 {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// start starts it once, with a log of its own.
func (p *Part) start() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := strconv.Itoa(p.starts + 1)
	traced := tracedFile(p.dir, p.name, p.starts+1)
	rules := p.rulesLocked()
	cmd, err := p.command(rules, traced)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(p.dir, logsDir, p.name+"-"+n+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) //nolint:gosec // the run's own directory
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := launch(cmd, traced)
	if err != nil {
		return nil, err
	}
	proc.rules = rules
	p.starts, p.now = p.starts+1, proc
	p.tell()
	p.record(history.Event{What: "start", Target: p.name, Text: "start " + n})
	return proc, nil
}

// process that runs now; nil = none.
func (p *Part) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		return nil
	}
	select {
	case <-p.now.done: // who keeps it has not seen it yet
		return nil
	default:
		return p.now
	}
}

// Kill ends it by SIGKILL, as a power switch would; false = it was down. It is started again at once unless it is held.
func (p *Part) Kill() bool {
	proc := p.process()
	if proc == nil || !proc.end(syscall.SIGKILL) {
		return false
	}
	<-proc.done
	return true
}

// Terminate asks it to end, waits for that, and kills it when it takes too long. The text says how it ended.
func (p *Part) Terminate(ctx context.Context) (text string, done bool) {
	proc := p.process()
	if proc == nil || !proc.beg() {
		return "it was down", false
	}
	timer := time.NewTimer(politeEnd)
	defer timer.Stop()
	select {
	case <-proc.done:
		text, _ := proc.cause()
		return text, true
	case <-timer.C:
		text = fmt.Sprintf("still running %s after SIGTERM", politeEnd)
	case <-ctx.Done():
		text = "still running when the faults ended"
	}
	proc.end(syscall.SIGQUIT) // its goroutines go to its log
	sleep(context.WithoutCancel(ctx), 100*time.Millisecond)
	proc.end(syscall.SIGKILL)
	<-proc.done
	return text, true
}

// Hold keeps it down from its next end on, until release is called.
func (p *Part) Hold() (release func()) {
	p.hold(1)
	return sync.OnceFunc(func() { p.hold(-1) })
}

func (p *Part) hold(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held += by
	p.tell()
}

// Freeze makes it stand still (SIGSTOP) until thaw is called; false = it was down.
func (p *Part) Freeze() (thaw func(), done bool) {
	proc := p.process()
	if proc == nil || !proc.freeze() {
		return func() {}, false
	}
	return sync.OnceFunc(proc.thaw), true
}

// Alive says whether it runs, frozen or not.
func (p *Part) Alive() bool { return p.process() != nil }

// WaitReady waits until it serves.
func (p *Part) WaitReady(ctx context.Context) error {
	last := errors.New("not asked")
	for {
		p.mu.Lock()
		broken := p.broken
		p.mu.Unlock()
		if broken != nil {
			return fmt.Errorf("%s: %w", p.name, broken)
		}
		asking, cancel := context.WithTimeout(ctx, askFor)
		err := p.ready(asking)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if !sleep(ctx, lookEvery) {
			return fmt.Errorf("%s is not ready: %w (%w)", p.name, last, ctx.Err())
		}
	}
}

// probe asks a readiness page.
func probe(url string) func(ctx context.Context) error {
	// Connections are not kept: the process behind them changes.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask %s: %w", url, err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status is enough
			return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
		}
		return nil
	}
}

// sleep waits and says whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
