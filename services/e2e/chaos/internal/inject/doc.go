// Package inject carries out the faults of a plan on a running stack, each at its time, and writes down what really happened.
//
// What always holds: every fault of the plan has exactly one event "fault" in the timeline, at the moment at which it struck, with Done
// saying that it did: a crash point that was not reached, a script of the org that hit nothing, a target that was down are not done. What
// is done to a part that lasts has an event "fault_end" when it is over. Faults overlap as the plan has them; none waits for another, but
// for stops of PostgreSQL, which happen one after the other, and faults of a cluster's nodes, of which the next one waits until the cluster is
// settled. Where a plan leaves open how bad something is (how late an edge, after how many bytes it is cut, which consumer is deleted, which
// node dies), the seed and the fault's id decide, so that the same plan does the same again. When Run
// returns, nothing that it did lasts but rules of the org, which Heal takes away; when its context ends, it undoes what it did and returns.
//
// A crash point needs an instance that does the work: the target is restarted with the rule, and its twin stands back until the point is
// reached, or has had its time. Other faults of an instance that stands back bring it back first.
//
// What is left to others: what the stack's parts are (package stack), what operators and changed definitions do (package load).
//
// Start reading at Run.
package inject
