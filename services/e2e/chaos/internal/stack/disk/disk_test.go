package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made is a disk that goes with the test. It takes root and loop devices, as the package says.
func made(t *testing.T) *Disk {
	t.Helper()
	d, err := Make(t.Context(), t.TempDir(), "disk", 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// put writes a file, and syncs it where that is asked for.
func put(t *testing.T, path, text string, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// cut takes the power away.
func cut(t *testing.T, d *Disk) {
	t.Helper()
	if err := d.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDisk(t *testing.T) {
	t.Run("a power cut keeps what was synced and loses what was not, again and again", func(t *testing.T) {
		d := made(t)
		kept, lost := filepath.Join(d.Path(), "kept"), filepath.Join(d.Path(), "lost")
		want := ""
		for _, word := range []string{"one ", "two ", "three "} {
			put(t, kept, word, true)
			want += word
			put(t, kept, "not synced ", false)
			put(t, lost, word, false)
			cut(t, d)
			if got, err := os.ReadFile(kept); err != nil || string(got) != want {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
			if got, err := os.ReadFile(lost); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("what nobody synced is still there: %q, %v", got, err)
			}
		}
	})
	t.Run("what is written behind the moment of the cut is lost, synced or not", func(t *testing.T) {
		d := made(t)
		put(t, filepath.Join(d.Path(), "a"), "before", true)
		if err := d.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(d.Path(), "a"), " after", true)
		if err := d.Revert(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(d.Path(), "a")); err != nil || string(got) != "before" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("it goes back to nothing that was not kept", func(t *testing.T) {
		if err := made(t).Revert(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was kept") {
			t.Error(err)
		}
	})
	t.Run("nothing is left of it when it is closed, and a second close is harmless", func(t *testing.T) {
		dir := t.TempDir()
		d, err := Make(t.Context(), dir, "disk", 16<<20)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(d.Path(), "a"), "a", true)
		if err := d.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Close(t.Context()), d.Close(t.Context())); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
	})
	t.Run("where it cannot be mounted it says what it takes", func(t *testing.T) {
		d := &Disk{dir: t.TempDir(), name: "gone"}
		if err := d.mount(t.Context()); err == nil || !strings.Contains(err.Error(), "run it as root") {
			t.Error(err)
		}
	})
}

func TestCopyOf(t *testing.T) {
	t.Run("a copy has the file's data and its holes", func(t *testing.T) {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		f, err := os.Create(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{0, 3 << 20, 9<<20 - 5} {
			if _, err := f.WriteAt([]byte("words"), at); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := copyOf(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
		a, errA := os.ReadFile(from)
		b, errB := os.ReadFile(to)
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%v, %v, %d and %d bytes", errA, errB, len(a), len(b))
		}
	})
}
