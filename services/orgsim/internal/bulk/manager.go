package bulk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	// openFor is how long a job may stay Open (Salesforce: 24 hours).
	openFor = 24 * time.Hour
	// keptFor is how long a finished job and its results can be read, and how long a job may live at all (Salesforce:
	// 7 days).
	keptFor = 7 * 24 * time.Hour
)

// Config is what a Manager works with; all members are needed.
type Config struct {
	Store    *org.Store
	Clock    *clock.Clock
	Settings *settings.Store
	Switches *switches.Store
	Faults   *fault.Set
	Logger   *slog.Logger
}

// Manager holds the org's jobs.
type Manager struct {
	Config
	pacer   pacer
	gate    gate
	locks   locks
	changed wake.Signal // a job changed its state or was made
	attic   attic
	stock   stock
	ending  sync.Mutex // held by whoever ends all processing

	mu      sync.Mutex
	jobs    map[string]work // by 15-character id
	order   []work          // by creation
	number  uint64
	usage   usage
	queried queryUsage
	ctx     context.Context
	stop    context.CancelFunc
	stopped bool // for good
	swept   time.Time
	running sync.WaitGroup
}

// NewManager returns an org without jobs.
func NewManager(c Config) *Manager {
	m := &Manager{Config: c, jobs: map[string]work{}, pacer: newPacer(), stock: stock{limit: stockBytes}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Stop ends all processing for good, where it stands, and waits until it has ended.
func (m *Manager) Stop() {
	m.ending.Lock()
	defer m.ending.Unlock()
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.halt()
}

// halt ends all processing and waits until it has ended; the caller holds ending, so nothing begins again meanwhile.
func (m *Manager) halt() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.running.Wait()
}

// Reset stops all processing and forgets every job; emptied, if there is one, is called before a new job can be
// processed. Ids are not given out again.
func (m *Manager) Reset(emptied func()) {
	m.ending.Lock()
	defer m.ending.Unlock()
	m.halt()
	if emptied != nil {
		emptied()
	}
	m.mu.Lock()
	m.jobs, m.order, m.usage, m.queried, m.swept = map[string]work{}, nil, usage{}, queryUsage{}, time.Time{}
	m.attic.empty()
	m.stock.empty()
	if !m.stopped {
		m.ctx, m.stop = context.WithCancel(context.Background())
	}
	m.mu.Unlock()
	m.changed.Broadcast()
}

// Create makes an Open job.
func (m *Manager) Create(spec Spec) (CreateInfo, error) {
	j, err := m.create(spec)
	if err != nil {
		return CreateInfo{}, err
	}
	defer j.mu.Unlock()
	return j.createInfo(), nil
}

// create makes an Open job and returns it with its lock held, so that nobody sees it before the caller is done with it.
func (m *Manager) create(spec Spec) (*Job, error) {
	set := m.Settings.Get()
	object, err := spec.check(m.Store.Model(), set.HardDelete)
	if err != nil {
		return nil, err
	}
	if spec.User == "" {
		spec.User = m.Store.Identity().UserID
	}
	m.sweep()
	now := m.Clock.Now()
	j := &Job{Spec: spec, object: object}
	j.created = now
	j.set(Open, now)
	j.mu.Lock()
	m.mu.Lock()
	if m.usage.at(now).batches >= set.DailyBatchLimit {
		m.mu.Unlock()
		return nil, refuse(400, "EXCEEDEDQUOTA", tooManyBatches, set.DailyBatchLimit)
	}
	m.enlist(j)
	m.mu.Unlock()
	m.changed.Broadcast()
	return j, nil
}

// Permit refuses users who may not work with a job: it is for its creator and for those who have the permission "Manage
// Data Integrations". "" is whoever needs no permission.
func (m *Manager) Permit(id, user string) error {
	w, err := present[work](m, id)
	if err != nil {
		return err
	}
	if user != "" && user != w.user() && !m.manages(user) {
		return refuse(400, "INVALIDUSER", "InvalidUser : The job %s belongs to another user", w.common().ID)
	}
	return nil
}

func (m *Manager) manages(user string) bool {
	u, known := m.Store.User(user)
	return known && u.ManageData
}

// BatchesToday is the number of internal batches of the last 24 hours.
func (m *Manager) BatchesToday() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage.at(m.Clock.Now()).batches
}

// find returns an ingest job that the API still shows, with its age applied to it.
func (m *Manager) find(id string) (*Job, error) { return present[*Job](m, id) }

// any returns an ingest job whether or not the API still shows it; nil when it never was.
func (m *Manager) any(id string) *Job {
	j, _ := m.lookup(id).(*Job)
	return j
}

// abortOverdue ends a job that has been Open for too long; the caller holds j.mu.
func (m *Manager) abortOverdue(j *Job, now time.Time) {
	if j.overdue(now) && m.Switches.Get(switches.OpenTooLong) == switches.JobAborted {
		j.set(Aborted, j.created.Add(openFor))
	}
}

// overdue says that a job has been Open for longer than it may; the caller holds mu.
func (j *Job) overdue(now time.Time) bool { return j.state == Open && now.Sub(j.created) > openFor }

// Describe returns the object and operation of a job, "" for an unknown one. It is for matching faults only.
func (m *Manager) Describe(id string) (object, operation, id18 string) {
	w := m.lookup(id)
	if w == nil {
		return "", "", ""
	}
	sub := w.subject()
	return sub.Object, sub.Operation, sub.Job
}

// Info returns what a GET of the job shows; asked is the API version of the request.
func (m *Manager) Info(id string, asked float64) (Info, error) {
	j, err := m.find(id)
	if err != nil {
		return Info{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	i := j.info(asked, m.Switches.Get(switches.UnprocessedCounted) == switches.Counted)
	back, over := j.back.strike(j.state)
	if back {
		i.lookBack(m.Settings.Get().TransactionRows)
	}
	if over {
		m.changed.Broadcast()
	}
	return i, nil
}
