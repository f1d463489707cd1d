// Package pg is what every service shares about PostgreSQL, the ledger: roles, migrations, a checked pool, transactions,
// and the outbox with its relay.
//
// What always holds:
//
//   - One writer per table. Each service has a schema of its name and a role bulkhead_<service> which may write nothing
//     else; Bootstrap makes the roles, a service's migrations grant what the role may do, Migrate runs them.
//   - A pool from Open talks to a primary of a supported version and commits synchronously. A replica is refused on
//     every new connection, so that a failover is noticed, and so is a server that could lose what it commits, unless
//     it says itself that this is wanted (Durability). Statements, lock waits and idle transactions are bounded.
//   - InTx runs effect, progress and what follows as one transaction, and says so when the end of one is not known.
//   - Enqueue stores messages in the caller's transaction; a Relay publishes what is visible and then deletes it. A
//     message is published at least once and never before its transaction has committed.
//
// What is left to others: every table but the outbox and the version table, what is published and to where (the Relay is
// given a function), and when a service starts to work.
//
// Start reading at Open, then InTx, then Relay.
package pg

import "errors"

// MinServerVersion is the oldest PostgreSQL that Open accepts, as server_version_num writes it.
const MinServerVersion = 150000

// ErrLost says that a compare-and-set changed no row: somebody else was first. The late one stops and touches nothing.
var ErrLost = errors.New("lost: another owner was first")

// ErrCommitUnknown says that the connection broke while a transaction was being committed: it may have happened or not.
// The work is safe to run again because every move states the old state that it expects.
var ErrCommitUnknown = errors.New("the outcome of the commit is unknown")

// ErrReplica says that the server is a replica: the ledger is read and written at the primary only.
var ErrReplica = errors.New("the server is in recovery")
