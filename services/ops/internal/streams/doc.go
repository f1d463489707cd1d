// Package streams applies what the streams are (FLOW, DLQ, one RECORDS per pipeline) and lets the decided part of RECORDS go.
//
// What always holds: only ops makes, changes and purges streams. A message of RECORDS goes only when everything in it is decided (the lowest mark of the
// checkpoint vector) and no chunk without an outcome or with an unresolved record holds a record of it, so that whoever still needs a payload finds it
// there; when no order to read it again is open; and when it is older than the horizon that is kept for reading again after a restore, unless the
// stream is more than half full: then the oldest of that part goes, and the horizon that is left is shown. Of a pipeline whose reader has stopped
// with an alarm nothing goes, and its stream stays as it is; nor does anything of a stream that does not hold the last message that was read as it was read. A
// stream that has to be made though it was read before begins behind what was read.
//
// Start reading at [Decide] and [Streams.Purge].
package streams
