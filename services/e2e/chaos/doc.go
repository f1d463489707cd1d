// Command chaos tries what Bulkhead promises: it starts every part as a process of its own, lets seeded faults strike while records flow, and
// has an independent judge say what became of each record.
//
//	go run ./services/e2e/chaos run --seeds 20      # or: make chaos SEEDS=20
//	go run ./services/e2e/chaos run --seed 17       # one seed again, everything kept
//	go run ./services/e2e/chaos judge DIR           # a run that was kept, by today's judge
//	go run ./services/e2e/chaos shrink DIR          # which of a failing run's faults it takes
//	go run ./services/e2e/chaos report DIR...       # sums up runs that were kept
//	go run ./services/e2e/chaos plan 17             # what a seed means
//	go run ./services/e2e/chaos outage              # how soon full speed is back after two minutes without the org
//	go run ./services/e2e/chaos power --rounds 50   # power cuts of NATS and PostgreSQL: nothing that was acknowledged is lost
//	go run ./services/e2e/chaos soak                # ten million records and a kill every 20 s: nothing is lost, and nothing grows
//
// Exit codes: 0 every run passed, 1 something was found or not tried, 2 the instrument failed or was misused, 130 interrupted.
//
// The packages: plan (seed → plan), stack (processes), inject (faults), load (what is published), watch (what is seen meanwhile), collect
// (what there is in the end), verdict (the judge), history (the files between them), drive (a run, many runs), report, shrink, power; outage, which measures; and soak.
package main
