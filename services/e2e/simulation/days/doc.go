// Package days plays what takes hours and days in virtual time: an org that is away for half an hour, a service that is down for longer than Salesforce
// keeps the results of jobs, a daily limit that is used up, sessions that end, clocks that are wrong.
//
// What always holds: the six services are the real ones with their production settings (waits, leases, sweeps, backoffs), in one testing/synctest
// bubble, over a ledger, a broker and a network in memory; the org is the simulator, whose clock is the bubble's. Nothing is known of the services'
// insides: what is judged is what ops' API says, what the org holds and was sent, what the dead-letter stream holds, and what was logged.
//
// What a crash does at which place is left to the simulation of seeds and to chaos.
//
// The package has no code outside of its tests, which are left out under the race detector: there days take minutes each, and the simulation of seeds
// has the same goroutines. Start reading at world_test.go.
package days
