package bulk

import (
	"fmt"
	"time"
)

// queryUsage counts the query jobs and the bytes of their results over the last 24 hours, by the minute.
type queryUsage struct {
	minutes []queryMinute // oldest first
	jobs    int
	bytes   int64
}

type queryMinute struct {
	at    time.Time // of its first entry
	jobs  int
	bytes int64
}

// at forgets what is older than a day.
func (u *queryUsage) at(now time.Time) *queryUsage {
	old := 0
	for old < len(u.minutes) && now.Sub(u.minutes[old].at) >= day {
		u.jobs -= u.minutes[old].jobs
		u.bytes -= u.minutes[old].bytes
		old++
	}
	u.minutes = u.minutes[old:]
	return u
}

func (u *queryUsage) add(now time.Time, jobs int, bytes int64) {
	if n := len(u.minutes); n == 0 || now.Sub(u.minutes[n-1].at).Abs() >= time.Minute {
		u.minutes = append(u.minutes, queryMinute{at: now})
	}
	last := &u.minutes[len(u.minutes)-1]
	last.jobs += jobs
	last.bytes += bytes
	u.jobs += jobs
	u.bytes += bytes
}

// begin takes a job into account unless that would break the limit. The text is the one that clients look for.
func (u *queryUsage) begin(now time.Time, limit int) error {
	if u.at(now).jobs >= limit {
		return refuse(400, "EXCEEDEDQUOTA", "ExceededQuota : Max bulk v2 query jobs (%d) per 24 hrs has been reached", limit)
	}
	u.add(now, 1, 0)
	return nil
}

// store takes bytes of a result into account unless that would break the limit, in kilobytes of 1,024 bytes. The error is
// what the job says then; its text is the one that clients look for.
func (u *queryUsage) store(now time.Time, bytes, limit int64) error {
	if (u.at(now).bytes+bytes)/kilobyte >= limit && bytes > 0 {
		return fmt.Errorf("ExceededQuota : Max bulk v2 query result size stored (%d) kb per 24 hrs has been exceeded", limit)
	}
	u.add(now, 0, bytes)
	return nil
}

const kilobyte = 1_024

// QueriesToday is the number of query jobs of the last 24 hours, and the megabytes of their results, begun ones counted
// whole.
func (m *Manager) QueriesToday() (jobs, megabytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.queried.at(m.Clock.Now())
	const megabyte = kilobyte * kilobyte
	return u.jobs, int((u.bytes + megabyte - 1) / megabyte)
}
