package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Program is a program that we started, in a process group of its own; it never outlives us (Linux).
type Program struct {
	child *child
	cmd   *exec.Cmd
}

// StartProgram starts it. The command's SysProcAttr is ours.
func StartProgram(cmd *exec.Cmd) (*Program, error) {
	cmd.SysProcAttr = attributes(account{})
	c, err := startChild(cmd)
	if err != nil {
		return nil, err
	}
	return &Program{child: c, cmd: cmd}, nil
}

// Pid is its process id.
func (p *Program) Pid() int { return p.child.process.Pid }

// Done is closed when it has ended.
func (p *Program) Done() <-chan struct{} { return p.child.done }

// State says how it ended and what it used; nil before Done is closed.
func (p *Program) State() *os.ProcessState {
	if !p.child.ended() {
		return nil
	}
	return p.cmd.ProcessState
}

// Err says how it ended: nil = with exit code 0. It is valid when Done is closed.
func (p *Program) Err() error {
	if !p.child.ended() || p.child.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), p.child.err)
}

// Stop asks it to end by SIGTERM and waits until it has. When ctx ends first, or after grace, it is killed.
func (p *Program) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.child.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", filepath.Base(p.cmd.Path), err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.child.done:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := p.child.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", filepath.Base(p.cmd.Path), err)
	}
	<-p.child.done
	return fmt.Errorf("%s did not end within %s and was killed", filepath.Base(p.cmd.Path), grace)
}
