// Package ledger is ops' read model: the balance, the state of pipelines with everything that is open and who must move it, and the history of
// one record with what a person decided of it. It reads the owners' views and the broker, writes nothing and keeps nothing.
//
// What always holds: the balance is one statement over the owners' views, never a copy, so it adds up at any moment; every open item names the service that
// must move it; a broker that does not answer leaves unread at what is known (-1 messages) and is named among the open items.
//
// Start reading at [Reader.Balance], [Reader.Status] and [Reader.History].
package ledger
