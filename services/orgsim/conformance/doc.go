// Package conformance is the suite that says what an org does, fact by fact, over HTTP and nothing else. It runs against
// the simulator, and unchanged against a real org: then it is the simulator's facts that are on trial.
//
// Every fact stands in ../facts.yaml with an id, the section of the fact sheet that it comes from, how sure it is, a
// sentence, and the test that shows it or the reason why none can. TestFacts compares the list with the tests of this
// package, and with the fact sheet where that is at hand: beside the checkout in shared/reference, or where
// BULKHEAD_FACT_SHEET points; BULKHEAD_REQUIRE_TESTDATA=1 makes its absence an error.
//
// Without settings each test starts a simulator of its own with the objects of model.yaml. To run against an org, such as
// a sandbox, give it the same objects and fields, and set
//
//	BULKHEAD_ORG_URL          its login URL, such as https://example--dev.sandbox.my.salesforce.com
//	BULKHEAD_ORG_CLIENT_ID    consumer key of a connected app that may use client credentials
//	BULKHEAD_ORG_SECRET_FILE  file with the consumer secret
//	BULKHEAD_ORG_KEY_FILE     optional: PEM file with the private key of the JWT flow, and
//	BULKHEAD_ORG_USERNAME     the user that it acts for
//
// and run: go test -count=1 -timeout 2h ./orgsim/conformance. Keys of records are new in each run, so an org may be used
// again. Tests of what only the control API can bring about (switches, faults, the clock, limits) say that they are left
// out; the others must pass.
package conformance
