package bulk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	// openFor is how long a job may stay Open (Salesforce: 24 hours); then it counts as Aborted, which is a guess.
	openFor = 24 * time.Hour
	// keptFor is how long a finished job and its results can be read, and how long a job may live at all (Salesforce:
	// 7 days).
	keptFor = 7 * 24 * time.Hour
	// day is the window of the org's rolling limits.
	day = 24 * time.Hour
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

// Manager holds the org's ingest jobs.
type Manager struct {
	Config
	pacer   pacer
	gate    gate
	locks   locks
	changed wake.Signal // a job changed its state or was made

	mu      sync.Mutex
	jobs    map[string]*Job // by 15-character id
	order   []*Job          // by creation
	number  uint64
	batches []batchCount
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

type batchCount struct {
	at time.Time
	n  int
}

// NewManager returns an org without jobs.
func NewManager(c Config) *Manager {
	m := &Manager{Config: c, jobs: map[string]*Job{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Stop ends all processing where it stands and waits until it has ended.
func (m *Manager) Stop() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.running.Wait()
}

// Reset stops all processing and forgets every job. Ids are not given out again.
func (m *Manager) Reset() {
	m.Stop()
	m.mu.Lock()
	m.jobs, m.order, m.batches = map[string]*Job{}, nil, nil
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.mu.Unlock()
	m.changed.Broadcast()
}

// Create makes an Open job.
func (m *Manager) Create(spec Spec) (CreateInfo, error) {
	set := m.Settings.Get()
	object, err := spec.check(m.Store.Model(), set.HardDelete)
	if err != nil {
		return CreateInfo{}, err
	}
	now := m.Clock.Now()
	j := &Job{Spec: spec, object: object, user: m.Store.Identity().UserID, created: now}
	j.set(Open, now)
	m.mu.Lock()
	if m.batchesToday(now) >= set.DailyBatchLimit {
		m.mu.Unlock()
		return CreateInfo{}, refuse(400, "EXCEEDEDQUOTA", "ExceededQuota : the daily limit of %d batches is used up", set.DailyBatchLimit)
	}
	m.number++
	j.ID = m.Store.NewID("750", m.number)
	m.jobs[j.ID[:sfid.Len15]] = j
	m.order = append(m.order, j)
	m.mu.Unlock()
	m.changed.Broadcast()
	return j.createInfo(), nil
}

// batchesToday counts the internal batches of the last 24 hours; the caller holds mu.
func (m *Manager) batchesToday(now time.Time) int {
	m.batches = slices.DeleteFunc(m.batches, func(b batchCount) bool { return now.Sub(b.at) >= day })
	n := 0
	for _, b := range m.batches {
		n += b.n
	}
	return n
}

// BatchesToday is the number of internal batches of the last 24 hours.
func (m *Manager) BatchesToday() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.batchesToday(m.Clock.Now())
}

// find returns a job that the API still shows, with its age applied to it.
func (m *Manager) find(id string) (*Job, error) {
	j := m.any(id)
	if j == nil {
		return nil, ErrNotFound
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	m.age(j)
	if j.gone != "" {
		return nil, ErrNotFound
	}
	return j, nil
}

// any returns a job whether or not the API still shows it; nil when it never was.
func (m *Manager) any(id string) *Job {
	short, ok := sfid.Parse(id)
	if !ok {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[short]
}

// age applies the limits of a job's life; the caller holds j.mu.
func (m *Manager) age(j *Job) {
	now := m.Clock.Now()
	if j.gone != "" {
		return
	}
	if j.state == Open && now.Sub(j.created) > openFor {
		j.set(Aborted, j.created.Add(openFor))
	}
	if (j.state.Terminal() && now.Sub(j.finished) > keptFor) || (!j.state.Terminal() && now.Sub(j.created) > keptFor) {
		j.gone = GoneExpired
		j.stopWork()
	}
}

// stopWork tells the processing of a job to end; the caller holds j.mu.
func (j *Job) stopWork() {
	if j.cancel != nil {
		j.cancel()
	}
}

// Describe returns the object and operation of a job, "" for an unknown one. It is for matching faults only.
func (m *Manager) Describe(id string) (object, operation, id18 string) {
	j := m.any(id)
	if j == nil {
		return "", "", ""
	}
	return j.object.Name, string(j.Spec.Operation), j.ID
}

// Upload takes the CSV of a job and returns its number of rows. A body that breaks off leaves the job as it was.
func (m *Manager) Upload(id string, body io.Reader) (int, error) {
	j, err := m.find(id)
	if err != nil {
		return 0, err
	}
	if err := j.beginUpload(); err != nil {
		return 0, err
	}
	set := m.Settings.Get()
	u, err := readUpload(body, delimiters[j.Spec.ColumnDelimiter], set.MaxUploadBytes/4*3)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploading = false
	switch {
	case errors.Is(err, errTooLarge):
		return 0, refuse(400, "BULK_API_ERROR", "The uploaded data is larger than %d bytes after base64 encoding", set.MaxUploadBytes)
	case err != nil:
		return 0, refuse(400, "CLIENTINPUTERROR", "ClientInputError : the request body could not be read: %v", err)
	case j.state != Open || j.gone != "":
		return 0, j.notOpen()
	}
	j.upload, j.modified = u, m.Clock.Now()
	m.changed.Broadcast()
	return u.Rows, nil
}

func (j *Job) beginUpload() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != Open {
		return j.notOpen()
	}
	if j.upload != nil || j.uploading {
		// The spelling and the short id in angle brackets are the real ones.
		const text = "Found multipe contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job " + //nolint:misspell // as real orgs write it
			"then create a new Job and make sure you only do 'PUT' once on a given Job."
		return refuse(400, "BULK_API_ERROR", text, j.ID[:sfid.Len15])
	}
	j.uploading = true
	return nil
}

func (j *Job) notOpen() error {
	return refuse(400, "INVALIDJOBSTATE", "InvalidJobState : Uploading data is allowed only on an Open job, not in state %s", j.state)
}

// Close ends the upload and queues the job.
func (m *Manager) Close(id string) (ShortInfo, error) {
	j, err := m.find(id)
	if err != nil {
		return ShortInfo{}, err
	}
	j.mu.Lock()
	if j.state != Open {
		defer j.mu.Unlock()
		return ShortInfo{}, refuse(400, "INVALIDJOBSTATE", "InvalidJobState : Closing is allowed only for an Open job, not in state %s", j.state)
	}
	if j.uploading {
		defer j.mu.Unlock()
		return ShortInfo{}, refuse(400, "INVALIDJOBSTATE", "InvalidJobState : The upload of the job is not finished")
	}
	j.set(UploadComplete, m.Clock.Now())
	j.closes++
	info := j.short()
	m.mu.Lock()
	ctx, cancel := context.WithCancel(m.ctx)
	if m.ctx.Err() == nil {
		m.running.Go(func() { m.run(ctx, j) })
	}
	m.mu.Unlock()
	j.cancel = cancel
	j.mu.Unlock()
	m.changed.Broadcast()
	return info, nil
}

// Abort stops a job that has not ended. Transactions that are under way still finish.
func (m *Manager) Abort(id string) (ShortInfo, error) {
	j, err := m.find(id)
	if err != nil {
		return ShortInfo{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.Terminal() {
		return ShortInfo{}, refuse(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
	}
	m.end(j, Aborted, "")
	return j.short(), nil
}

// end moves a job into a terminal state; the caller holds j.mu.
func (m *Manager) end(j *Job, state State, message string) {
	j.message = message
	if !j.started.IsZero() {
		j.total = time.Since(j.started)
	}
	if j.foreign == 0 && state == JobComplete {
		j.foreign = m.Faults.Foreign(j.subject())
	}
	j.set(state, m.Clock.Now())
	j.stopWork()
	m.changed.Broadcast()
}

func (j *Job) subject() fault.Subject {
	return fault.Subject{Object: j.object.Name, Operation: string(j.Spec.Operation), Job: j.ID}
}

// Info returns what a GET of the job shows; asked is the API version of the request.
func (m *Manager) Info(id string, asked float64) (Info, error) {
	j, err := m.find(id)
	if err != nil {
		return Info{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.info(asked), nil
}

// Delete removes a job that is queued or has ended.
func (m *Manager) Delete(id string) error {
	j, err := m.find(id)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state == Open || j.state == InProgress {
		return refuse(400, "API_ERROR", "Error encountered when deleting the job because the job is not terminated")
	}
	j.gone = GoneDeleted
	j.stopWork()
	m.changed.Broadcast()
	return nil
}
