package main

import (
	"slices"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/report"
)

// What is loaded unless something else is asked for.
const (
	small, usual, huge = 200_000, 1_000_000, 10_000_000
	// failing is the part of the rows that the org refuses when it sees them first, fewer that of the loads by which memory is tested.
	failing, fewer = 0.05, 0.03
)

// standard are the cases that figures and bounds are told of: with the chunks of a definition that does not speak of chunks, which is what a user gets;
// with those for large loads; and with the largest ones, which cost the fewest calls.
func standard() []report.Case {
	return []report.Case{
		{Records: small, Chunk: people.Usual(), Failing: failing},
		{Records: usual, Chunk: people.Usual(), Failing: failing},
		{Records: small, Chunk: people.Load(), Failing: failing},
		{Records: usual, Chunk: people.Load(), Failing: failing},
		{Records: usual, Chunk: people.Largest(), Failing: failing},
	}
}

// loads are how many records clients load that are compared.
func loads(cases []report.Case) []int64 {
	var out []int64
	for _, c := range cases {
		if !slices.Contains(out, c.Records) {
			out = append(out, c.Records)
		}
	}
	return out
}
