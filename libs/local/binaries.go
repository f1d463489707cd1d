package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// minMajor is the oldest PostgreSQL that the product supports.
const minMajor = 15

// ErrNoPostgres says that no usable PostgreSQL was found on this machine. Its text says what to install.
var ErrNoPostgres = errors.New("no PostgreSQL 15 or newer on this machine: install it (Debian, Ubuntu: apt-get install -y postgresql; macOS: brew install postgresql@17), or give --postgres postgres://user:password@host/database")

// binaries is one installation of PostgreSQL's programs.
type binaries struct {
	dir   string // holds postgres and initdb
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// searchPatterns are where packages put the programs when they are not on PATH (Debian's are not).
var searchPatterns = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // the project's own packages for Red Hat
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/Library/PostgreSQL/*/bin",          // the macOS installer
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findBinaries finds PostgreSQL: of the major version if it is not 0 (a data directory can only be opened by its own),
// else the first on PATH, else the newest of the places that the patterns name.
func findBinaries(ctx context.Context, major int, patterns []string) (binaries, error) {
	var found []binaries
	if postgres, err := exec.LookPath("postgres"); err == nil {
		if b, ok := installation(ctx, filepath.Dir(postgres)); ok {
			found = append(found, b)
		}
	}
	var elsewhere []binaries
	for _, pattern := range patterns {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return binaries{}, fmt.Errorf("look for PostgreSQL in %s: %w", pattern, err)
		}
		for _, dir := range dirs {
			if b, ok := installation(ctx, dir); ok {
				elsewhere = append(elsewhere, b)
			}
		}
	}
	slices.SortStableFunc(elsewhere, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
	found = append(found, elsewhere...)
	if err := ctx.Err(); err != nil {
		return binaries{}, fmt.Errorf("look for PostgreSQL: %w", err)
	}
	for _, b := range found {
		if (major == 0 && b.major >= minMajor) || (major != 0 && b.major == major) {
			return b, nil
		}
	}
	if major != 0 && len(found) > 0 {
		return binaries{}, fmt.Errorf("the data directory was made by PostgreSQL %d, which is not on this machine (found: %d in %s): install that version or choose another --data", major, found[0].major, found[0].dir)
	}
	return binaries{}, ErrNoPostgres
}

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// installation says whether dir holds both programs, and of which version they are.
func installation(ctx context.Context, dir string) (binaries, bool) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, false
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return binaries{}, false
	}
	major, err := strconv.Atoi(string(m[1]))
	return binaries{dir: dir, major: major}, err == nil
}
