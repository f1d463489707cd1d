// Package properties holds the property of the whole product: whatever sequence of versions, merges, failures, replays, discards, re-loads and
// re-reads the records of an entity go through, the org ends in the newest value of each field, no value ever goes back to an older one, each record
// ends where the model says that it must, and the balance adds up at every look.
//
// It stands on every service in one process, a real broker, a real ledger and the simulated org. The model ([world]) is written from what was
// published and from the words of docs/architecture.md, and shares no code with the product. Where the product may do one of two things, depending on
// what it did first (a late version meets the newer one before or after that one failed), the model allows both, takes what it sees and goes on
// from there; all else it predicts.
//
// Sequences that a draw seldom meets stand by name in TestKnownSequences. BULKHEAD_PROPERTY_CASES is the number of cases (default 5),
// BULKHEAD_PROPERTY_SEED repeats a run: the seed stands in the output of a run that fails, together with the smallest sequence found that fails and
// the story of the entity. `make properties CASES=150 FIRST=20261123` sets both; every night draws from a seed of its own.
package properties
