package stack

import "syscall"

// dieWithUs makes the kernel kill a process when the thread that started it ends, and so when we are killed.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
