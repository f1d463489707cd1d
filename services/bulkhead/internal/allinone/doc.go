// Package allinone runs everything on one machine: a local PostgreSQL, an embedded NATS server that syncs every write, the
// simulator, and every service from the very same app packages that the services' own binaries run.
//
// What always holds: everything listens on loopback; each service connects as its own role with a password made for this
// start; Start returns when a publish would be accepted and carried, or undoes what it had opened; Stop ends the parts in
// the reverse order of their start. Start reading at Start.
package allinone
