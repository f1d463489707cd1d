package meter

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Run("reads the times behind a name with blanks and parentheses", func(t *testing.T) {
		s, err := parseStat([]byte("42 (a) b (c) S 1 42 42 0 -1 4194560 100 200 0 0 7 3 20 10 20 0 9 0 100 1000 50 18446744073709551615"))
		if err != nil || s.own != 100*time.Millisecond || s.ended != 300*time.Millisecond {
			t.Errorf("%+v, %v", s, err)
		}
	})
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", "42 (x) S 1 42 42 0 -1 4194560 100 200 0 0 many 3 20 10"} {
		t.Run("refuses "+bad, func(t *testing.T) {
			if s, err := parseStat([]byte(bad)); err == nil {
				t.Errorf("%+v", s)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) S 1 42 42 0 -1 4194560 100 200 0 0 7 3 20 10 20 0 9"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseStat(text) // it must not panic
	})
}

func TestMeter(t *testing.T) {
	const work = `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done`
	t.Run("counts children that run and children that ended", func(t *testing.T) {
		// One child works and ends, another works and stays.
		cmd := exec.Command("/bin/sh", "-c", `sh -c '`+work+`'; sh -c '`+work+`; echo done; read x' & echo ended; wait`)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		for range "ended\ndone\n" {
			if _, err := out.Read(make([]byte, 1)); err != nil {
				break // the second child has no input of its own and ends: it is waited for
			}
		}
		all, err := CPU(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		own, err := Own(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if all < own+2*tick {
			t.Errorf("all %s, the process alone %s", all, own)
		}
		each, err := Each(cmd.Process.Pid)
		if err != nil || each[cmd.Process.Pid] < own {
			t.Errorf("each %v, the process alone %s: %v", each, own, err)
		}
	})
	t.Run("tells of the memory of this process", func(t *testing.T) {
		peak, err := Peak(os.Getpid())
		if err != nil || peak < 1<<20 {
			t.Errorf("peak %d, %v", peak, err)
		}
		now, err := Resident(os.Getpid())
		if err != nil || now < 1<<20 || now > peak+64<<20 {
			t.Errorf("now %d, peak %d: %v", now, peak, err)
		}
		shared, err := Shared(os.Getpid())
		if err != nil || shared < 1<<20 {
			t.Errorf("shared %d, %v", shared, err)
		}
	})
	t.Run("tells what this process calls itself, and nothing of one that is gone", func(t *testing.T) {
		if title := Title(os.Getpid()); !strings.HasPrefix(title, os.Args[0]) || strings.Contains(title, "\x00") {
			t.Errorf("%q", title)
		}
		if title := Title(1 << 30); title != "" {
			t.Errorf("%q", title)
		}
	})
	t.Run("says when a process is gone", func(t *testing.T) {
		if _, err := CPU(1 << 30); err == nil {
			t.Error("no error")
		}
	})
}
