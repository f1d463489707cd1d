// Package api is the operator's door: gRPC bulkhead.ops.v1, and the same verbs over HTTP with JSON beside it. Exports are over HTTP only: they are
// package export's, behind [Guard], which lets in whom the other doors would.
//
// What always holds:
//
//   - Both doors of a verb go through the same interceptors: recovery, metrics, logging, authentication, authorization, validation. HTTP is a client of gRPC,
//     over the loopback interface.
//   - Requests are bounded in size and time. A payload, a token or a reason never stands in a log.
//   - An error says what to do. Its code is what scripts rely on: InvalidArgument for a request that cannot be understood, NotFound for what nothing
//     matches, FailedPrecondition for what policy refuses, PermissionDenied and Unauthenticated for who asks, Unavailable for a database,
//     broker or org that does not answer, Internal for what is our fault.
//   - Without tokens it listens on this machine only.
//
// What it leaves to others: the verbs themselves (packages ledger, letters, rereads and definitions).
//
// Start reading at [Serve] and [Service].
package api

const (
	// maxBody bounds a request, over either door: 10,000 ids of letters take 400 KB, a definition 256 KiB.
	maxBody = 4 << 20
	// maxReply bounds an answer: 1,000 letters of a page, each with its texts.
	maxReply = 64 << 20
)
