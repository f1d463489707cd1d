// Package soak carries millions of records while one process after the other is killed, and says whether anything got lost, landed twice or grew.
//
// Every part is a process of its own, as in a chaos run, with the product's own waits, leases and looks: two instances of each service, NATS that syncs
// every write, PostgreSQL with fsync, the simulated org. Records are published as fast as they are taken; a part of them the org refuses at first. At
// steady intervals one process is killed by SIGKILL and started again: each service (one of its two instances), the broker and the ledger in turn, in an
// order that a seed decides. It ends when everything is settled.
//
// What always holds:
//   - What becomes of a record follows from its number alone ([Load]), so that what must be there in the end is counted before anything is published, and
//     compared record by record: the balance exactly, every row of the org with what it must hold, every dead letter with its code. The judge's memory is
//     a bit for each record.
//   - It asks the org, the dead-letter stream and the API's balance; it reads the ledger only for figures.
//   - Every few seconds memory, goroutines and open files of each process, sessions of each service, leases, and the rows of what must not pile up are
//     written down. What a process did not answer is absent.
//   - Whether figures are flat is decided by [Compare], which is pure.
//
// A soak leaves soak.json, samples.ndjson, timeline.ndjson and the logs of all processes in its directory; the ledger goes.
//
// Start reading at [Run].
package soak
