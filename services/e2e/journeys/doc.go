// Package journeys holds end-to-end tests: the real binaries as processes on loopback, real PostgreSQL, a real NATS server, the
// simulator over HTTP, and a publisher that is nothing but a NATS client. The verdicts share no code with the services: they
// compare what was published with what the simulator holds and with the balance that ops serves.
package journeys
