package watch

import "bulkhead/services/e2e/chaos/internal/history"

// RestSQL gives a line for each sort of work that is still to be done (what, how much of it), SampleSQL what one look reads of the ledger (the
// marks by pipeline and lane, the progress by service): for who reads a ledger that has no address.
func RestSQL() string { return restSQL }

// SampleSQL is told of at [RestSQL].
func SampleSQL() string { return sampleSQL }

// Letter reads a message of the stream of letters; its time, sequence and subject are the caller's to say.
func Letter(data []byte) history.Letter { return parse(data) }
