package watch

import "bulkhead/services/e2e/chaos/internal/history"

// RestSQL gives a line for each sort of work that is still to be done (what, how much of it), for who reads a ledger that has no address.
func RestSQL() string { return restSQL }

// LettersSQL gives the sequence up to which ops has read the stream of letters.
func LettersSQL() string { return lettersSQL }

// Letter reads a message of the stream of letters; its time, sequence and subject are the caller's to say.
func Letter(data []byte) history.Letter { return parse(data) }
