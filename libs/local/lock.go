package local

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ErrInUse says that another program uses the directory.
var ErrInUse = errors.New("in use")

// lockFile takes the lock that says "this directory is ours". The kernel lets go of it when we end, however we end.
func lockFile(path, what string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", what, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 32)
		n, _ := f.ReadAt(holder, 0)
		_ = f.Close()
		return nil, fmt.Errorf("%s is %w by process %s: stop it or choose another --data", what, ErrInUse, strings.TrimSpace(string(holder[:n])))
	}
	// Only for the message above; the lock itself is the kernel's.
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	return f, nil
}
