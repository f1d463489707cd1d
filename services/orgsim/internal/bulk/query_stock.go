package bulk

import (
	"slices"
	"sync"
)

const (
	// stockBytes is how much the results of query jobs may take in memory, all jobs together: 256 MB, which is the places of
	// 64 million rows. Where that is not enough the oldest jobs expire before their seven days are over.
	stockBytes = 256_000_000
	// rowBytes is what a row of a result takes.
	rowBytes = 4
)

// stock is what the query jobs hold that the API still shows. Its lock is taken after that of a job.
type stock struct {
	limit int64 // bytes

	mu   sync.Mutex
	jobs []stocked // in the order in which they found their rows
	held int64
}

type stocked struct {
	job   *QueryJob
	bytes int64
}

// put takes in what a job holds and returns the oldest other ones, which have to go to keep the limit.
func (s *stock) put(q *QueryJob, bytes int64) (surplus []*QueryJob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, stocked{q, bytes})
	s.held += bytes
	left := s.held
	for _, old := range s.jobs[:len(s.jobs)-1] {
		if left <= s.limit {
			break
		}
		surplus = append(surplus, old.job)
		left -= old.bytes
	}
	return surplus
}

// take takes out what a job holds, if anything.
func (s *stock) take(q *QueryJob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.jobs, func(o stocked) bool { return o.job == q }); i >= 0 {
		s.held -= s.jobs[i].bytes
		s.jobs = slices.Delete(s.jobs, i, i+1)
	}
}

func (s *stock) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs, s.held = nil, 0
}
