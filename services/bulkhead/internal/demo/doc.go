// Package demo is the job that `bulkhead demo` does: it generates accounts and contacts of which about one contact in twenty
// fails at first, publishes them with nothing but a NATS client, follows the balance that ops serves over HTTP, heals one
// group of dead letters, and judges the result.
//
// The verdict shares no code with the services: it compares the balance with what the generator published, entity by entity,
// and with what the simulator says that it holds. Start reading at Run.
package demo
