package origin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDisk(t *testing.T) {
	t.Run("says what a synced write costs, and leaves nothing", func(t *testing.T) {
		dir := t.TempDir()
		said, err := Disk(dir)
		if err != nil || !strings.Contains(said, "a synced write of 128 KiB takes") {
			t.Errorf("%q, %v", said, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
	})
	t.Run("says why it cannot be tried", func(t *testing.T) {
		if _, err := Disk(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "try the disk") {
			t.Error(err)
		}
	})
}

func TestFileSystem(t *testing.T) {
	const mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/with\\040blank xfs rw 0 0\n/dev/c /tmp btrfs rw 0 0\nodd\n"
	for dir, want := range map[string]string{
		"/": "ext4", "/var/tmp": "ext4", "/tmp": "btrfs", "/tmp/x": "btrfs", "/tmpx": "ext4", "/tmp/with blank/y": "xfs",
	} {
		t.Run("of "+dir+" is that of the nearest mount", func(t *testing.T) {
			if got := fileSystem(mounts, dir); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
