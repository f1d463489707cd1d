package poll

import (
	"time"

	"bulkhead/services/poller/internal/store/db"
)

// Bounds of what is stored of foreign texts.
const (
	maxErrorText = 2000
	maxWord      = 80
)

func watchOf(row db.PollerWatch) Watch {
	return Watch{
		Rows: int(row.Rows), JobID: row.JobID, SubmittedAt: row.SubmittedAt, LookedAt: zeroIfNil(row.LookedAt),
		Looks: int(row.Looks), Errors: int(row.Errors), JobState: row.JobState, Processed: row.Processed, Failed: row.Failed,
		ErrorMessage: row.ErrorMessage, ProgressedAt: zeroIfNil(row.ProgressedAt),
		NotFound: int(row.NotFound), FirstNotFoundAt: zeroIfNil(row.FirstNotFoundAt), LastError: row.LastError,
	}
}

func zeroIfNil(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
