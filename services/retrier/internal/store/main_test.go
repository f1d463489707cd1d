package store

import (
	"os"
	"testing"

	"bulkhead/libs/testkit"
)

// The ledger in memory must answer as PostgreSQL does.
func TestMain(m *testing.M) { os.Exit(testkit.OnEachLedger(m)) }
