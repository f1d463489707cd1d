package rest

import (
	"fmt"
	"sync"
	"time"
)

// usage counts API calls over a rolling day, in portions of a minute.
type usage struct {
	mu      sync.Mutex
	minutes map[int64]int
	total   int
}

const dayMinutes = 24 * 60

// count takes one call into account unless the limit is reached, and returns the calls of the day.
func (u *usage) count(now time.Time, limit int) (int, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expire(now)
	if u.total >= limit {
		return u.total, false
	}
	if u.minutes == nil {
		u.minutes = map[int64]int{}
	}
	u.minutes[now.Unix()/60]++
	u.total++
	return u.total, true
}

// expire drops what is older than a day; the caller holds mu. The map has at most a day's minutes, and is walked only
// when it may hold more.
func (u *usage) expire(now time.Time) {
	oldest := now.Unix()/60 - dayMinutes
	for minute, n := range u.minutes {
		if minute <= oldest {
			delete(u.minutes, minute)
			u.total -= n
		}
	}
}

func (u *usage) used(now time.Time) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expire(now)
	return u.total
}

func (u *usage) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.minutes, u.total = nil, 0
}

func limitInfo(used, limit int) string { return fmt.Sprintf("api-usage=%d/%d", used, limit) }
