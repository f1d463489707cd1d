//go:build unix && !linux

package stack

import "syscall"

// dieWithUs does nothing here: only Linux lets a parent say what its death does to a child.
func dieWithUs(*syscall.SysProcAttr) {}
