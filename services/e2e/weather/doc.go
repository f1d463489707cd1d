// Package weather lets the simulated org have its worst days while a whole Bulkhead carries a load into it, and holds what is left against what was
// published and against what the org itself knows.
//
// A case is a load of records of five pipelines, one of each sort ([pipelines]), published frame by frame while faults strike: of one kind
// (TestEachKindOfWeather), or of a script drawn from a seed (TestTheWeatherOfASeed). Then the weather ends and an [operator] does what the messages of
// the pauses and letters ask of a person, and nothing else. What must hold then is in check_test.go: every record landed once, or is dead for the reason
// that the org has, and the org holds the rows of what landed and no others. The balance is asked for all the while and must always add up.
//
// The verdicts stand on ops' HTTP API and on the org's own word (its rows with all their versions, and what became of each row of each job); the
// ledger is not looked into. No case asks how fast anything is: every wait is for a state, and bounded.
//
// BULKHEAD_WEATHER_SEEDS=N draws N scripts of each profile instead of one, from BULKHEAD_WEATHER_FIRST (default 1) on; a case that fails names its seed
// and profile, and BULKHEAD_WEATHER_FIRST with one seed repeats the script. Which call a fault meets depends on the order of the calls, which is not drawn.
package weather
