// Package engine runs parsed statements on tables in memory.
//
// What always holds:
//
//   - One statement runs at a time, whole, under the store's mutex. A statement that meets what another transaction holds is undone, waits without
//     the mutex until that transaction has ended, and runs again from its beginning: a legal order of events under READ COMMITTED.
//   - A row has at most one transaction that holds it. What that one wrote is seen by it alone until it commits.
//   - Locks of rows and advisory locks are held to the end of their transaction, or to its first error. Two transactions that wait for each other are found at once, and the
//     one that closes the circle fails with 40P01.
//   - A plan is made once per text and depends on the schema only; it holds no state of a run.
//   - Rows come in the order in which they were written where nothing asks for another one.
//
// Compile and run errors travel as panics of *pgconn.PgError inside the package and leave it as errors.
//
// Start reading at Store.Run, then compile.go for plans, then rows.go for what a transaction sees.
package engine
