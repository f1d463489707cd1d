// Package bulk is the simulated org's Bulk API 2.0 for ingest: jobs from create to result files.
//
// Start with Manager (every call of the API and the control API), then Job and its states, Upload (how a CSV is kept),
// and process.go (what happens after a close).
//
// What always holds:
//   - a job moves Open → UploadComplete → InProgress → JobComplete | Failed, and to Aborted from the first three; after
//     a close nobody ever sees Open again;
//   - a job takes exactly one upload, kept byte for byte as it was sent;
//   - every row has one outcome: created, updated, deleted, failed, or unprocessed when it was never attempted. The
//     result files are written from the outcomes, so they agree with the counters unless a fault says otherwise;
//   - nothing is undone: rows saved before an abort or a failure stay saved;
//   - a job that was deleted, has vanished or is too old answers as if it had never been, but stays visible to the
//     control API with its upload and outcomes.
//
// What is wrong with a file as a whole is found only after the close, and shows as state Failed with errorMessage.
// Left to others: HTTP and who may call (package rest), what a row does (package org), when to misbehave (package
// fault). A Manager is safe for concurrent use.
package bulk
