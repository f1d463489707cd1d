// Package watch looks at a running stack from outside, several times a second, and writes down what it saw: [Run]. It also says when
// everything has come to rest: [Rest].
//
// What always holds:
//   - It only reads: ops' HTTP API, the ledger as its administrator by one statement a look, the simulator's control API, and the DLQ stream.
//     What does not answer is absent from a sample, and asked again at the next.
//   - The letters are read by a plain client that keeps no consumer: it asks the stream for message after message, so that nothing that is
//     done to consumers or to the stream itself hides one. Each message is written once for each life of the stream.
//   - No look takes longer than a bound, and one that is late is left out, not made up for.
//
// It shares no code with the services. The tables that it reads are theirs; when one is renamed its statements say so at the next look.
package watch
