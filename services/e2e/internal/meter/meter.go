// Package meter reads from /proc what processes have used: CPU and memory of a process with all that it started. Linux only; elsewhere every
// question is an error that says so.
//
// What always holds:
//   - CPU counts user and system time of the process, of its children that run, and of those that ended and were waited for. A child that ends
//     while it is looked at is counted once: the tree is read until two readings agree on who is in it.
//   - The grain is the kernel's clock tick of 10 ms for each process; the kernel itself keeps the sum exactly.
//   - Memory of several processes that share pages (PostgreSQL's) is the sum of their proportional shares (PSS), of one process what it holds (RSS).
package meter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/<pid>/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// tries bounds the readings of a tree whose processes come and go.
const tries = 20

// stat is what a line of /proc/<pid>/stat says that we ask for.
type stat struct {
	own   time.Duration // user and system time of the process
	ended time.Duration // of its children that ended and were waited for
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return parseStat(text)
}

// parseStat reads the times. The second field is the program's name in parentheses and may hold anything, parentheses too.
func parseStat(text []byte) (stat, error) {
	const utime = 11 // counted from behind the name: state is 0
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < utime+4 {
		return stat{}, fmt.Errorf("%q is no line of /proc/<pid>/stat", text)
	}
	var n [4]time.Duration
	for i := range n {
		v, err := strconv.ParseInt(fields[utime+i], 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("/proc/<pid>/stat: %w", err)
		}
		n[i] = time.Duration(v) * tick
	}
	return stat{own: n[0] + n[1], ended: n[2] + n[3]}, nil
}

// Children are the processes that a process started and that run, in rising order.
func Children(pid int) ([]int, error) {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("process %d has ended, or this system does not tell of children in /proc: measuring needs Linux", pid)
	}
	var out []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // a thread that ended
		}
		if err != nil {
			return nil, fmt.Errorf("children of process %d: %w", pid, err)
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("children of process %d: %w", pid, err)
			}
			out = append(out, child)
		}
	}
	slices.Sort(out)
	return out, nil
}

// tree is a process and all below it.
func tree(pid int) ([]int, error) {
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		children, err := Children(out[i])
		if err != nil {
			if i == 0 {
				return nil, err
			}
			continue // it ended meanwhile; the readings will differ
		}
		out = append(out, children...)
	}
	return out, nil
}

// CPU is what a process and all below it have used since they started.
func CPU(pid int) (time.Duration, error) {
	var last error
	for range tries {
		before, err := tree(pid)
		if err != nil {
			return 0, err
		}
		var sum time.Duration
		last = nil
		for _, p := range before {
			s, err := readStat(p)
			if err != nil {
				last = err
				break
			}
			sum += s.own + s.ended
		}
		if last != nil {
			continue
		}
		after, err := tree(pid)
		if err != nil {
			return 0, err
		}
		if slices.Equal(before, after) {
			return sum, nil
		}
	}
	return 0, errors.Join(fmt.Errorf("the processes below %d change too fast to be counted", pid), last)
}

// Each is what a process and each one below it that runs have used, every one alone.
func Each(pid int) (map[int]time.Duration, error) {
	all, err := tree(pid)
	if err != nil {
		return nil, err
	}
	out := map[int]time.Duration{}
	for _, p := range all {
		if s, err := readStat(p); err == nil { // else it ended meanwhile
			out[p] = s.own
		}
	}
	return out, nil
}

// Title is what a process calls itself, as ps shows it; "" = it has ended.
func Title(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// Own is what one process alone has used.
func Own(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.own, err
}

// member reads a line "<name>: <n> kB" of a file, in bytes.
func member(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return n << 10, err
	}
	return 0, fmt.Errorf("%s does not tell of %s", file, name)
}

// Peak is the most memory that one process held so far (VmHWM), in bytes.
func Peak(pid int) (int64, error) {
	return member(filepath.Join("/proc", strconv.Itoa(pid), "status"), "VmHWM")
}

// Resident is the memory that one process holds now (VmRSS), in bytes.
func Resident(pid int) (int64, error) {
	return member(filepath.Join("/proc", strconv.Itoa(pid), "status"), "VmRSS")
}

// Files are the file descriptors that one process holds open, sockets among them.
func Files(pid int) (int64, error) {
	all, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, fmt.Errorf("open files of process %d: %w", pid, err)
	}
	return int64(len(all)), nil
}

// Shared is the memory of a process and all below it, in bytes, pages that several of them hold counted once (PSS).
func Shared(pid int) (int64, error) {
	all, err := tree(pid)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range all {
		n, err := member(filepath.Join("/proc", strconv.Itoa(p), "smaps_rollup"), "Pss")
		switch {
		case err == nil:
			sum += n
		case errors.Is(err, os.ErrPermission):
			return 0, fmt.Errorf("memory of process %d: %w", p, err)
		default: // it ended meanwhile
		}
	}
	return sum, nil
}
