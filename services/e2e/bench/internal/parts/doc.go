// Package parts starts what is measured, each part as processes of its own: PostgreSQL (fsync, synchronous_commit and full_page_writes on), nats-server
// (sync_interval: always), the simulated org without any wait of its own, and all six services in one process, which is the product's own one-machine
// mode (`bulkhead dev`) pointed at the three others.
//
// What always holds:
//   - Everything is new for each run: an empty cluster, an empty store, an empty org. Nothing of it is left after Close.
//   - All listen on loopback only, on free ports. What they log is kept in files, and its end is part of the error when one ends by itself.
//   - Nothing outlives this process (Linux).
//
// The services are one process because that is how the product runs on one machine, and because six would be measured as six runtimes: what they cost
// more then is memory (a heap and a runtime each), while the work done for a record is the same code.
package parts
