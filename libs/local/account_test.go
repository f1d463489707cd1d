package local

import (
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAccountReaches(t *testing.T) {
	t.Parallel()
	open := lasting(t)
	shut := filepath.Join(open, "shut")
	inner := filepath.Join(shut, "inner")
	if err := errors.Join(os.Mkdir(shut, 0o700), os.Mkdir(inner, 0o755)); err != nil {
		t.Fatal(err)
	}
	stranger := account{name: "stranger", uid: 4_000_000, gid: 4_000_000, switched: true}
	t.Run("names the first directory that the server's user may not enter, and the cure", func(t *testing.T) {
		t.Parallel()
		if err := stranger.reaches(inner); err == nil || !strings.Contains(err.Error(), "chmod o+x "+shut) || !strings.Contains(err.Error(), "stranger") {
			t.Fatal(err)
		}
	})
	t.Run("is content with a way that is open", func(t *testing.T) {
		t.Parallel()
		if err := stranger.reaches(open); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("asks nothing when the server runs as ourselves", func(t *testing.T) {
		t.Parallel()
		if err := (account{}).reaches(inner); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFindBinaries(t *testing.T) {
	t.Run("says in one line what to install when there is nothing", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := findBinaries(t.Context(), 0, nil)
		if !errors.Is(err, ErrNoPostgres) || !strings.Contains(err.Error(), "apt-get install -y postgresql") || strings.Contains(err.Error(), "\n") {
			t.Fatal(err)
		}
	})
	t.Run("takes the newest that is not too old, and the one that a directory needs", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		root := t.TempDir()
		for _, version := range []string{"9", "14", "16", "17"} {
			dir := filepath.Join(root, version, "bin")
			script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + ".3 (Debian)'\n"
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "postgres"), []byte(script), 0o755), os.WriteFile(filepath.Join(dir, "initdb"), []byte(script), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		patterns := []string{filepath.Join(root, "*", "bin")}
		for wanted, found := range map[int]int{0: 17, 16: 16, 14: 14} {
			if b, err := findBinaries(t.Context(), wanted, patterns); err != nil || b.major != found {
				t.Errorf("wanted %d, found %d, %v", wanted, b.major, err)
			}
		}
		if _, err := findBinaries(t.Context(), 12, patterns); err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 12") {
			t.Error(err)
		}
		if err := os.RemoveAll(filepath.Join(root, "16")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(root, "17")); err != nil {
			t.Fatal(err)
		}
		if _, err := findBinaries(t.Context(), 0, patterns); !errors.Is(err, ErrNoPostgres) {
			t.Errorf("14 was taken: %v", err)
		}
	})
}

// An account that is not root runs the server as itself. Root can try that by becoming somebody else; anybody else tries
// it in every test of this package.
func TestNotRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	a, err := accountOf(nobody)
	if err != nil {
		t.Fatal(err)
	}
	dir := lasting(t)
	program := filepath.Join(dir, "program")
	if err := copyFile(program, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.Mkdir(data, 0o755), a.own(data)); err != nil {
		t.Fatal(err)
	}
	cmd, words := startChildProgram(t, program, data, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}})
	if got := query(t, words.DSN, "SELECT current_user"); got != "postgres" {
		t.Fatal(got)
	}
	killGroup(t, cmd)
	t.Run("and root takes the directory over as its owner", func(t *testing.T) {
		p := start(t, PostgresOptions{DataDir: data})
		info, err := os.Stat(filepath.Join(data, "postgres", "postmaster.pid"))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != a.uid {
			t.Fatalf("%v", err)
		}
		query(t, p.DSN(), "SELECT 'alive'")
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
