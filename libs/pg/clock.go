package pg

import (
	"context"
	_ "embed" // for the statement
	"fmt"
	"time"
)

//go:embed sql/clock.sql
var clockSQL string

// Clock tells the time by the ledger's clock, which all services share: a moment that one of them stores and another one compares, or that is compared
// with one that the ledger wrote, is read from it. How long something took within a process is measured by that process.
type Clock func(ctx context.Context) (time.Time, error)

// ClockOf is the clock of a ledger, in UTC; asking it is one statement.
func ClockOf(db DB) Clock {
	return func(ctx context.Context) (time.Time, error) {
		var at time.Time
		if err := db.QueryRow(ctx, clockSQL).Scan(&at); err != nil {
			return time.Time{}, fmt.Errorf("ask the ledger for the time: %w", err)
		}
		return at.UTC(), nil
	}
}
