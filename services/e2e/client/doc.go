// Package client holds the tests of the Salesforce client against the simulated org over HTTP: what libs/salesforce promises of its calls is held
// against what the org knows of them, which is more than a scripted server can tell.
//
// What always holds, whatever goes wrong on the way: an error that is [bulkhead/libs/salesforce.Definite] belongs to a call that had no effect; a
// call without an error had one; a call that changes something had it once at most. The table of what each call does with each fault is the
// client's own test.
package client
