package bulk

import (
	"slices"
	"strings"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/soql"
	"bulkhead/services/orgsim/internal/switches"
)

// The operations of query jobs.
const (
	QueryRows    = "query"
	QueryAllRows = "queryAll" // those in the recycle bin too
)

// QuerySpec is what a create request of a query job asks for.
type QuerySpec struct {
	Operation       string
	Query           string // SOQL
	ContentType     string
	ColumnDelimiter string
	LineEnding      string
	Version         float64 // API version of the request
	User            string  // who creates the job, 18 characters; "" = the integration user
}

// QueryJob is one query job.
type QueryJob struct {
	life
	Spec QuerySpec // the text of the query is cut short once the job is gone

	object   *org.Object
	columns  []soql.Column // in the order of the file
	chunking bool          // nothing in the query keeps an org from dividing the work by ids

	// The lock of the job guards these too.
	query  *soql.Query // nil once the job is gone
	rows   []uint32    // places of the rows that it found, in their order; nil until then, and once it is gone
	moment org.Moment  // when it found them
	bytes  int64       // of the CSV of the rows processed so far
}

func (q *QueryJob) jobType() JobType { return V2Query }

func (q *QueryJob) user() string { return q.Spec.User }

func (q *QueryJob) subject() fault.Subject {
	return fault.Subject{Object: q.object.Name, Operation: q.Spec.Operation, Job: q.ID}
}

func (q *QueryJob) ended(*Manager, State) {}

// goneText is how much of its query a job that is gone still shows, in bytes.
const goneText = 1_000

func (q *QueryJob) removed(m *Manager) {
	m.stock.take(q)
	q.query, q.rows = nil, nil
	if len(q.Spec.Query) > goneText {
		q.Spec.Query = strings.ToValidUTF8(strings.Clone(q.Spec.Query[:goneText]), "") + "…"
	}
}

// check fills in the defaults of a spec, refuses what a create request may not say, and returns the job that it makes.
// Queries are refused as the query resource does, with errors of type *soql.Error.
func (s *QuerySpec) check(store *org.Store) (*QueryJob, error) {
	if s.Operation != QueryRows && s.Operation != QueryAllRows {
		return nil, invalidValue(s.Operation, "operation")
	}
	if err := checkFormat(&s.ContentType, &s.ColumnDelimiter, &s.LineEnding); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.Query) == "" {
		return nil, refuse(400, "MALFORMED_QUERY", "A query string has to be specified")
	}
	query, err := soql.Parse(s.Query)
	if err == nil {
		err = query.BulkRefusal()
	}
	if err != nil {
		return nil, err
	}
	found, err := query.Look(store)
	if err != nil {
		return nil, err
	}
	columns := slices.Clone(found.Columns)
	if s.Version < selectOrder {
		slices.SortStableFunc(columns, func(a, b soql.Column) int { return strings.Compare(a.Name(), b.Name()) })
	}
	ordered := query.Order != nil || query.Limit != nil // either of them keeps an org from dividing the work
	return &QueryJob{object: found.Object, columns: columns, query: query, chunking: !ordered}, nil
}

// QueriedObject is the object behind FROM in the text of a query, "" where there is none. It is for matching faults only.
func QueriedObject(text string) string {
	q, err := soql.Parse(text)
	if err != nil {
		return ""
	}
	return q.From.Path
}

// selectOrder is the first API version that shows the columns in the order of the SELECT; below it they are in the order
// of the alphabet.
const selectOrder = 50

// CreateQuery makes a query job, which begins as if it had been closed already.
func (m *Manager) CreateQuery(spec QuerySpec) (CreateInfo, error) {
	q, err := spec.check(m.Store)
	if err != nil {
		return CreateInfo{}, err
	}
	if spec.User == "" {
		spec.User = m.Store.Identity().UserID
	}
	m.sweep()
	now := m.Clock.Now()
	q.Spec, q.created = spec, now
	q.set(UploadComplete, now)
	q.mu.Lock()
	defer q.mu.Unlock()
	m.mu.Lock()
	if err := m.queried.begin(now, m.Settings.Get().DailyQueryJobLimit); err != nil {
		m.mu.Unlock()
		return CreateInfo{}, err
	}
	m.enlist(q)
	m.mu.Unlock()
	m.start(q, q.run(m))
	return q.createInfo(), nil
}

func (m *Manager) findQuery(id string) (*QueryJob, error) { return present[*QueryJob](m, id) }

// QueryInfo returns what a GET of a query job shows.
func (m *Manager) QueryInfo(id string) (QueryInfo, error) {
	q, err := m.findQuery(id)
	if err != nil {
		return QueryInfo{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.info()
	back, over := q.back.strike(q.state)
	if back {
		i.State, i.NumberRecordsProcessed = before(i.State, i.NumberRecordsProcessed, queryPortion)
		i.TotalProcessingTime = 0
	}
	if over {
		m.changed.Broadcast()
	}
	return i, nil
}

// AbortQuery stops a query job that has not ended.
func (m *Manager) AbortQuery(id string) (ShortInfo, error) {
	q, err := m.findQuery(id)
	if err != nil {
		return ShortInfo{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := m.abort(q); err != nil {
		return ShortInfo{}, err
	}
	return q.short(), nil
}

// OtherQueryState refuses a PATCH to a state that nobody may set.
func (m *Manager) OtherQueryState(state string) error {
	if m.Switches.Get(switches.OtherState) == switches.APIError {
		return invalidValue(state, "state")
	}
	return invalidState("A query job can be moved to Aborted, not to '%s'", state)
}

// DeleteQuery removes a query job that has ended.
func (m *Manager) DeleteQuery(id string) error {
	q, err := m.findQuery(id)
	if err != nil {
		return err
	}
	if err := m.deleteUnless(q, UploadComplete, InProgress); err != nil {
		return err
	}
	m.changed.Broadcast()
	return nil
}
