// Package inprocess starts a whole Bulkhead in a test's process: the app package of every service on a real PostgreSQL, a real NATS server and the
// simulator over HTTP, all made for that test. It belongs to the end-to-end tests; nothing else imports it.
//
// [Options] say what a suite wants otherwise: pipelines, the simulator's objects, waits. A [Stack] is what its tests talk to: the broker to publish,
// ops' HTTP API to ask, the simulator to look at and to break, the ledger where a test must look inside.
//
// What always holds:
//   - When the test ends its services have been stopped, each within 15 s, before what they stand on; one that ends with an error or too late fails
//     the test.
//   - Every wait asks for a state and ends after [Options].Patience, as every call of ops does; a call of the broker ends after 10 s.
//   - A balance that does not add up fails the test, whoever asked for it.
//   - What the services logged is shown with a test that fails.
//
// What is left to others: what suites publish and expect, and Bulkhead as processes, which package journeys starts and kills.
package inprocess
