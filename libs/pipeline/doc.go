// Package pipeline reads the definitions of pipelines and orgs, and applies a definition to a record: validate, find its key, map it to the cells
// of a row.
//
// What always holds:
//   - It is pure: bytes and values in, values out. No I/O, no clock, no knowledge of what an org looks like.
//   - A definition is read strictly: an unknown or repeated key, a value out of its bounds, anything that its operation cannot do is an
//     error that names its line. What is accepted is complete: nobody fills in defaults later. One thing no document says: whether the org compares the
//     key field exactly ([Definition.CaseSensitive]); whoever hands a definition on has filled it in.
//   - [Definition.Map] is total: whatever the bytes, it answers with a row or with one [Refusal] whose code is one of the contract's. It
//     reads a record once, takes memory in proportion to it, and goes no deeper than [MaxDepth].
//   - Numbers keep their text and never pass through a float64; strings keep their bytes, but that CRLF within one
//     becomes LF, since a job fails whole over a line end that is not its own.
//   - A cell is "" where the record says nothing and [Null] where it says null or where a record that is a whole row says
//     nothing; no record can say either by accident.
//   - The content hash does not depend on white space, on the order of members or on how a string is escaped.
//
// What it leaves to others: whether objects and fields exist (ops asks the org), repeats and lanes (the extractor), merging of versions.
//
// Start reading at [ParseDefinition] and [Definition.Map].
package pipeline
