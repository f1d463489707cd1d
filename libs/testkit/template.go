package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"bulkhead/libs/pg"
)

// templates are the migrated databases of this process, by what was migrated.
var templates struct {
	sync.Mutex
	names map[string]string
}

// templateFor returns the name of a database with these schemas, and makes it the first time.
func templateFor(ctx context.Context, migrations []pg.Migrations) (string, error) {
	id, err := fingerprint(migrations)
	if err != nil {
		return "", err
	}
	templates.Lock()
	defer templates.Unlock()
	if name, ok := templates.names[id]; ok {
		return name, nil
	}
	name := fmt.Sprintf("template_%d_%d", os.Getpid(), len(templates.names)+1)
	if err := execAdmin(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	dsn, err := pg.DSNWithDatabase(cluster.postgres.DSN(), name)
	if err != nil {
		return "", err
	}
	for _, m := range migrations {
		if err := pg.Migrate(ctx, dsn, m); err != nil {
			return "", err
		}
	}
	if templates.names == nil {
		templates.names = map[string]string{}
	}
	templates.names[id] = name
	return name, nil
}

// fingerprint names a set of migrations by its content.
func fingerprint(migrations []pg.Migrations) (string, error) {
	sum := sha256.New()
	for _, m := range migrations {
		err := fs.WalkDir(m.FS, "migrations", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := fs.ReadFile(m.FS, path)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(sum, "%s %s %d\n%s", m.Service, path, len(data), data)
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("read migrations of %s: %w", m.Service, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// AllMigrations are those of every service, read from the source tree. A service's queries read other services' views,
// and no service may import another one, so its tests find the neighbours' schemas here.
func AllMigrations(t testing.TB) []pg.Migrations {
	t.Helper()
	root := Root(t)
	all := make([]pg.Migrations, len(pg.Services))
	for i, service := range pg.Services {
		all[i] = pg.Migrations{Service: service, FS: os.DirFS(filepath.Join(root, "services", service, "internal", "store"))}
	}
	return all
}

// Root is the top directory of the source tree.
func Root(t testing.TB) string {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	return root
}

func findRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the source tree: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work in %s or above: run the tests inside the source tree", start)
		}
	}
}
