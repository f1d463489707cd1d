// Package report sums up chaos runs: how many there were and how they ended, what was injected, which crash points were passed and died at,
// how long recoveries took, and what was found. It reads only what runs leave behind (package history), so that old runs can be summed up
// again.
//
// A [Report] is made by [Of] from the directories of runs; [Report.JSON] is for programs and [Report.Page] for people. [Report.Gaps] says
// what runs that were meant to be complete never tried, and [Report.Late] which recoveries took longer than their bounds.
package report
