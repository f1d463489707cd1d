// Package npm installs what a package-lock.json names, for tests and benches that run programs of other people on Node.
//
// What always holds: nothing of it is part of the product. What is installed is exactly what the lock file names, each package checked against its
// digest; install scripts never run, npm has a home of its own that is gone afterwards, and what is told to it is what its own variables and the user's
// .npmrc say about registries and proxies. An installation lies in the user's cache directory under a name made from its lock file, so that it is made
// once, and is moved into place whole: what is there is complete, whoever else installs at the same time. It is only read afterwards, by any number of
// processes at once. It may be deleted whenever nobody uses it.
package npm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// installTime bounds one installation; abandoned is the age from which what an installation left unfinished is nobody's.
	installTime = 10 * time.Minute
	abandoned   = 2 * installTime

	// complaint is how much of what npm says an error holds, in bytes.
	complaint = 600

	manifest = "package.json"
	lockFile = "package-lock.json"
	modules  = "node_modules"
)

// ErrNoNPM says that there is no npm to install with.
var ErrNoNPM = errors.New("npm is not on PATH")

// Tree is an installation.
type Tree struct {
	// Dir holds the directory node_modules.
	Dir  string
	lock []byte
}

// Install installs what package.json and package-lock.json in source name, unless it is installed already. It takes 10 minutes at most. The error wraps
// ErrNoNPM where npm is missing and needed; otherwise it holds what npm said first.
func Install(ctx context.Context, source fs.FS) (Tree, error) {
	lock, err := fs.ReadFile(source, lockFile)
	if err != nil {
		return Tree{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Tree{}, fmt.Errorf("npm: %w", err)
	}
	tree := Tree{Dir: filepath.Join(cache, "bulkhead", "npm", key(lock)), lock: lock}
	if exists(tree.Dir) {
		return tree, nil
	}
	bounded, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	if err := install(bounded, source, tree.Dir); err != nil {
		return Tree{}, fmt.Errorf("npm: %w", err)
	}
	return tree, nil
}

// key names an installation: by the packages, and by the sort of machine, because some packages are programs.
func key(lock []byte) string {
	return fmt.Sprintf("%s-%s-%x", runtime.GOOS, runtime.GOARCH, sha256.Sum256(lock))[:len(runtime.GOOS)+len(runtime.GOARCH)+18]
}

// install lets npm work in a directory beside dir, and moves the packages into place.
func install(ctx context.Context, source fs.FS, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return ErrNoNPM
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // packages are no secret
		return err
	}
	sweep(dir, time.Now().Add(-abandoned))
	made, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(made) }() // the next installation sweeps what could not be removed
	tree, home := filepath.Join(made, "tree"), filepath.Join(made, "home")
	for _, d := range []string{tree, home} {
		if err := os.Mkdir(d, 0o755); err != nil { //nolint:gosec // the same
			return err
		}
	}
	for _, name := range []string{manifest, lockFile} {
		text, err := fs.ReadFile(source, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(tree, name), text, 0o644) //nolint:gosec // the same
		}
		if err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error") //nolint:gosec // found on PATH
	cmd.Dir, cmd.Env = tree, environment(home)
	cmd.WaitDelay = time.Second // whom npm started may hold its output open
	if said, err := cmd.CombinedOutput(); err != nil {
		// What is wrong stands first; behind it npm explains its flags.
		text := strings.TrimSpace(string(said))
		return fmt.Errorf("%s ci: %w: %s", filepath.Base(npm), err, text[:min(len(text), complaint)])
	}
	if err := os.Rename(tree, dir); err != nil && !exists(dir) { // somebody else may have been first
		return err
	}
	return nil
}

// unfinished follows the name of an installation while it is made.
const unfinished = ".unfinished-"

// sweep removes what installations that were killed have left behind before a time.
func sweep(dir string, before time.Time) {
	left, _ := filepath.Glob(dir + unfinished + "*") // the pattern is well-formed
	for _, d := range left {
		if info, err := os.Stat(d); err == nil && info.ModTime().Before(before) {
			_ = os.RemoveAll(d) // or the next one does
		}
	}
}

// environment is what npm is told: a home of its own, and where it fetches from, which it must still know.
func environment(home string) []string {
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if low := strings.ToLower(name); strings.HasPrefix(low, "npm_config_") && low != "npm_config_cache" || strings.HasSuffix(low, "_proxy") || name == "NODE_EXTRA_CA_CERTS" {
			env = append(env, pair)
		}
	}
	if user, err := os.UserHomeDir(); err == nil && os.Getenv("NPM_CONFIG_USERCONFIG") == "" {
		if rc := filepath.Join(user, ".npmrc"); exists(rc) {
			env = append(env, "NPM_CONFIG_USERCONFIG="+rc)
		}
	}
	return env
}

// Version is the version of a package that the lock file names.
func (t Tree) Version(name string) (string, error) {
	var file struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(t.lock, &file); err != nil {
		return "", fmt.Errorf("%s: %w", lockFile, err)
	}
	if v := file.Packages[modules+"/"+name].Version; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("%s does not name %s", lockFile, name)
}

// Package is the directory of a package.
func (t Tree) Package(name string) string {
	return filepath.Join(t.Dir, modules, filepath.FromSlash(name))
}

// Beside copies scripts into dir, where they can import the packages afterwards.
func (t Tree) Beside(dir string, scripts ...string) error {
	for _, script := range scripts {
		text, err := os.ReadFile(script) //nolint:gosec // the caller's own file
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(script)), text, 0o644) //nolint:gosec // a script is no secret
		}
		if err != nil {
			return err
		}
	}
	return os.Symlink(filepath.Join(t.Dir, modules), filepath.Join(dir, modules))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
