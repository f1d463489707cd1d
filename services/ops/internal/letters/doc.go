// Package letters is the life of dead letters after their record died: the index that operators search, groups by cause, replay
// and discard, the decisions on unresolved records, and the closing of a letter when its new outcome is known.
//
//   - The reader follows the DLQ stream from a checkpoint and notes each letter; the sweep adds what the deciders' views hold and no message told of.
//   - Once in the life of a process the messages of open letters are looked for where they were noted: a ledger that was restored to an earlier moment may call
//     letters open whose messages were deleted since.
//   - An action (replay, discard) takes its idempotency key, locks the letters, compares their number with what the caller saw, moves them and
//     tells of it, in one transaction.
//   - A decision says of letters of class unresolved whether their records landed. The org is asked first, and nothing is stored that it
//     contradicts; the reconciler carries the decision out. Until then the records count as unresolved, and no action replays or discards them.
//   - The closer looks for the verdict on the next generation of each replayed letter, or on the same one of a record that was decided not to have
//     landed, and closes it; only then its message is deleted.
//
// What always holds: one row per letter, so of any number of orders to replay it only the first has an effect. A letter is never put
// into another state before its record is dead in the ledger. Its message stays in the stream until the record has landed, or was superseded,
// discarded or rolled back, or until a newer letter of the same record stands there; nothing is deleted by age. Where a deletion may have met a
// stream that was made again in that moment, every decider is asked for its open letters once more.
//
// What it leaves to others: sending again (the retrier, or the extractor where the payload must be mapped anew).
//
// Start reading at [Index.Order], [Index.Resolve], [Index.Read] and [Index.CloseKnown].
package letters
