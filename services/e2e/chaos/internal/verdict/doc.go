// Package verdict judges a run from the files that it left: what was published and how the broker answered, what was done to the parts, what
// the org holds, held and was sent, what lay in the dead-letter stream, and what the API says in the end.
//
// It is pure and independent: it reads files and nothing else, imports package history and the standard library alone (a test asks the
// toolchain), knows no row, table or function of the product, and assumes nothing about the speed of clocks, so that it judges processes and
// simulated time alike, today's runs and old ones.
//
// How it goes about it. [known] puts each line of the ledger (landed, dead, superseded, ...) beside the record that was published. Then each
// file of rules asks its own question:
//
//	accounts.go    each acknowledged record is in exactly one place; nobody else's is; the balance is our own recount
//	landed.go      what is said to have landed is in the org, once, with these values
//	dead.go        what is said to have died did not land, and for the reason that its letter gives
//	superseded.go  what a superseded record says is said by newer ones, and it names its successor
//	versions.go    no value of a row ever went back, none was lost, none was set by nobody
//	jobs.go        no job is left behind, none was uploaded twice, and no row was sent again while it had landed or might still land
//	letters.go     a letter leaves the stream by an order about it alone, and lies there as long as the API calls it open
//	samples.go     at every moment the balance added up and no mark went back
//	bounds.go      no record was tried, and no job asked after, more often than allowed
//	recovery.go    how long it took from a fault to the first new progress
//
// orders.go knows what people ordered of which letters and that an order that is given again is one order, overruled.go when they may overrule what was foretold of a record. blind.go refuses to
// judge a run at which a part of the instrument did not look: no finding would mean nothing.
//
// A [history.Finding] names the invariant that it breaks by its number in docs/reliability.md and says with numbers what is wrong. What a
// judge cannot decide, because the org's truth was hidden from the product too, it lets pass; each such place says why.
package verdict
