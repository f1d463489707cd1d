package testkit

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Snapshot is the state of a test's database at one moment.
type Snapshot struct{ name string }

// Snapshot keeps the database as it is now. Whoever is connected to it is thrown out: services are to be stopped before.
func (db *DB) Snapshot(t testing.TB) Snapshot {
	t.Helper()
	s := Snapshot{name: fmt.Sprintf("%s_at_%d", db.Name, databases.Add(1))}
	db.copyTo(t, db.Name, s.name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execAdmin(ctx, "DROP DATABASE IF EXISTS "+s.name+" WITH (FORCE)"); err != nil {
			t.Errorf("testkit: %v", err)
		}
	})
	return s
}

// Restore puts the database back to a snapshot, as whoever restores a backup does. Whoever is connected to it is thrown out.
func (db *DB) Restore(t testing.TB, s Snapshot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	if err := execAdmin(ctx, "DROP DATABASE "+db.Name+" WITH (FORCE)"); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	db.copyTo(t, s.name, db.Name)
}

func (db *DB) copyTo(t testing.TB, from, to string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	for _, statement := range []string{
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + from + "'",
		"CREATE DATABASE " + to + " TEMPLATE " + from,
	} {
		if err := execAdmin(ctx, statement); err != nil {
			t.Fatalf("testkit: %v", err)
		}
	}
}
