// Package stack is everything that one chaos run stands on, each part as a process of its own on this machine's loopback: PostgreSQL, a
// NATS server, the simulated org, and two instances of every service; and the links between them, on which something can be made wrong.
//
// What always holds: every part is started again as soon as it ended, whoever ended it, unless it is held down; only the org is not,
// because it is what a run is judged by. Each instance reaches PostgreSQL and the broker by a link of its own, all instances reach the org
// by one, and publishers reach the broker by one; addresses stay the same from the start of a run to its end. Processes are in groups of
// their own, are ended by their handle, and end with us. What a process writes is kept in a file per start (logs/<part>-<n>.log), and so is
// what it tells of crash points (points/<part>-<n>.log). Every start and every end is told to Options.Record.
//
// The cluster is kept from run to run, and a run's database is a copy of its template. Everything else is fresh.
//
// What is left to others: which faults there are and when (package inject), what is published, and what it all has to come to.
//
// Start reading at Start; Part is what faults work on.
package stack
