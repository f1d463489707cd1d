// Package account decides what became of each row of a chunk, from values alone: no I/O, no clock, no database.
//
// What always holds:
//   - Every row of the chunk has exactly one outcome in the end: landed, failed, unprocessed, missing or superseded; the five add up.
//   - Nothing is decided before rule 8 of the design allows it ([Decide]): counters of a complete job must equal the files, the
//     files of a failed or aborted one must be the same at two reads settle.wait apart, and a row is missing only after three reads over
//     missing.wait. Rows that were never sent, more rows than were sent, and ids that cannot be decide nothing at all: the chunk is quarantined.
//   - Rows are matched by what survives Salesforce, never by their place: by the value of the key field as its space folds it (upserts, and
//     inserts with a correlating field), by the row's Id (updates and deletes), or, for inserts without any such field, by content: as a strict
//     multiset of fingerprints. A row that the files tell of more often than it was sent has no outcome in them: it is missing.
//   - A missing row is sent again where the same row twice is the same row. An inserted one is looked up first ([Ask]), and one that nothing
//     tells apart is unresolved: it is never sent again without a decision.
//   - The same files give the same [Digest] and the same outcome in whatever order their rows stand.
//
// The order of things: [NewIndex] knows the chunk; a [Reading] takes the rows of one read of the result files; [Decide] says whether that is
// enough; [Reading.Finish] gives the [Outcome], which look-ups may complete; [Dispose] says what follows for a row that did not land; [Tally]
// counts the transfers.
//
// Memory: a key and some thirty bytes per row, or some hundred for content, and the texts of refused rows. Never the rows themselves.
//
// What it leaves to others: downloading and looking up (package reconcile), when a retry is due or exhausted (retrier).
//
// Start reading at [Decide].
package account
