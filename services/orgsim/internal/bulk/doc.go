// Package bulk is the simulated org's Bulk API 2.0: ingest jobs from create to result files, and query jobs from create to
// the pages of their results.
//
// Start with Manager and life.go (what jobs of both sorts have in common). Of ingest jobs then lifecycle.go (what callers
// may do with a job, and the refusals), process.go (what happens after a close), batch.go (how rows are saved in batches
// that may be put back), Upload (how a CSV is kept) and Results; of query jobs QueryJob, query_run.go and QueryPage.
//
// What always holds of ingest jobs:
//   - a job moves Open → UploadComplete → InProgress → JobComplete | Failed, and to Aborted from the first three; after
//     a close nobody ever sees Open again, unless a fault says otherwise;
//   - a job takes exactly one upload, kept byte for byte as it was sent;
//   - every row is attempted once at most, also when its batch is put back, and has one outcome: created, updated,
//     deleted, failed, or unprocessed when it was never attempted. The result files are written from the outcomes, so
//     they agree with the counters unless a fault says otherwise;
//   - nothing is undone: rows saved before an abort or a failure stay saved;
//
// And of query jobs:
//   - a job moves UploadComplete → InProgress → JobComplete | Failed, and to Aborted from the first two;
//   - its result is the rows that the query found at one moment, with the values of that moment, whatever is saved later:
//     it is kept as places of rows (four bytes each, see stockBytes) and written anew for each caller;
//   - a locator stands for the same row as long as the job is there.
//
// A job of either sort that was deleted, has vanished or is too old answers as if it had never been, but stays visible to
// the control API; the upload and the outcomes of an ingest job do too, until those of newer ones need the room (setting
// gone_job_bytes).
//
// What is wrong with a file as a whole is found only after the close, and shows as state Failed with errorMessage. Ages
// and limits go by the org's clock, and a job grows old when it is looked at.
//
// Left to others: HTTP and who calls (package rest), what a row does (package org), when to misbehave (package fault),
// what nobody knows about real orgs (package switches; this package acts on the positions). A Manager is safe for
// concurrent use.
package bulk
