package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is a ledger as the services use it: a *pgxpool.Pool in production, an implementation in memory where a test plays days of work in
// milliseconds. Statements outside of a transaction are transactions of their own. It is for any number of goroutines.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
	// Ping says whether the ledger can be reached.
	Ping(ctx context.Context) error
	// Close gives everything back; nothing is asked of it any more.
	Close()
}

// listener is a DB that tells by itself of notifications; a pool is asked for its address instead, since listening wants a connection of its own.
type listener interface {
	// Listen calls heard once when it has begun to listen and for every notification on the channel, until ctx ends or the ledger goes away.
	Listen(ctx context.Context, channel string, heard func()) error
}

// gambler is a DB that has numbers of its own in [0,1) for what is left to chance; with a pool they are math/rand's.
type gambler interface {
	// Draw may be called from any goroutine.
	Draw() float64
}
