package origin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// syncedWrites of writeSize each are tried.
	syncedWrites, writeSize = 32, 128 << 10
)

// Disk says on which file system a directory lies, and how long a synced write of 128 KiB takes there (the median of some): what every commit waits
// for. A file system in memory has none, and figures from there say nothing about durable writes.
func Disk(dir string) (string, error) {
	took, err := syncedWrite(dir)
	if err != nil {
		return "", fmt.Errorf("try the disk: %w", err)
	}
	kind := "an unknown file system"
	if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil { // elsewhere than on Linux there is none
		if k := fileSystem(string(mounts), dir); k != "" {
			kind = k
		}
	}
	return fmt.Sprintf("ledger and streams on %s, where a synced write of 128 KiB takes %.2f ms", kind, float64(took)/float64(time.Millisecond)), nil
}

// fileSystem is the kind of that mount, among those of /proc/self/mounts, which holds dir: the longest path, of equal ones the last.
func fileSystem(mounts, dir string) (kind string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	longest := -1
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at := strings.ReplaceAll(fields[1], `\040`, " ") // the kernel writes blanks so
		if (dir == at || strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/")) && len(at) >= longest {
			longest, kind = len(at), fields[2]
		}
	}
	return kind
}

func syncedWrite(dir string) (_ time.Duration, err error) {
	f, err := os.CreateTemp(dir, "bulkhead-sync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, writeSize)
	for i := range block {
		block[i] = byte(i * 7) // not zeros: some file systems do not write those
	}
	took := make([]time.Duration, syncedWrites)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
