// Command bench measures what a record costs: it starts services, NATS, PostgreSQL, the simulated org and a publisher as processes of their own, has
// records carried, and says what that took, beside what the same simulator costs a loop that only streams, and the libraries that people use today.
//
//	go run ./services/e2e/bench run                     # the cases that have bounds, medians of three runs; or: make bench
//	go run ./services/e2e/bench run --growth            # and ten million
//	go run ./services/e2e/bench run --records 1000000 --runs 1 --alone --profile DIR
//	go run ./services/e2e/bench stages DIR              # what each stage took for a record, from those profiles
//	go run ./services/e2e/bench trickle                 # how soon records land that come one by one
//
// Exit codes: 0 all landed and was measured, 1 something did not land or could not be measured, or with --bounds a bound does not hold, 2 misuse,
// 130 interrupted.
//
// What is counted, and what a run must prove before it counts, stands in the packages: trial (one run), parts (the processes),
// people (the records), floor (the loop), others (clients that people use today), report (medians, bounds, tables), stages (profiles by stage); and, shared with
// chaos, in services/e2e/internal: meter (CPU and memory), pump (the publisher), org (the simulated org), marked (places on pages). docs/performance.md keeps what
// was found.
package main
