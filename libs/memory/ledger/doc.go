// Package ledger is a ledger in memory: PostgreSQL as the services use it, for tests that play days of work in milliseconds. It runs the product's own
// SQL, migrations and queries, so that no second copy of what they mean exists.
//
// What always holds:
//
//   - Statements mean what they mean to PostgreSQL at READ COMMITTED: a statement sees what was committed before it began and what its transaction
//     wrote, locked rows are waited for or skipped, constraints are enforced with PostgreSQL's error codes, a failed statement ends its transaction.
//     A transaction that is begun as REPEATABLE READ reads one moment and may not write.
//   - What is not known is refused with the code 0A000 or 42601, never guessed.
//   - It is deterministic but for random numbers and the order in which goroutines arrive, does nothing beyond its process, keeps no goroutine of its
//     own, and reads time from package time alone: inside of a synctest bubble time is the bubble's.
//   - A Handle is what one instance of a service holds. Cut ends it as the kill of the process ends its connections: open transactions are undone, and
//     nothing is done by it any more.
//   - A Backup is a whole database at one moment. It is put back while the server is stopped, which ends every connection and no handle.
//
// Where it differs from PostgreSQL, beside what it refuses:
//
//   - A statement that has waited for a row runs again as a whole, where PostgreSQL looks again at that row only. Both are allowed orders of events;
//     the anomalies of the latter do not happen here.
//   - Roles and permissions are not enforced, and neither are the bounds on time other than the one on waiting for a lock.
//   - A pool has no bound on its connections.
//   - Rows without ORDER BY come in the order in which they were written, which PostgreSQL leaves open.
//   - numeric is a float64; the numbers of hashtext are others; jsonb compares by its text.
//   - Definitions (DDL) are not undone by a rollback.
//
// Start reading at Open and As.
package ledger
