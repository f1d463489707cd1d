package local

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProgram(t *testing.T) {
	t.Run("ends when it is asked to, and says what it used", func(t *testing.T) {
		p, err := StartProgram(exec.Command("/bin/sh", "-c", "exec sleep 1000"))
		if err != nil {
			t.Fatal(err)
		}
		if p.State() != nil || p.Err() != nil || p.Pid() <= 0 {
			t.Errorf("while it runs: %v, %v, %d", p.State(), p.Err(), p.Pid())
		}
		if err := p.Stop(t.Context(), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if p.State() == nil || p.Err() == nil {
			t.Errorf("after its end: %v, %v", p.State(), p.Err())
		}
		if err := p.Stop(t.Context(), time.Second); err != nil {
			t.Errorf("a second stop: %v", err)
		}
	})
	t.Run("is killed when it does not listen", func(t *testing.T) {
		cmd := exec.Command("/bin/sh", "-c", `trap "" TERM; echo up; while :; do sleep 0.05; done`)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := StartProgram(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(t.Context(), 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "was killed") {
			t.Error(err)
		}
	})
	t.Run("tells of its exit code", func(t *testing.T) {
		p, err := StartProgram(exec.Command("/bin/sh", "-c", "exit 3"))
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
			t.Error(err)
		}
	})
}
