package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// majorOf reads which version of PostgreSQL made the data directory; 0 when it does not exist yet. A directory that
// holds something else is refused, never overwritten.
func majorOf(dataDir string) (int, error) {
	if dataDir == "" {
		return 0, nil
	}
	text, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if err == nil {
		major, err := strconv.Atoi(string(bytes.TrimSpace(text)))
		if err != nil {
			return 0, fmt.Errorf("%s/PG_VERSION reads %q: the directory is damaged; restore it or choose another --data", dataDir, text)
		}
		return major, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("look at %s: %w; if it belongs to another user, run as that user or choose another --data", dataDir, err)
	}
	entries, err := os.ReadDir(dataDir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", dataDir, err)
	}
	return 0, fmt.Errorf("%s exists and is not a PostgreSQL data directory: move it away or choose another --data", dataDir)
}

// makeCluster makes the data directory where it does not exist, in one step: initdb works beside it, and a rename puts
// it in place, so that a crash in between leaves nothing that looks finished.
func (su setup) makeCluster(ctx context.Context) error {
	parent := filepath.Dir(su.dataDir)
	if err := su.account.reaches(parent); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(su.dataDir, "PG_VERSION")); err == nil {
		return su.ownedByAccount()
	}
	if err := removeHalfMade(su.dataDir); err != nil {
		return err
	}
	made, err := os.MkdirTemp(parent, filepath.Base(su.dataDir)+halfMade)
	if err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := su.account.own(made); err != nil {
		return err
	}
	if err := su.fill(ctx, made); err != nil {
		return errors.Join(err, os.RemoveAll(made))
	}
	if err := os.Remove(su.dataDir); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty, majorOf has looked
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := os.Rename(made, su.dataDir); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// halfMade marks the directories in which initdb works.
const halfMade = ".init-"

// removeHalfMade removes what an initdb left that was killed. The data directory's lock is held.
func removeHalfMade(dataDir string) error {
	left, err := filepath.Glob(dataDir + halfMade + "*")
	if err != nil {
		return fmt.Errorf("look for left-overs of initdb: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove a left-over of initdb: %w", err)
		}
	}
	return nil
}

// ownedByAccount refuses a data directory that the server could not open, in words that help.
func (su setup) ownedByAccount() error {
	info, err := os.Stat(su.dataDir)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != su.account.uid {
		return fmt.Errorf("%s belongs to user %d and PostgreSQL would run as %s: run as its owner, or choose another --data", su.dataDir, owner, su.account.name)
	}
	return nil
}

// fill puts a new cluster into an empty directory, from the cache if there is one.
func (su setup) fill(ctx context.Context, dir string) error {
	if su.o.InitCache == "" {
		return su.initdb(ctx, dir, su.o.Fsync)
	}
	cached, err := su.cached(ctx)
	if err != nil {
		return err
	}
	return su.run(ctx, dir, "cp", "-a", cached+"/.", dir)
}

// cached returns a cluster that initdb made earlier, or makes it. It is one per version and user, and is trusted only
// when that user owns it, since the directory may be one that others write.
func (su setup) cached(ctx context.Context) (string, error) {
	if err := su.account.reaches(su.o.InitCache); err != nil {
		return "", err
	}
	path := filepath.Join(su.o.InitCache, fmt.Sprintf("bulkhead-initdb-%d-%d", su.bin.major, su.account.uid))
	if info, err := os.Lstat(path); err == nil {
		if !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != su.account.uid || info.Mode().Perm() != 0o700 {
			return "", fmt.Errorf("%s is not ours: remove it", path)
		}
		return path, nil
	}
	made, err := os.MkdirTemp(su.o.InitCache, filepath.Base(path)+halfMade)
	if err != nil {
		return "", fmt.Errorf("keep initdb's result: %w", err)
	}
	if err := su.account.own(made); err != nil {
		return "", err
	}
	if err := su.initdb(ctx, made, false); err != nil {
		return "", errors.Join(err, os.RemoveAll(made))
	}
	if err := os.Rename(made, path); err != nil {
		// Another process was first: its result is as good.
		if _, statErr := os.Stat(filepath.Join(path, "PG_VERSION")); statErr != nil {
			return "", fmt.Errorf("keep initdb's result: %w", err)
		}
		return path, os.RemoveAll(made)
	}
	return path, nil
}

// initdb makes a cluster whose only way in, until the server is told otherwise, is the socket with peer.
func (su setup) initdb(ctx context.Context, dir string, sync bool) error {
	args := []string{"-D", dir, "-U", adminRole, "--auth-local=peer", "--auth-host=scram-sha-256", "--no-instructions", "-E", "UTF8", "--locale=C"}
	if !sync {
		args = append(args, "--no-sync")
	}
	return su.run(ctx, dir, su.bin.path("initdb"), args...)
}

// run runs a short program as the server's account.
func (su setup) run(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = attributes(su.account)
	cmd.Dir, cmd.Env = dir, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, oneLine(out[:min(len(out), 8<<10)]))
	}
	return nil
}
