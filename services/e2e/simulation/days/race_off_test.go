//go:build !race

package days_test

// raced says that the race detector slows everything down about tenfold.
const raced = false
