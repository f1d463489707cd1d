// Package planted says which instrument finds which of the bugs that are planted behind the build tag `planted` (libs/fault/planted): the models, the
// simulation, or chaos. The table is found.txt; the tests keep it whole and its references true. That the instruments still find the bugs is shown by the
// commands that stand at its head, which take longer than tests may.
//
// What always holds: every planted bug has a row; a row of a model names a test that plants that bug; a row of the simulation or of chaos names the seed
// by which the bug was found, at most the fiftieth that was tried, or the test whose one run finds it.
//
// The package has no code outside of its tests.
package planted
