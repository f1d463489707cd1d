// Package rereads takes orders to read a part of a RECORDS stream again, and says how far they have come. The extractor carries them out: what the
// ledger knows is a repeat, what it does not know is accepted.
//
// What always holds: an order names messages that the stream holds, and only such as are decided in every lane. What is not decided yet is read
// anyway, and reading it in two ways at once could accept it twice. Each idempotency key orders once.
//
// Start reading at [Orders.Order].
package rereads
