package npm

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// lockFiles are those of the tree.
var lockFiles = []string{
	"node/package-lock.json", "../../clients/jsforce/package-lock.json", "../../clients/sf/package-lock.json", "../../bench/clients/jsforce/package-lock.json",
}

func TestLockFiles(t *testing.T) {
	for _, file := range lockFiles {
		lock, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Packages map[string]struct {
				Version, Resolved, Integrity string
				InBundle                     bool
			}
		}
		if err := json.Unmarshal(lock, &said); err != nil {
			t.Fatal(err)
		}
		t.Run(file+" names each package by version and digest (what comes inside another has that one's), and no host", func(t *testing.T) {
			for name, p := range said.Packages {
				if name != "" && (p.Version == "" || !p.InBundle && !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "") {
					t.Errorf("%s: %+v; write it with --omit-lockfile-registry-resolved", name, p)
				}
			}
		})
	}
}

func TestInstall(t *testing.T) {
	source := fstest.MapFS{manifest: {Data: []byte("{}")}, lockFile: {Data: []byte(`{"packages":{"node_modules/a":{"version":"1.2.3"}}}`)}}
	t.Run("says that there is no npm, where it is needed", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		t.Setenv("HOME", t.TempDir())
		t.Setenv("PATH", t.TempDir())
		if _, err := Install(t.Context(), source); !errors.Is(err, ErrNoNPM) {
			t.Error(err)
		}
	})
	t.Run("needs no npm for what is installed", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		t.Setenv("HOME", t.TempDir())
		t.Setenv("PATH", t.TempDir())
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(cache, "bulkhead", "npm", key(source[lockFile].Data))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		tree, err := Install(t.Context(), source)
		if err != nil || tree.Dir != dir {
			t.Fatal(tree.Dir, err)
		}
		if v, err := tree.Version("a"); v != "1.2.3" || err != nil {
			t.Error(v, err)
		}
		if v, err := tree.Version("nothing-of-the-kind"); err == nil {
			t.Error(v)
		}
	})
	t.Run("leaves nothing where npm fails, and says why", func(t *testing.T) {
		home, bin := t.TempDir(), t.TempDir()
		t.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
		t.Setenv("HOME", home)
		script := "#!/bin/sh\necho broken \"$@\" >&2\nmkdir -p node_modules/half\nexit 3\n"
		if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":/usr/bin:/bin")
		_, err := Install(t.Context(), source)
		if err == nil || !strings.Contains(err.Error(), "broken ci --ignore-scripts") {
			t.Error(err)
		}
		left := 0
		_ = filepath.WalkDir(home, func(_ string, d fs.DirEntry, _ error) error {
			if d != nil && d.Name() == "half" {
				left++
			}
			return nil
		})
		if left > 0 {
			t.Error("half an installation is left")
		}
	})
	t.Run("takes away what killed installations left, and no others'", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "tree")
		old, young, other := dir+unfinished+"1", dir+unfinished+"2", dir+"x"+unfinished+"3"
		for _, d := range []string{old, young, other} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now()
		for _, d := range []string{old, other} {
			if err := os.Chtimes(d, now.Add(-time.Hour), now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		sweep(dir, now.Add(-abandoned))
		if exists(old) || !exists(young) || !exists(other) {
			t.Error(exists(old), exists(young), exists(other))
		}
	})
}

func TestBeside(t *testing.T) {
	t.Run("puts scripts where they find the packages", func(t *testing.T) {
		tree, dir := Tree{Dir: t.TempDir()}, t.TempDir()
		if err := os.MkdirAll(tree.Package("@a/b"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := tree.Beside(dir, "npm.go"); err != nil {
			t.Fatal(err)
		}
		if !exists(filepath.Join(dir, "npm.go")) || !exists(filepath.Join(dir, modules, "@a", "b")) {
			t.Error("they are not there")
		}
	})
	t.Run("says which script is not there", func(t *testing.T) {
		if err := (Tree{}).Beside(t.TempDir(), "none.mjs"); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

func TestNodePackage(t *testing.T) {
	t.Run("names a package of the lock file for each sort of machine that has one", func(t *testing.T) {
		lock, err := nodeFiles.ReadFile("node/package-lock.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, on := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}} {
			if _, err := (Tree{lock: lock}).Version(nodePackage(on[0], on[1])); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Run("has a home of its own and what npm is told by variables, nothing else", func(t *testing.T) {
		t.Setenv("npm_config_registry", "https://packages.example/")
		t.Setenv("npm_config_cache", "/shared")
		t.Setenv("BULKHEAD_DSN", "secret")
		all := strings.Join(environment("/private"), "\n")
		if !strings.Contains(all, "HOME=/private\n") || !strings.Contains(all, "npm_config_registry=https://packages.example/") || strings.Contains(all, "secret") || strings.Contains(all, "/shared") {
			t.Error(all)
		}
	})
}
