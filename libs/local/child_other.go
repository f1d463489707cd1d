//go:build unix && !linux

package local

import "syscall"

// dieWithUs does nothing here: only Linux lets a parent say what its death does to a child. The next start on the same
// directory stops the server that is left.
func dieWithUs(*syscall.SysProcAttr) {}
