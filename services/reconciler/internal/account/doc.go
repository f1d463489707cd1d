// Package account decides what became of each row of a chunk, from values alone: no I/O, no clock, no database.
//
// What always holds:
//   - Every row of the chunk has exactly one outcome in the end: landed, failed, unprocessed, missing or superseded; the five add up.
//   - Nothing is decided before rule 8 of the design allows it ([Decide]): counters of a complete job must equal the files, the
//     files of a failed or aborted one must be the same at two reads settle.wait apart, and a row is missing only after three reads over
//     missing.wait. A row that was never sent, or that stands in the files twice, decides nothing at all: the chunk is quarantined.
//   - Rows are matched by the value of the external id field as Salesforce folds it, never by their place: order is not kept.
//   - The same files give the same [Digest] in whatever order their rows stand.
//
// The order of things: [NewIndex] reads the chunk's rows once; a [Reading] takes the rows of one read of the result files; [Decide]
// says whether that is enough; [Dispose] says what follows for a row that did not land; [Tally] counts the transfers.
//
// What it leaves to others: downloading (package reconcile), when a retry is due or exhausted (retrier).
//
// Start reading at [Decide].
package account
