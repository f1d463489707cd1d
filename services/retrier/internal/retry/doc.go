// Package retry decides what is sent again, when, and with what, and carries it out: nothing else in Bulkhead decides that.
//
// Ways through it, each a pass over rows that can be repeated at any moment:
//
//   - take: the failures to retry of a reconciled chunk become waiting rows with class, attempt, reason and due time, or, when their tries are
//     used up, dead rows and letters. One transaction, guarded by one row per chunk.
//   - resolve: unresolved records that were decided not to have landed become waiting rows of the same generation, due at once. Guarded by one
//     row per record.
//   - replay: letters that a person ordered to be sent again become waiting rows of the next generation, due at once. Guarded by one
//     row per letter.
//   - regroup: what is due in a lane becomes one resend chunk: whole units, each entity once, the older version first, at most one such chunk on
//     its way per pipeline and lane.
//   - free: the rows of a resend chunk go when its outcome is known and none of them is unresolved.
//   - letters: the open letters are published again when the DLQ stream is another one than before.
//   - backlog: a pipeline with too many waiting records is paused until a person lifts it, or half of them are gone.
//
// What always holds:
//
//   - Rows are taken only from chunks that have an outcome row, so no earlier sending of them can still land.
//   - What waits is stored before anybody waits, and due times are rows: nothing is forgotten by a restart.
//   - A unit is what Salesforce answered as one row. Its records wait and go together; a replayed letter is a unit of its own and sends
//     only the columns that its record names.
//   - That an earlier try of a record may have had an effect that nobody saw goes with the record, over retries and generations.
//   - The number of counted tries of a record in one generation never exceeds its policy, except by the one that follows a person's decision.
//
// Decisions are in decide.go and pick.go (pure); the passes are one file each; reading starts at [Passes].
package retry
