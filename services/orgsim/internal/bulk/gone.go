package bulk

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrDropped says that a job is gone for so long that its upload and its outcomes are not kept any more.
var ErrDropped = errors.New("the job is gone, and its rows gave way to those of newer ones: raise the setting gone_job_bytes to keep more")

const (
	// sweepEvery is how often the ages of all jobs are looked at when nobody asks for them, on the org's clock.
	sweepEvery = time.Hour
	// outcomeBytes and errorBytes are what a row costs in the outcomes, and what its error costs besides its text.
	outcomeBytes, errorBytes = 8, 60
)

// attic holds the jobs that are gone for the API while the control API still shows their rows. Its lock is taken after
// that of a job.
type attic struct {
	clearing sync.Mutex // held by whoever takes jobs out; taken before the lock of a job

	mu   sync.Mutex
	jobs []stored // in the order in which they went
	held int64
}

type stored struct {
	job   *Job
	bytes int64
}

func (a *attic) empty() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs, a.held = nil, 0
}

func (a *attic) put(j *Job, bytes int64) {
	if bytes == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs = append(a.jobs, stored{j, bytes})
	a.held += bytes
}

// clear drops the oldest jobs until no more than limit bytes are held. Those that are still worked on stay for now.
func (a *attic) clear(limit int64) {
	a.clearing.Lock()
	defer a.clearing.Unlock()
	for at := 0; ; {
		s, ok := a.above(limit, at)
		switch {
		case !ok:
			return
		case s.job.drop():
			a.take(at, s)
		default:
			at++
		}
	}
}

// above returns the job at a place as long as more than limit bytes are held.
func (a *attic) above(limit int64, at int) (stored, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held <= limit || at >= len(a.jobs) {
		return stored{}, false
	}
	return a.jobs[at], true
}

// take takes a job out, unless the attic was emptied meanwhile.
func (a *attic) take(at int, s stored) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at < len(a.jobs) && a.jobs[at] == s {
		a.jobs = slices.Delete(a.jobs, at, at+1)
		a.held -= s.bytes
	}
}

// tidy lets go of the rows of jobs that are gone, as far as there are too many of them.
func (m *Manager) tidy() { m.attic.clear(m.Settings.Get().GoneJobBytes) }

// sweep lets jobs grow old at which nobody looks.
func (m *Manager) sweep() {
	now := m.Clock.Now()
	m.mu.Lock()
	if !m.swept.IsZero() && now.Sub(m.swept).Abs() < sweepEvery {
		m.mu.Unlock()
		return
	}
	m.swept = now
	m.mu.Unlock()
	m.Views()
	m.tidy()
}

// size is about how many bytes the rows of a job take; the caller holds mu.
func (j *Job) size() (n int64) {
	if j.upload != nil {
		for i := range j.upload.blocks {
			n += int64(len(j.upload.blocks[i].packed))
		}
	}
	if j.out != nil {
		n += outcomeBytes * int64(len(j.out.rows))
		for _, text := range j.out.errors {
			n += errorBytes + int64(len(text))
		}
	}
	return n
}

// drop lets go of a job's rows; it is false while they are worked on. Who reads them now keeps what it reads.
func (j *Job) drop() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.working {
		return false
	}
	j.dropped, j.out, j.plan, j.foreign = true, nil, nil, nil
	if j.upload != nil {
		j.upload = &Upload{Bytes: j.upload.Bytes, Rows: j.upload.Rows}
	}
	return true
}
