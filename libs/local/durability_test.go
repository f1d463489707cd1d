package local

import (
	"errors"
	"os"
	"strings"
	"testing"

	"bulkhead/libs/pg"
)

// TestDurability stands on servers of its own: what a test's usual server is like is what is refused here.
func TestDurability(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]string
		want     string // in the error; "" = it is taken
	}{
		"a server without fsync is refused, with the way to ask for it":     {map[string]string{"fsync": "off"}, "bulkhead.durability = 'unsafe'"},
		"a server without full_page_writes is refused":                      {map[string]string{"full_page_writes": "off"}, "full_page_writes = off"},
		"a server without both that is asked for by name is taken":          {map[string]string{"fsync": "off", "full_page_writes": "off", "bulkhead.durability": "unsafe"}, ""},
		"a word that nobody knows is refused, however safe the server":      {map[string]string{"bulkhead.durability": "whatever"}, `"whatever"`},
		"a server that commits asynchronously by default is taken, as ours": {map[string]string{"synchronous_commit": "off"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := StartPostgres(t.Context(), PostgresOptions{Fsync: true, InitCache: os.TempDir(), SharedBuffers: "32MB", Settings: c.settings})
			if err == nil {
				defer func() {
					if err := p.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				}()
			}
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.Is(err, pg.ErrUnsafe) || !strings.Contains(err.Error(), c.want)):
				t.Error(err)
			}
		})
	}
	t.Run("commits are synchronous where the default is not, unless that is asked for by name", func(t *testing.T) {
		t.Parallel()
		p := start(t, PostgresOptions{Fsync: true, Settings: map[string]string{"synchronous_commit": "off"}})
		for _, c := range []struct{ database, word, want string }{{"safe", "", "on"}, {"unsafe", "unsafe", "off"}} {
			execute(t, p.DSN(), "CREATE DATABASE "+c.database, "ALTER DATABASE "+c.database+" SET bulkhead.durability = '"+c.word+"'")
			dsn, err := pg.DSNWithDatabase(p.DSN(), c.database)
			if err != nil {
				t.Fatal(err)
			}
			pool, err := pg.Open(t.Context(), dsn, pg.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var is string
			err = pool.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&is)
			pool.Close()
			if err != nil || is != c.want {
				t.Errorf("in %s synchronous_commit is %q, %v; want %q", c.database, is, err, c.want)
			}
		}
	})
	t.Run("a server that became unsafe is not waited for", func(t *testing.T) {
		t.Parallel()
		p := start(t, PostgresOptions{Fsync: true, Settings: map[string]string{"fsync": "off", "bulkhead.durability": "unsafe"}})
		execute(t, p.DSN(), "ALTER DATABASE bulkhead SET bulkhead.durability = ''")
		if _, err := pg.WaitReady(t.Context(), p.DSN(), pg.Options{}, pg.Migrations{}, nil); !errors.Is(err, pg.ErrUnsafe) {
			t.Error(err)
		}
	})
}
