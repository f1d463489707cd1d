package poll

import (
	"strings"
	"time"
	"unicode/utf8"

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

// clip makes a foreign text storable (valid UTF-8 without zero bytes, which PostgreSQL refuses) and cuts it to n bytes.
func clip(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
