// Package testkit gives tests the real parts: a PostgreSQL with every service's schema, a NATS server, and a logger that
// writes into the test's own output. It also finds tests by their names. It is imported by tests only.
//
// What always holds:
//
//   - One PostgreSQL cluster per test binary, started at the first call and gone with the process. Each Database is fresh,
//     copied from a template that was migrated once, and is dropped when its test ends. Tests may run in parallel.
//   - The server is the one that BULKHEAD_TEST_DATABASE_URL names (an administrator's address), else PostgreSQL's own
//     programs of this machine, else a container when a Docker engine answers. When there is none of them the test
//     fails and says what to install: a test that did not run is not a test that passed.
//   - Nothing here is durable: fsync is off. What needs a power cut to be survived is not tested with it.
//
// What is left to others: anything that knows a service's tables.
package testkit
