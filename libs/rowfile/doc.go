// Package rowfile is the form of a chunk's content: CSV rows, cut into compressed pieces as they come and read back as a stream, and the
// manifest that says which row carries which records.
//
// What always holds:
//   - The CSV is what Salesforce's ingest jobs take with columnDelimiter COMMA and lineEnding LF: RFC 4180, UTF-8, no byte order mark, cells
//     quoted where their bytes need it. Writing and reading again gives the same cells, byte for byte.
//   - A piece holds whole rows, packed, about [PieceBytes] raw; pieces of a chunk, in order, are its rows without the header.
//   - The same rows give the same bytes: an upload made again is the same upload.
//   - The raw CSV with its header never exceeds [MaxBytes], and a row is never split: the writer says [ErrFull] before.
//   - Reading is bounded: no piece, row or manifest makes it hold more than its declared maximum, whatever its bytes claim.
//
// What it leaves to others: what cells mean ("" = absent and "#N/A" = null are package pipeline's), and where pieces are stored.
//
// Start reading at [Writer] and [Rows].
package rowfile
