package circuit

import (
	"os"
	"testing"

	"bulkhead/libs/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.OnEachLedger(m)) }
