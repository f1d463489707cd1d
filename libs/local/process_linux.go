package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// isServerOf says whether the process is a PostgreSQL server process (postmaster or backend) that works on the
// directory: each of them has it as its working directory.
func isServerOf(pid int, dataDir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	comm, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || !strings.HasPrefix(string(comm), "postgres") {
		return false
	}
	if stat, err := os.ReadFile(filepath.Join(proc, "stat")); err == nil && isZombie(string(stat)) {
		return false // it has ended and only its parent has not asked yet
	}
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(dataDir)
	return err == nil && cwd == real
}

// isZombie reads the state out of /proc/<pid>/stat: the letter after the name in brackets.
func isZombie(stat string) bool {
	i := strings.LastIndexByte(stat, ')')
	return i >= 0 && strings.HasPrefix(strings.TrimSpace(stat[i+1:]), "Z")
}

// serversOf lists all PostgreSQL server processes that work on the directory.
func serversOf(dataDir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && isServerOf(pid, dataDir) {
			pids = append(pids, pid)
		}
	}
	return pids
}
