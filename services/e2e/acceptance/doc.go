// Package acceptance holds tests of what the whole promises and no single service can show: partial failure accounted for row by row, retries of just
// what failed, repeats that change nothing, services that stop alone, rest that asks nothing of the ledger. The services' app packages run in the test's
// process, on a real PostgreSQL, a real NATS server and the simulator over HTTP, each of which a test may stop and start by name.
// BULKHEAD_ACCEPTANCE_SEED repeats the storm of versions of a run that failed; its log names the seed.
//
// rows.txt lists what was promised, each with the tests of any package that show it.
//
// What always holds: verdicts come from the outside, that is from ops' HTTP API, the DLQ stream and the simulator; every wait asks for a state and is
// bounded. Journeys of the binaries as processes, and of processes that are killed, are in package journeys.
package acceptance
