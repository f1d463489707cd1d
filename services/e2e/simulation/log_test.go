package simulation_test

import (
	"log/slog"
	"testing"

	"bulkhead/libs/testkit"
)

// logger writes what the services say into the test's log.
func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return testkit.Logger(t)
}
