package bulk

import (
	"fmt"
	"time"
)

// day is the window of the org's rolling limits.
const day = 24 * time.Hour

// tooManyBatches is the text of both a refused create and a job that failed; the real one is not recorded.
const tooManyBatches = "ExceededQuota : the limit of %d batches in 24 hours is used up"

// usage counts the internal batches and their rows over the last 24 hours.
type usage struct {
	portions      []portion // oldest first
	batches, rows int
}

type portion struct {
	at   time.Time
	rows int
}

// at forgets what is older than a day.
func (u *usage) at(now time.Time) *usage {
	old := 0
	for old < len(u.portions) && now.Sub(u.portions[old].at) >= day {
		u.rows -= u.portions[old].rows
		old++
	}
	u.batches -= old
	u.portions = u.portions[old:]
	return u
}

// spend takes a batch into account unless that would break a limit. The error is what the job says then.
func (u *usage) spend(now time.Time, rows, batchLimit, rowLimit int) error {
	u.at(now)
	switch {
	case u.batches >= batchLimit:
		return fmt.Errorf(tooManyBatches, batchLimit)
	case u.rows+rows > rowLimit:
		return fmt.Errorf("ExceededQuota : the limit of %d records in 24 hours is used up", rowLimit)
	}
	u.portions = append(u.portions, portion{now, rows})
	u.batches++
	u.rows += rows
	return nil
}
