// Package realdata loads real, messy files through the whole system and counts: the airports, runways, regions, countries, radio
// frequencies and navigation aids of OurAirports (public domain), by the command that people use, into simulated orgs made for them.
//
// Most runways name an airport that is not there, so partial failure is the subject: exactly the rows whose airport is in the files
// land, each once and with every value, and exactly the others end as dead letters of class reference, each by its line. What is
// expected is counted here from the files, by code that shares nothing with the services; what happened is asked of the simulator,
// of ops' balance and of the dead letters.
//
// The files are not part of the repository. They are read from the directory that BULKHEAD_TESTDATA names (default: shared/data
// beside the repository), in its folder ourairports, as <name>.csv.gz. Without them the package says in one line what it left out
// and passes; with BULKHEAD_REQUIRE_TESTDATA=1 it fails instead. BULKHEAD_BINARY names a built `bulkhead` to test in place of a fresh one.
package realdata
