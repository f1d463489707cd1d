package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// workDir is a temporary directory that goes when we end, whatever ends us.
type workDir struct {
	path   string
	reaper io.WriteCloser // closed by remove, or by the kernel when we are killed
}

// reaperScript waits for the end of its input, which comes when we end, gives a server in the directory ten seconds to
// stop, and removes the directory.
const reaperScript = `cat >/dev/null
i=0
while [ -e "$1/data/postmaster.pid" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
rm -rf -- "$1"`

// newWorkDir makes the directory for the account, readable by nobody else.
func newWorkDir(prefix string, a account) (*workDir, error) {
	path, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	w := &workDir{path: path}
	if err := errors.Join(a.reaches(os.TempDir()), a.own(path), w.startReaper()); err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return w, nil
}

func (w *workDir) startReaper() error {
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "reaper", w.path)
	cmd.Dir, cmd.Env = "/", environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a kill of our process group must leave it
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("watch over the temporary directory: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("watch over the temporary directory: %w", err)
	}
	w.reaper = stdin
	go func() { _ = cmd.Wait() }()
	return nil
}

// remove removes the directory now. The server in it has ended.
func (w *workDir) remove() error {
	err := os.RemoveAll(w.path)
	if w.reaper != nil {
		err = errors.Join(err, w.reaper.Close())
	}
	if err != nil {
		return fmt.Errorf("remove the temporary directory %s: %w", w.path, err)
	}
	return nil
}
