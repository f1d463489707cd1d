// Package clients lets programs of other people work with the simulated org, unchanged: jsforce, Salesforce's own command line `sf`, and go-salesforce, each in
// the exact version that a lock file names. What they print, how they exit, and what the org then holds is asserted, rows that fail included.
//
// What always holds: nothing of a client is patched, configured by files of ours or replaced; each test has an org, a home directory and an environment of
// its own, in which there is no proxy and no other account; each command is bounded in time. The clients are no part of the product nor of its modules: they are
// installed into the user's cache by npm and by the Go toolchain. Nothing is left out when that fails: the test fails.
//
// The tests need the build tag clients; `make test-clients` runs them. The scripts below jsforce and the program below gosalesforce do one scenario each and
// say a line of JSON for each of its steps.
package clients
