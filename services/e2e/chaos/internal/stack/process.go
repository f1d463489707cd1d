package stack

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is one run of a program, in a process group of its own, which ends with us.
type process struct {
	handle *os.Process
	began  time.Time
	done   chan struct{} // closed when it ended
	// traced is the file in which it tells which crash points it reached; "" = it does not.
	traced string
	// rules for its crash points; "" = none.
	rules string

	mu     sync.Mutex
	asked  bool // somebody wanted its end
	begged bool // by SIGTERM: a second one would end it at once
	frozen int  // how many want it to stand still
	state  *os.ProcessState
}

// launch starts a program. The kernel ties "with us" to the thread that started it, and Go ends threads, so the start and the wait happen
// on one goroutine that keeps its thread.
func launch(cmd *exec.Cmd, traced string) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithUs(cmd.SysProcAttr)
	p := &process{began: time.Now(), done: make(chan struct{}), traced: traced}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.handle = cmd.Process
		started <- nil
		_ = cmd.Wait() // its state says it
		p.mu.Lock()
		p.state = cmd.ProcessState
		close(p.done)
		p.mu.Unlock()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// signal sends one while it lives; os.ErrProcessDone when it does not.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.handle.Signal(sig); err != nil {
		return fmt.Errorf("signal %s to process %d: %w", sig, p.handle.Pid, err)
	}
	return nil
}

// end sends a signal that is to end it; false = it had ended already.
func (p *process) end(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signal(sig) != nil {
		return false
	}
	p.asked = true
	return true
}

// beg asks it to end, by one SIGTERM however many ask; false = it had ended already.
func (p *process) beg() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begged && p.signal(syscall.SIGTERM) != nil {
		return false
	}
	p.asked, p.begged = true, true
	return true
}

// freeze makes it stand still until thaw was called as often; false = it had ended.
func (p *process) freeze() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.signal(syscall.SIGSTOP) != nil {
		return false
	}
	p.frozen++
	return true
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen--
	if p.frozen <= 0 {
		_ = p.signal(syscall.SIGCONT) // one that ended meanwhile needs none
	}
}

// cause says how it ended, and whether nobody had asked for it.
func (p *process) cause() (text string, alone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text = "ended"
	if p.state != nil {
		text = p.state.String()
	}
	return text, !p.asked
}

// killedItself says that it ended by a SIGKILL that was not ours.
func (p *process) killedItself() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == nil || p.asked {
		return false
	}
	status, ok := p.state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
