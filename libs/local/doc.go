// Package local runs on one machine what a cluster gives elsewhere: a PostgreSQL of our own and an embedded NATS server.
// The all-in-one mode uses it, and so do tests.
//
// What always holds:
//
//   - StartPostgres uses the server whose address it is given, else PostgreSQL's own programs found on the machine,
//     started as a direct child on 127.0.0.1 and a free port, else it says in one line what to install.
//   - A server of our own never outlives us: it is told to stop by Stop, and by the kernel when we are killed (Linux).
//     What a killed predecessor left on a data directory, a live postmaster or backends of a dead one, is stopped or
//     waited for before the next start. One program at a time uses a directory (a lock file beside it says so).
//   - Passwords are random, made at each start, and kept in memory only. The administrator comes in over TCP with a
//     password, or through a socket in a private directory as the operating system's user that started us.
//   - A directory that we were not given is temporary and goes when we end, whatever ends us.
//   - NATS stores in the directory it is given and, unless told otherwise, syncs every write. When a write fails, as on a full disk, it takes no
//     message, says what is needed, and goes on by itself when there is room again.
//
// What is left to others: roles' rights and tables (package pg), streams (package bus).
//
// Unix only. Linux is what is tested; elsewhere a killed program leaves its PostgreSQL running until the next start on
// the same directory stops it.
package local
