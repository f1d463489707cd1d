package ledger_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/testkit"
)

// kept is a ledger of one table with an identity, a unique key and a row.
func kept(t *testing.T) *ledger.DB {
	t.Helper()
	db, err := ledger.Open()
	must(t, err)
	for _, sql := range []string{
		`CREATE SCHEMA s`, `CREATE TABLE s.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE)`,
		`INSERT INTO s.t (name) VALUES ('before')`,
	} {
		exec(t, db, sql)
	}
	return db
}

// back puts a ledger back to a backup, as an operator does.
func back(t *testing.T, db *ledger.DB, b *ledger.Backup) {
	t.Helper()
	db.Stop()
	must(t, db.Restore(b))
	db.Start()
}

func TestBackup(t *testing.T) {
	t.Run("what was committed since is forgotten, what was changed or deleted is as it was, and numbers are given out again", func(t *testing.T) {
		db := kept(t)
		b := db.Backup()
		exec(t, db, `INSERT INTO s.t (name) VALUES ('since')`)
		exec(t, db, `UPDATE s.t SET name = 'other' WHERE name = 'before'`)
		for range 2 { // one backup is good for several
			back(t, db, b)
			if n := number(t, db, `SELECT count(*) FROM s.t WHERE name = 'before' AND id = 1`); n != 1 {
				t.Errorf("%d rows of before", n)
			}
			if n := number(t, db, `INSERT INTO s.t (name) VALUES ('since') RETURNING id`); n != 2 {
				t.Errorf("the next number is %d", n)
			}
			if n := exec(t, db, `DELETE FROM s.t WHERE name = 'before'`); n != 1 {
				t.Errorf("%d rows were deleted", n)
			}
		}
	})
	t.Run("unique keys are those of the backup", func(t *testing.T) {
		db := kept(t)
		b := db.Backup()
		exec(t, db, `UPDATE s.t SET name = 'other'`)
		back(t, db, b)
		if _, err := db.Exec(t.Context(), `INSERT INTO s.t (name) VALUES ('before')`); code(err) != "23505" {
			t.Errorf("error %v", err)
		}
		exec(t, db, `INSERT INTO s.t (name) VALUES ('other')`)
	})
	t.Run("a transaction that is open is not in it, and is undone by the stop", func(t *testing.T) {
		db := kept(t)
		one := db.As("one")
		tx := begin(t, one)
		exec(t, tx, `INSERT INTO s.t (name) VALUES ('open')`)
		b := db.Backup()
		must(t, tx.Commit(t.Context()))
		late := begin(t, one)
		exec(t, late, `UPDATE s.t SET name = 'late' WHERE name = 'before'`)
		back(t, db, b)
		if err := late.Commit(t.Context()); !errors.Is(err, pgx.ErrTxClosed) {
			t.Errorf("the commit says %v", err)
		}
		if n := number(t, one, `SELECT count(*) FROM s.t WHERE name = 'before'`); n != 1 || number(t, one, `SELECT count(*) FROM s.t`) != 1 {
			t.Error("rows of after the backup are there")
		}
	})
	t.Run("a server that is stopped lets nobody in, tells who waits or listens, and handles go on when it starts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			db := kept(t)
			one, other := db.As("one"), db.As("other")
			holder := begin(t, one)
			exec(t, holder, `UPDATE s.t SET name = 'held'`)
			waited, listened := make(chan error), make(chan error)
			go func() {
				_, err := other.Exec(t.Context(), `UPDATE s.t SET name = 'waited'`)
				waited <- err
			}()
			go func() { listened <- other.Listen(t.Context(), "c", func() {}) }()
			time.Sleep(time.Second)
			db.Stop()
			if err := <-waited; err == nil {
				t.Error("who waited for a row hears nothing")
			}
			if err := <-listened; !errors.Is(err, ledger.ErrStopped) {
				t.Errorf("who listened hears %v", err)
			}
			for name, h := range map[string]*ledger.Handle{"one": one, "admin": db.Handle} {
				if err := h.Ping(t.Context()); !errors.Is(err, ledger.ErrStopped) {
					t.Errorf("%s is let in: %v", name, err)
				}
			}
			if err := holder.Commit(t.Context()); !errors.Is(err, ledger.ErrStopped) {
				t.Errorf("the commit says %v", err)
			}
			db.Start()
			if n := number(t, other, `SELECT count(*) FROM s.t WHERE name = 'before'`); n != 1 {
				t.Error("what was not committed is there")
			}
		})
	})
	t.Run("a ledger that runs, and one of another kind, is not restored", func(t *testing.T) {
		db, another := kept(t), kept(t)
		b := db.Backup()
		if db.Restore(b) == nil {
			t.Error("it ran")
		}
		db.Stop()
		if db.Restore(another.Backup()) == nil {
			t.Error("the backup is another ledger's")
		}
		db.Start()
		exec(t, db, `ALTER TABLE s.t ADD COLUMN more text`)
		db.Stop()
		if db.Restore(b) == nil {
			t.Error("the schema is another one")
		}
	})
	t.Run("all schemas of the product are in it", func(t *testing.T) {
		db, err := ledger.Open(testkit.AllMigrations(t)...)
		must(t, err)
		b := db.Backup()
		exec(t, db, `INSERT INTO extractor.pipelines (name) VALUES ('contacts')`)
		exec(t, db, `INSERT INTO submitter.recoveries (pipeline) VALUES ('contacts')`)
		back(t, db, b)
		if n := number(t, db, `SELECT (SELECT count(*) FROM extractor.pipelines) + (SELECT count(*) FROM submitter.recoveries)`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		exec(t, db, `INSERT INTO submitter.recoveries (pipeline) VALUES ('contacts')`)
	})
}
