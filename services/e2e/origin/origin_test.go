package origin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMachine(t *testing.T) {
	t.Run("says cores and Go version", func(t *testing.T) {
		if m := Machine(); !strings.Contains(m, "cores") || !strings.Contains(m, "go1") {
			t.Error(m)
		}
	})
}

func TestValueOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "info")
	if err := os.WriteFile(file, []byte("processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"model name": "A: B", "processor": "0", "bogus": ""} {
		t.Run("of "+name+" is "+want, func(t *testing.T) {
			if got := valueOf(file, name); got != want {
				t.Errorf("%q", got)
			}
		})
	}
	t.Run("of a file that is not there is nothing", func(t *testing.T) {
		if got := valueOf(file+".gone", "processor"); got != "" {
			t.Errorf("%q", got)
		}
	})
}

func TestCommit(t *testing.T) {
	t.Run("is unknown outside of a checkout", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if c := Commit(t.Context()); c != "unknown" {
			t.Error(c)
		}
	})
}
