// Package plan expands a seed into everything that a chaos run does: how much is published, which faults strike whom, and when.
//
// [Draw] is a pure function. Equal seeds give equal plans on every machine, as long as [Version] and the list of crash points are the same:
// chance comes from PCG, whose numbers are specified, and the kinds of faults are not drawn but dealt, so that a row of seeds tries all of
// them evenly:
//
//   - deals are decks: each holds every choice once, is shuffled by its round, and is dealt on from seed to seed. Of n choices, k a seed,
//     any s seeds in a row deal each at least ⌊k·s/n⌋-1 times;
//   - kills: three a seed, dealt over the six services, sometimes of both instances at once; of the broker, of PostgreSQL and of everything
//     in four of five seeds each;
//   - crash points: four a seed, dealt over all points; killed there, killed there twice, or held there for longer than a lease; what a
//     point needs to be reached is added to the plan (needs.go); and one more process that is held in the middle of a submission or an outcome;
//   - of the other kinds (pauses, ends, cuts, deletions, full storage, operators, a changed definition) three a seed;
//   - on a cluster of brokers (cluster.go) two faults of its nodes a seed stand in the place of those of the one broker;
//   - scripts for the org: three a seed, dealt over every kind of effect that the simulator has (script.go).
//
// What a fault would destroy for good is not injected: RECORDS is never deleted while faults go on (see Plan.Resumes), and the org itself outlives
// everything, because it is what runs are judged by. Faults overlap freely, but for those that stop the broker, PostgreSQL or everything: these
// stand apart from each other, so that each one's recovery can be measured.
package plan
