package doctor

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/pg"
)

const (
	ledger = "ledger"
	// spareConnections are those that must be left: a service that starts beside its predecessor takes up to eight.
	spareConnections = 16
	// denied is PostgreSQL's code for what a role may not do.
	denied = "42501"
)

//go:embed ledger.sql
var ledgerSQL string

// ledgerFacts are what PostgreSQL says of itself.
type ledgerFacts struct {
	version     int // server_version_num
	replica     bool
	durability  pg.Durability
	unlogged    string // tables of ours that a crash empties, with commas
	most, taken int    // connections
	now         time.Time
}

// Ledger looks at PostgreSQL. What is asked may be asked by any role.
func Ledger(ctx context.Context, db pg.DB) []Check {
	began := time.Now()
	var f ledgerFacts
	err := db.QueryRow(ctx, ledgerSQL).Scan(
		&f.version, &f.replica, &f.durability.Fsync, &f.durability.FullPageWrites, &f.durability.SynchronousCommit, &f.durability.Word,
		&f.unlogged, &f.most, &f.taken, &f.now,
	)
	took := time.Since(began)
	if err != nil {
		return []Check{LedgerAway(err)}
	}
	// Its clock was read somewhere between the question and the answer.
	return append(f.checks(), Skew(ledger, f.now.Sub(began.Add(took/2)), took/2))
}

// LedgerAway is the check of a ledger that does not answer, or is refused.
func LedgerAway(err error) Check {
	fix := "see that PostgreSQL runs and that its address, role and password are right"
	switch {
	case errors.Is(err, pg.ErrUnsafe):
		return wrong(ledger, "durability", "set fsync and full_page_writes to on, and restart PostgreSQL where it asks for that", "%s", oneLine(err))
	case errors.Is(err, pg.ErrReplica):
		fix = "give the address of the primary"
	}
	return wrong(ledger, "reachable", fix, "%s", oneLine(err))
}

// checks say what the facts mean.
func (f ledgerFacts) checks() []Check {
	out := []Check{ok(ledger, "reachable", "PostgreSQL %d.%d", f.version/10000, f.version%10000)}
	if f.version < pg.MinServerVersion {
		out[0] = wrong(ledger, "reachable", "upgrade it", "PostgreSQL %d; %d or newer is needed", f.version/10000, pg.MinServerVersion/10000)
	}
	if f.replica {
		out = append(out, wrong(ledger, "primary", "give the address of the primary", "it is a replica"))
	} else {
		out = append(out, ok(ledger, "primary", "it takes writes"))
	}
	return append(out, f.durable(), f.kept(), f.room())
}

// durable: what is committed survives a power cut.
func (f ledgerFacts) durable() Check {
	d := f.durability
	has := fmt.Sprintf("fsync %s, full_page_writes %s, synchronous_commit %s", d.Fsync, d.FullPageWrites, d.SynchronousCommit)
	if d.Unsafe() {
		return wrong(ledger, "durability", "set fsync, full_page_writes and synchronous_commit to on and reset bulkhead.durability, or never mind where losses do not matter",
			"losses are asked for by name (bulkhead.durability = unsafe): %s", has)
	}
	if err := d.Check(); err != nil {
		return wrong(ledger, "durability", "set them to on, and restart PostgreSQL where it asks for that", "%s", has)
	}
	if d.SynchronousCommit == "off" || d.SynchronousCommit == "local" {
		return ok(ledger, "durability", "%s; our sessions commit with synchronous_commit on all the same", has)
	}
	return ok(ledger, "durability", "%s", has)
}

// kept: no table of ours is emptied by a crash.
func (f ledgerFacts) kept() Check {
	if f.unlogged != "" {
		return wrong(ledger, "tables", "ALTER TABLE … SET LOGGED", "a crash empties what is not logged: %s", f.unlogged)
	}
	return ok(ledger, "tables", "all of them are logged")
}

// room: another service can still come in.
func (f ledgerFacts) room() Check {
	if left := f.most - f.taken; left < spareConnections {
		return wrong(ledger, "connections", "raise max_connections, or run fewer instances", "%d of %d are taken: %d are left, and an instance takes up to 8", f.taken, f.most, left)
	}
	return ok(ledger, "connections", "%d of %d are taken", f.taken, f.most)
}

// Schemas compares the schemas in the ledger with what programs of this build need.
func Schemas(ctx context.Context, db pg.DB, all ...pg.Migrations) []Check {
	var fit []string
	var out []Check
	for _, m := range all {
		if c := schema(m.Service, pg.CheckSchema(ctx, db, m), mayRead(ctx, db, m.Service)); c.Result != OK {
			out = append(out, c)
			continue
		}
		fit = append(fit, m.Service)
	}
	if len(fit) > 0 {
		out = append(out, ok(ledger, "schema", "%s: as this build needs them", strings.Join(fit, ", ")))
	}
	return out
}

// schema says what the comparison of one means; hidden is the error of reading its version, where there is one.
func schema(service string, err, hidden error) Check {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return ok(ledger, "schema", "%s", service)
	case errors.As(hidden, &refused) && refused.Code == denied:
		return unknown(ledger, "schema", "ask with an administrator's address: bulkhead doctor --dsn-file FILE", "this role may not read the version of %s", service)
	case errors.Is(err, pg.ErrSchemaOlder):
		return wrong(ledger, "schema", "run `"+service+" migrate`", "%s", oneLine(err))
	case errors.Is(err, pg.ErrSchemaNewer):
		return wrong(ledger, "schema", "run the newer release of "+service, "%s", oneLine(err))
	}
	return wrong(ledger, "schema", "see that PostgreSQL answers", "%s", oneLine(err))
}

// mayRead tries the table of a schema's version.
func mayRead(ctx context.Context, db pg.DB, service string) error {
	_, err := db.Exec(ctx, "SELECT FROM "+service+".goose_version LIMIT 0")
	return err
}
