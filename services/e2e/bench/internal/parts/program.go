package parts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/local"
)

const (
	// grace is how long a program may take to end.
	grace = 20 * time.Second
	// maxLine bounds a line that a program says of itself.
	maxLine = 64 << 10
	// tail is how much of a log is told when its program ended by itself, in bytes.
	tail = 2 << 10
)

// program is one of our processes with its log.
type program struct {
	*local.Program
	name, log string
	out       *os.File // our end of its stdout; nil = its stdout goes to the log
}

// start starts a program. With told its stdout is read by who started it, by say or lines. secrets are variables of its environment that must not
// stand on a command line, as NAME=value.
func (p *Parts) start(name string, told bool, secrets []string, binary string, args ...string) (_ *program, err error) {
	out := &program{name: name, log: filepath.Join(p.dir, name+".log")}
	log, err := os.OpenFile(out.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a directory of ours
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = p.dir, log, log
	cmd.Env = slices.Concat(environment(), secrets, p.o.Env)
	if told {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		defer func() { _ = write.Close() }() // the process has its own
		cmd.Stdout, out.out = write, read
	}
	if out.Program, err = local.StartProgram(cmd); err != nil {
		if out.out != nil {
			_ = out.out.Close()
		}
		return nil, err
	}
	p.add(name, func(ctx context.Context) error { return out.Stop(ctx, grace) })
	return out, nil
}

// environment is small, so that nothing of the caller's changes what is measured.
func environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	for _, name := range []string{"TMPDIR", "BULKHEAD_LOG_LEVEL"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// lines gives each line of its stdout to a function until that has heard enough or its stdout ends. What it says later is read and dropped, so that
// it is never held up.
func (p *program) lines(heard func(line []byte) (enough bool)) error {
	defer func() { _ = p.out.Close() }()
	in := bufio.NewScanner(p.out)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		if heard(in.Bytes()) {
			break
		}
	}
	err := in.Err()
	_, _ = io.Copy(io.Discard, p.out)
	return err
}

// say waits for the line with which it says that it is ready.
func (p *program) say(ctx context.Context, ready func(line []byte) (bool, error)) error {
	answer := make(chan error, 1)
	go func() {
		told := false
		broken := p.lines(func(line []byte) bool {
			yes, err := ready(line)
			if told = yes || err != nil; told {
				answer <- err
			}
			return told
		})
		if !told {
			answer <- errors.Join(fmt.Errorf("%s said nothing more", p.name), broken)
		}
	}()
	select {
	case err := <-answer:
		if err == nil {
			return nil
		}
		return fmt.Errorf("start %s: %w%s", p.name, err, p.tail())
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w%s", p.name, ctx.Err(), p.tail())
	}
}

// tail is the end of its log, as the end of an error.
func (p *program) tail() string {
	f, err := os.Open(p.log) //nolint:gosec // a directory of ours
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tail), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, tail))
	if said := strings.TrimSpace(string(text)); said != "" {
		return "; its log ends:\n" + said
	}
	return ""
}
