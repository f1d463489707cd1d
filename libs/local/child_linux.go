package local

import "syscall"

// dieWithUs makes the kernel stop the server when we are killed. SIGQUIT is PostgreSQL's immediate shutdown: the
// postmaster takes its backends with it and leaves what a crash leaves, nothing more and nothing running.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
