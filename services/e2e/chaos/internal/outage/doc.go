// Package outage measures, in real time, how soon the product is back at full speed when an org is back that was away for minutes.
//
// Every part is a process of its own, as in a chaos run, with the product's own waits, leases and looks. Records are published at one steady
// rate, before, while and after the org is away; landed records are counted from the API's balance. Back at full speed means: within
// [window] as many landed as [enough] of what landed in such a time before. At the end everything that was published must have landed, and
// nothing may be dead: an outage costs no record a try.
//
// [Run] measures; what its samples mean is decided by [speed] and [back], which are pure.
package outage
