// Package journeys holds end-to-end tests: the real binaries as processes on loopback, real PostgreSQL, a real NATS server, the
// simulator over HTTP, and a publisher that is nothing but a NATS client. The verdicts share no code with the services: they
// compare what was published with what the simulator holds and was sent, and with the balance that ops serves over HTTP.
//
// What always holds: every stack is asked for its balance several times a second for as long as it lives, and a balance that does
// not add up fails the test, whatever the test is about. Every wait is bounded by patience and asks for a state; nothing waits
// for time to pass, but where the passing of time is the subject. Every process is in a group of its own and ends with its test,
// politely where the test did not kill it: exit 0 within 15 s is part of every journey.
//
// BULKHEAD_JOURNEY_RECORDS sets how many records the journey of the three kills carries (default 20,000).
// BULKHEAD_JOURNEY_SEED sets the seed of the storm of versions, and of when the journeys of the operations are killed.
// BULKHEAD_JOURNEY_LOGS names a directory that keeps what every process logged.
package journeys
