// Package record is the domain in plain values: the states of a record and the balance that counts them, the outcomes of a row, the
// classes of failure and the policy that says what follows from each, hashes of keys, entities and contents, lanes, places in a
// stream, versions of a record, spaces of entities and how values fold in them, and the settings that every service reads with the same meaning.
//
// What always holds:
//   - Standard library only; no I/O, no clock, no randomness: a time or a random number is handed in.
//   - The words of the balance, of outcomes, classes and stages stand here once and are the ones that SQL, JSON and metrics use.
//   - A hash never changes its meaning: stored rows are found again by it. A new meaning needs a new prefix. The same holds for the bytes of a
//     [Version], whose order is the order of versions.
//   - Every function is total: no input makes it panic.
//
// What it leaves to others: which code has which class (package salesforce), where a definition sets another policy (package
// pipeline), and the legal moves of submissions, watches and chunks, which are the business of the service that owns the table.
//
// Start reading at [Balance] and [Policies.Decide].
package record
