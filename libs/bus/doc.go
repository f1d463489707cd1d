// Package bus is how services and publishers use NATS JetStream: the names of streams and subjects, the streams' settings, publishing with an
// acknowledgement, a worker for facts on FLOW, a reader for RECORDS and DLQ, dead letters, and the frames that upstream publishes.
//
// What always holds:
//   - Nothing counts as published before the broker has acknowledged it. Message ids are sent, and no argument rests on them: the
//     broker's window is at its minimum.
//   - [Work] acknowledges what the handler returned nil for, and what nobody will ever be able to read; anything else comes again.
//     A handler never acknowledges by itself and is safe to run twice. Events may be lost, doubled and reordered: views are the sure way.
//   - [Reader] gives messages in order, each once, from the place asked for, and says so when one is missing ([GapError]), when
//     the stream was made again ([IncarnationError]), shortened ([ShortenedError]), or put back and written to since ([ReplacedError]). It has no
//     durable state in the broker.
//   - A message in, whatever its bytes, makes nothing panic: [DecodeFrame] answers with records or with one refusal. However small it is packed, it
//     takes the memory of one frame.
//   - In a cluster a server that is cut off, or lags behind, makes no stream look shortened and no message lost: what it says is an error
//     ([ErrNoMajority]) until a majority holds it.
//   - Every call ends by its context or by [RequestTimeout].
//   - All of it works over any [Broker]: NATS is one, and the contract tests here run over another one in memory too (package courier).
//
// What it leaves to others: what facts mean (the services), what a record means (package pipeline), where progress is stored
// (the reader's owner). Only ops calls [EnsureFlow], [EnsureDLQ] and [EnsureRecords],
// and only a person's word [StoreAgain].
//
// Start reading at [Work] and [Reader.Fetch].
package bus
