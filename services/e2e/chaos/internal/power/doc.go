// Package power plans chaos runs whose only faults are power cuts, and sums up what came of them.
//
// [Plans] is pure: rounds are cuts, some of them in each run of the stack; who loses power is dealt, so that a row of rounds tries every combination
// evenly, and when is drawn. Runs are made by package drive as all others: the same load, the same judge. Beside it each cut has a witness of its own
// (package stack), who writes to the servers until the moment of the cut and looks afterwards whether all that was acknowledged is there.
package power
