package pg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
)

func TestDSN(t *testing.T) {
	t.Parallel()
	const awkward = `p'w\ d@/:%?&#"`
	for name, dsn := range map[string]string{
		"of a URL":                  "postgres://admin:old@db.example:6432/ledger?sslmode=disable&application_name=x",
		"of a URL without password": "postgresql://db.example:6432/ledger?sslmode=disable&user=admin&password=old",
		"of settings":               "host=db.example port=6432 user=admin password='old' dbname=ledger sslmode=disable",
	} {
		t.Run("changes user and password and nothing else "+name, func(t *testing.T) {
			t.Parallel()
			changed, err := pg.DSNAs(dsn, "bulkhead_ops", awkward)
			if err != nil {
				t.Fatal(err)
			}
			config, err := pgx.ParseConfig(changed)
			if err != nil {
				t.Fatal(err)
			}
			if config.User != "bulkhead_ops" || config.Password != awkward || config.Host != "db.example" || config.Port != 6432 || config.Database != "ledger" || config.TLSConfig != nil {
				t.Fatalf("%s reads as %s at %s:%d/%s with password %q", changed, config.User, config.Host, config.Port, config.Database, config.Password)
			}
		})
		t.Run("changes the database and nothing else "+name, func(t *testing.T) {
			t.Parallel()
			changed, err := pg.DSNWithDatabase(dsn, "other")
			if err != nil {
				t.Fatal(err)
			}
			config, err := pgx.ParseConfig(changed)
			if err != nil || config.Database != "other" || config.User != "admin" || config.Password != "old" || config.Port != 6432 {
				t.Fatalf("%s, %v", changed, err)
			}
		})
		t.Run("adds the role that sessions act as "+name, func(t *testing.T) {
			t.Parallel()
			changed, err := pg.DSNAsRole(dsn, "bulkhead_ops")
			if err != nil {
				t.Fatal(err)
			}
			config, err := pgx.ParseConfig(changed)
			if err != nil || config.RuntimeParams["role"] != "bulkhead_ops" || config.User != "admin" {
				t.Fatalf("%s, %v", changed, err)
			}
		})
		t.Run("is printed without its password "+name, func(t *testing.T) {
			t.Parallel()
			if got := pg.Redact(dsn); got != "postgres://admin@db.example:6432/ledger" {
				t.Fatal(got)
			}
		})
	}
	t.Run("that cannot be read is refused without its password and with the form to use", func(t *testing.T) {
		t.Parallel()
		const bad = "postgres://admin:s3cret@db.example:notaport/ledger"
		_, err := pg.Open(t.Context(), bad, pg.Options{})
		if !errors.Is(err, pg.ErrDSN) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "postgres://user:password@host:5432/database") {
			t.Fatal(err)
		}
		if got := pg.Redact(bad); strings.Contains(got, "s3cret") {
			t.Fatal(got)
		}
	})
	t.Run("that asks for losses is refused: the server alone can", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{
			"postgres://admin@db.example/ledger?bulkhead.durability=unsafe",
			"postgres://admin@db.example/ledger?options=-c%20bulkhead.durability%3Dunsafe", "host=db.example options='-c bulkhead.durability=unsafe'",
		} {
			if _, err := pg.Open(t.Context(), bad, pg.Options{}); !errors.Is(err, pg.ErrDSN) || !strings.Contains(err.Error(), "ALTER DATABASE") {
				t.Errorf("%s: %v", bad, err)
			}
		}
	})
	t.Run("of a socket is printed with its directory", func(t *testing.T) {
		t.Parallel()
		if got := pg.Redact("host=/run/pg user=u password=x dbname=d"); got != "postgres://u@/d?host=%2Frun%2Fpg" {
			t.Fatal(got)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("postgres://u:", "@h/d")
	f.Add("user=u password=", " host=h")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "Zq9secretZq9"
		if strings.Contains(pg.Redact(before+secret+after), secret) {
			config, err := pgx.ParseConfig(before + secret + after)
			if err == nil && strings.Contains(config.Password, secret) {
				t.Fatalf("the password is printed for %q", before+secret+after)
			}
		}
	})
}
