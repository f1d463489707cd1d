// Package badconfig is the table of configurations that a deployment gets wrong: files, environment variables, definitions of pipelines
// and orgs. The list is cases.txt; a line is
//
//	number | case | verdict
//
// where the verdict is `refused` (nothing starts or is stored, and the error says place and remedy), `ok` (it works, as said behind the
// word), `not ready` (it starts, says why it does not work, and goes on when the cause is gone), `elsewhere: FILE: TEST, TEST…` (decided inside
// one service or library, and tested there; a TEST is a function of that file, or TestFunction/subtest, where the subtest is a text in the function's
// code), or `does not apply: REASON`.
//
// What always holds: every number stands in the list once; a number whose verdict is refused, ok or not ready has a test here, and no
// other has; each test goes through the real readers of configuration, or a real process.
package badconfig
