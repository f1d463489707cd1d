// Package extract is the extractor at work: it reads each pipeline's stream of records under a lease, turns messages into candidates,
// lets package decide judge them, and commits what that cuts; it maps replayed letters again, and drops rows that nobody needs.
//
// The passes, each a function that does one round and says how much it did:
//   - [Reader.Pass] for one pipeline: take or renew the lease, read, decide, commit at most once; and carry on an order to read a part of
//     the stream again.
//   - [Freer.Pass]: chunks whose outcome is known give up their rows.
//   - [Replayer.Pass]: letters that a person ordered to be sent again, of stage extract or of an older revision.
//   - [Republisher.Pass]: a DLQ stream that was made again gets every open letter again.
//
// What always holds:
//   - Whatever goes wrong between reading and committing, the reader forgets what it held and reads again from the stored marks.
//   - A reader that lost its lease commits nothing: the ledger fences by the epoch.
//   - At the bound of fresh chunks without an outcome nothing is read and nothing is sealed.
//   - What is not looked up in the ledger is certainly not in it: what the reader remembers of it has every row, or is not used.
//   - A stream that was made again, shortened, or put back and written to since stops its pipeline with an alarm; nothing is guessed. [Resume] is a
//     person's word that what is missing is lost; what the stream holds and nobody has read is read all the same, behind everything else.
//   - A definition's revision starts at a place where everything before is committed under the one before; when it changes the number
//     of lanes, or how values of the key field compare, it waits until nothing of the entity space can still be sent; when it tells rows of the same
//     object apart by another field, until nothing of the pipeline can.
//   - What is read again is decided again by the holder of the lease alone, only up to where every lane is decided, and with nothing unsealed:
//     the ledger then knows all that there is to know of it.
//
// What it leaves to others: verdicts (package decide), SQL (package store), wiring and loops' periods (package app).
package extract
