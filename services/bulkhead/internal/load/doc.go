// Package load carries one file into a pipeline and tells what became of every row: bulkhead load.
//
// What always holds:
//   - The file is read twice: once to know it (digest, rows, columns, whether it is whole), once to publish it. Nothing is published of a file
//     that cannot be read to its end, whose columns the definition does not know, or that is not the same the second time.
//   - A row's key is the digest of the file's content and the line on which the row begins, so the same file loaded again is all repeats,
//     however the first load ended. Options that change what a row says are part of the digest, unless they say what is found out without them.
//   - Rows are published in the order of the file, each frame acknowledged before the next (package publish).
//   - Every row is counted once: published, or refused here with its line and the reason. What was published is followed by the balance that ops
//     serves, not by counts of our own. A row that is a repeat of a record which another run brought and which has not landed is told like one of this run.
//   - Memory does not grow with the file: rows are streamed, and what is kept are a few bytes for each frame of 128 KiB and for
//     each row that failed.
//
// What it leaves to others: what a value means (the definition, applied by the extractor), retries, decisions about dead letters.
//
// Start reading at [Run].
package load
