//go:build clients

package clients

import (
	"os"
	"testing"
)

// scratch holds what is built for all tests here.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(withScratch(m))
}

func withScratch(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "bulkhead-clients-"); err != nil {
		println("a directory for what is built:", err.Error())
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }() // what is left of it is in the system's directory for that
	return m.Run()
}
