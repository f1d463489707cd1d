// Package drive makes chaos runs: one from its plan to its verdict ([Run]), or many, a line each ([Many]).
//
// A run starts a stack of its own, lets load, faults and samples go on side by side, heals everything, waits for rest, dumps what there is,
// and has it judged from the files alone. A run that does not come to rest within its bound is judged all the same: the judge calls it stuck.
// What goes wrong with the instrument itself (a process that cannot be started, a dump that cannot be made) is an error of type [*Harness]:
// it says nothing about the product, and such a run is made once more.
package drive
