package others

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockedVersion(t *testing.T) {
	lock, err := os.ReadFile(filepath.Join("..", "..", jsforce, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("reads the version that the lock file names", func(t *testing.T) {
		v, err := lockedVersion(lock, "jsforce")
		if err != nil || strings.Count(v, ".") != 2 {
			t.Errorf("%q, %v", v, err)
		}
	})
	t.Run("refuses a package that is not named, and what is no lock file", func(t *testing.T) {
		if v, err := lockedVersion(lock, "nothing-of-the-kind"); err == nil {
			t.Error(v)
		}
		if v, err := lockedVersion([]byte("no JSON"), "jsforce"); err == nil {
			t.Error(v)
		}
	})
	t.Run("has a lock file that names no host", func(t *testing.T) {
		if strings.Contains(string(lock), `"resolved"`) {
			t.Error("package-lock.json says where packages were fetched: write it with --omit-lockfile-registry-resolved")
		}
	})
}

func TestPrepareJSforce(t *testing.T) {
	t.Run("is left out where there is no node", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := prepareJSforce(t.Context(), filepath.Join("..", "..", jsforce)); err == nil || err.Error() != "node is not on PATH" {
			t.Error(err)
		}
	})
}

func TestNPMEnvironment(t *testing.T) {
	t.Run("has a home of its own and what npm is told by variables, nothing else", func(t *testing.T) {
		t.Setenv("npm_config_registry", "https://packages.example/")
		t.Setenv("BULKHEAD_DSN", "secret")
		all := strings.Join(npmEnvironment("/private"), "\n")
		if !strings.Contains(all, "HOME=/private\n") || !strings.Contains(all, "npm_config_registry=https://packages.example/") || strings.Contains(all, "secret") {
			t.Error(all)
		}
	})
}
