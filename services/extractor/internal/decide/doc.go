// Package decide holds what the extractor decides, in plain values: which records are new, repeats or dead, which rows they become,
// when a lane's rows are sealed into a chunk, and how far each lane of a stream is decided.
//
// The [Engine] is one pipeline's part of that: candidates are fed to it in the order of the stream ([Engine.Feed]), it keeps what is
// not yet committed in one buffer per lane, says which lanes are due ([Engine.Due]), cuts them into a [Commit] ([Engine.Cut]) and
// forgets them when that is stored ([Engine.Settle]). [Replay] and [Reread] do the same for what is sent by order, apart from the stream.
//
// What always holds:
//   - No I/O, no clock, no randomness: times and chunk ids are handed in.
//   - A candidate at or below its lane's mark is skipped, so the stream may be read again from the smallest mark at any time, and a
//     frame may be half decided.
//   - Verdicts depend on the stream's content alone, and on what people gave up and Salesforce refused for good before, never on where
//     earlier readings were cut off: an engine that is thrown away and made again from the stored marks and records decides every record
//     as the first one would have.
//   - Of an entity the newest value of each field wins, by version where the definition names one, else by place: what comes late is reduced to
//     what newer versions do not say, and superseded when nothing is left. The records of a row stand in that order, the oldest first.
//   - Every candidate is counted once: as a record of a chunk, refused, superseded, or a repeat.
//   - Marks never go back, and a mark moves past a record only in the commit that holds its verdict.
//   - Memory is bounded by the limits of the definition: a lane's rows up to its chunk's bytes, and its refused records up to
//     [MaxDead] and [MaxDeadBytes].
//
// Rows are packed into pieces as the lane fills, but the pieces stay in memory until they are sealed: that way every version of an entity
// merges into the row that the chunk already has, however far back it stands (what changes is laid over it at the seal), and a crash leaves no pieces to
// sweep.
//
// What it leaves to others: reading records out of messages (the mapper in package extract), looking up what the ledger knows
// (package store) and committing (package extract).
package decide
