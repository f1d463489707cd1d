// Package courier is a message broker in memory that stands in for NATS JetStream under package bus, so that tests can play days of work in
// milliseconds, with time that is real or that of a testing/synctest bubble.
//
// What always holds:
//   - It does what the contract tests of package bus ask of NATS, which run against both: streams with their bounds and incarnations, atomic
//     batches, the window of message ids, durable consumers that bring again what was not acknowledged, readers from a place, direct reads.
//   - The same calls in the same order have the same outcome: what is given to whom is decided while the courier is locked, in the order in
//     which they asked.
//   - It starts no goroutine and keeps no timer of its own: what time does (ages, ack waits, forgotten consumers) is done when somebody looks, and
//     who waits for a message wakes at the times that matter to it.
//   - Each user has a [Handle], which can be cut off as a process is that was killed: its calls fail, its pulls end, what it was given and did
//     not acknowledge comes to others after the ack wait.
//
// What it leaves out: clusters, permissions, headers that NATS itself reads (but the message id), push consumers, and all of JetStream that
// package bus does not use.
//
// Start reading at [Open] and [Courier.As].
package courier
