package bulk

import (
	"context"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/sfid"
)

// JobType is the sort of a job, as the API names it.
type JobType string

// The sorts of jobs. An org has others, for which nothing here stands: those of Bulk API 1.0 and of big objects.
const (
	V2Ingest JobType = "V2Ingest"
	V2Query  JobType = "V2Query"
)

// work is a job of either sort: one that takes rows in (Job) or one that gives rows out (QueryJob).
type work interface {
	jobType() JobType
	common() *life
	subject() fault.Subject
	user() string // who created it, 18 characters
	// view is what the control API shows, listInfo an item of the list; the caller holds mu.
	view() View
	listInfo() ListInfo
	// ended is called under mu when the job comes to its end, removed when the API does not show it any more.
	ended(m *Manager, state State)
	removed(m *Manager)
}

// life is what the jobs of both sorts have in common: from when on they are there, what they did and how they end.
type life struct {
	ID     string // 18 characters
	number uint64 // the jobs of an org are numbered in the order of their creation

	cancel context.CancelFunc // stops the processing; nil while there is none

	mu        sync.Mutex
	state     State
	created   time.Time
	modified  time.Time
	finished  time.Time
	gone      string
	history   []Change
	back      lookBack
	working   bool // its processing has not come to its end yet
	retries   int  // how often a part of it was put back into the queue
	processed int64
	message   string
	started   time.Time // real time, for durations
	total     time.Duration
}

func (l *life) common() *life { return l }

// set moves the job; the caller holds mu.
func (l *life) set(state State, at time.Time) {
	l.state, l.modified = state, at
	if state.Terminal() {
		l.finished = at
	}
	l.history = append(l.history, Change{State: state, At: at})
}

// stopWork tells the processing of a job to end; the caller holds mu.
func (l *life) stopWork() {
	if l.cancel != nil {
		l.cancel()
	}
}

// milliseconds is how long the whole processing took, 0 until it has ended; the caller holds mu.
func (l *life) milliseconds() int64 {
	if !l.state.Terminal() {
		return 0
	}
	return l.total.Milliseconds()
}

// enlist gives a job its number and id and makes it one of the org's; the caller holds m.mu.
func (m *Manager) enlist(w work) {
	m.number++
	l := w.common()
	l.number, l.ID = m.number, m.Store.NewID("750", m.number)
	m.jobs[l.ID[:sfid.Len15]] = w
	m.order = append(m.order, w)
}

// start lets run process a job in the background; the caller holds the lock of the job.
func (m *Manager) start(w work, run func(context.Context)) {
	l := w.common()
	m.mu.Lock()
	ctx, cancel := context.WithCancel(m.ctx)
	if m.ctx.Err() == nil && m.jobs[l.ID[:sfid.Len15]] == w { // else the org was stopped or emptied at this moment
		l.working = true
		m.running.Go(func() {
			run(ctx)
			cancel()
			l.mu.Lock()
			l.working = false
			l.mu.Unlock()
			m.tidy()
		})
	}
	m.mu.Unlock()
	l.cancel = cancel
	m.changed.Broadcast()
}

// begin moves a queued job to InProgress; it is false when the job is not queued any more.
func (m *Manager) begin(w work) bool {
	l := w.common()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != UploadComplete || l.gone != "" {
		return false
	}
	l.started = time.Now()
	l.set(InProgress, m.Clock.Now())
	m.changed.Broadcast()
	return true
}

// end moves a job into a terminal state; the caller holds its lock.
func (m *Manager) end(w work, state State, message string) {
	l := w.common()
	l.message = message
	if !l.started.IsZero() {
		l.total = time.Since(l.started)
	}
	w.ended(m, state)
	l.set(state, m.Clock.Now())
	l.stopWork()
	m.changed.Broadcast()
}

// conclude ends a job unless somebody else did.
func (m *Manager) conclude(w work, state State, message string) {
	l := w.common()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.state.Terminal() {
		m.end(w, state, message)
	}
}

// abort stops a job that has not ended; the caller holds its lock.
func (m *Manager) abort(w work) error {
	if w.common().state.Terminal() {
		return refuse(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
	}
	m.end(w, Aborted, "")
	return nil
}

// deleteUnless removes a job from the API unless it is in one of these states.
func (m *Manager) deleteUnless(w work, states ...State) error {
	l := w.common()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != "" {
		return ErrNotFound // somebody else was faster
	}
	for _, s := range states {
		if l.state == s {
			return refuse(400, "API_ERROR", "Error encountered when deleting the job because the job is not terminated")
		}
	}
	m.remove(w, GoneDeleted)
	return nil
}

// remove makes a job one that the API does not show any more; the caller holds its lock, and calls tidy without it some
// time.
func (m *Manager) remove(w work, why string) {
	l := w.common()
	if l.gone != "" {
		return
	}
	l.gone = why
	l.stopWork()
	w.removed(m)
}

// age applies the limits of a job's life; the caller holds its lock.
func (m *Manager) age(w work) {
	l, now := w.common(), m.Clock.Now()
	if l.gone != "" {
		return
	}
	if j, ok := w.(*Job); ok {
		m.abortOverdue(j, now)
	}
	if (l.state.Terminal() && now.Sub(l.finished) > keptFor) || (!l.state.Terminal() && now.Sub(l.created) > keptFor) {
		m.remove(w, GoneExpired)
	}
}

// lookup returns a job whether or not the API still shows it; nil when it never was.
func (m *Manager) lookup(id string) work {
	short, ok := sfid.Parse(id)
	if !ok {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[short]
}

// present returns a job of one sort that the API still shows, with its age applied to it.
func present[W work](m *Manager, id string) (W, error) {
	var none W
	w, ok := m.lookup(id).(W)
	if !ok {
		return none, ErrNotFound
	}
	l := w.common()
	l.mu.Lock()
	defer l.mu.Unlock()
	m.age(w)
	if l.gone != "" {
		return none, ErrNotFound
	}
	return w, nil
}
