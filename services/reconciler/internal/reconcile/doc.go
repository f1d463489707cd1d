// Package reconcile accounts for every row of every chunk whose job has ended: it reads the result files, decides by rule 8 of the design
// (package account), and writes the one outcome row of the chunk together with everything that follows from it.
//
// What always holds:
//   - A chunk has at most one outcome row, and it is written only when nothing of the chunk can land any more. Its row, the
//     transfers, the failures with payload, the dead letters, the pauses and the fact chunk_reconciled commit together or not at all.
//   - Reading changes nothing at Salesforce. A crash, an error or two reconcilers at once cost a download and no more: the files are
//     read again from their start, and nothing is ever sent again from here.
//   - A download counts only when it ended where a record ends; one that broke off leaves nothing but an error and a time to try again.
//   - Files that contradict what was sent decide nothing: the chunk is quarantined and its pipeline paused until a person lifts that pause,
//     after which the files are read again.
//   - An inserted row that stands in no file is never sent again before two look-ups, lookup.wait apart, agreed that it is not there. Where no
//     field names it, its records are unresolved, each with a letter, until a person has decided: [Reconciler.Resolve] takes that over, once.
//   - While a job of an org has no outcome for five days, every pipeline of the org is paused: Salesforce deletes results after seven. The pauses end by
//     themselves when the last such job has its outcome, and one when its pipeline does not write to the org any more. A person who lifts them lets go
//     every job that was handed over by then: only one that was handed over later stops the org anew.
//   - A record that did not land keeps its row as sent, its payload as published, and every try so far.
//   - Memory is bounded by the rows of a chunk, not by the size of the files: a key, an outcome and an id per row, and the errors of the
//     refused ones. Failures are written in batches, the payloads fetched batch by batch.
//
// Everything that is due or dated goes by the ledger's clock; what the org has dated is brought to it by what the org's replies told of the time.
//
// What it leaves to others: watching jobs (poller), when to send again (retrier), what becomes of a dead letter (ops).
//
// Start reading at [Reconciler.Pass].
package reconcile
