// Package export streams what became of a pipeline's records, one line a record: those that landed, with their Salesforce ids, and those that did
// not (dead, retrying, waiting for their parent, unresolved), with code, message and, as NDJSON, their payload. A person filters and corrects the
// second kind without a result file from Salesforce, and replays just those.
//
// What always holds: an export is of one moment, within one snapshot of the ledger; the number of its records is known before its first line and is
// what the balance of that same snapshot says (landed; or dead + retrying + waiting for parent + unresolved), and an export that comes to another
// number is broken off, so that its reader notices. Memory is bounded by one chunk's manifest, whatever the number of records.
//
// As CSV (RFC 4180, UTF-8, LF, a header line) a value that a spreadsheet could take for a formula, one that begins with = + - @, a tab or a carriage
// return, gets an apostrophe in front; programs read NDJSON, where every value is as it is in the ledger.
//
// It leaves who may ask to its caller. Start reading at [Exporter.Run] and [Handler].
package export
