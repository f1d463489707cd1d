package local

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// child is a started program and the way to learn that it ended.
type child struct {
	process *os.Process
	done    chan struct{} // closed when it ended
	err     error         // how; valid after done
}

// attributes makes a program run as the account and in a process group of its own: Ctrl-C in a terminal goes to a whole
// group, and the database must outlive the services that still finish their work on it.
func attributes(a account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// environment is small on purpose: PG… variables of the caller would change what the programs do.
func environment() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} }

// startChild starts a program that ends with us. The kernel ties "with us" to the thread that started it, and Go ends
// threads, so the start and the wait happen on one goroutine that keeps its thread until the program has ended.
func startChild(cmd *exec.Cmd) (*child, error) {
	dieWithUs(cmd.SysProcAttr)
	c := &child{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		c.process = cmd.Process
		started <- nil
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// ended says whether the program has ended.
func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
