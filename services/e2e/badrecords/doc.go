// Package badrecords publishes every bad record of the catalogue to a whole Bulkhead and asks what became of it.
//
// The catalogue is testdata/records.txt: number, case and verdict, 1 to 88. The suite fails when a number has no line, a line no test, or a test ends in
// something that its line does not say. All cases run through one set of services in the test's process, on a real PostgreSQL, a real NATS server
// and the simulator over HTTP; each message is a run of its own, so that the balance and the letters of its run are its verdict.
//
// What always holds for a case: it is decided, once; what is refused keeps its bytes, in the ledger and in the message on the DLQ stream; what lands is
// in the org as it was published; and taking it apart costs at most 16 MiB of memory in all, whatever it claims to be.
//
// Whatever needs no broker, ledger or org is tested beside the code that decides it, as table and fuzz target. testdata/parsers.txt
// lists the targets, and the suite fails when one is there that it does not name, or the other way round; `make fuzz FUZZTIME=60s` runs them all.
package badrecords
