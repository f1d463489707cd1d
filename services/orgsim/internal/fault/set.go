package fault

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Set is the rules in force. It is safe for concurrent use; its zero value is empty.
type Set struct {
	mu    sync.Mutex
	rules []*state
	named int
}

// state is a rule with what it remembers.
type state struct {
	Rule
	sort sort
	keys map[string]int // hits by key, for times_per_key
	in   map[string]struct{}
	want map[string]struct{}
}

// Add checks all rules and takes them into the set; one bad rule refuses them all. It returns their ids.
func (s *Set) Add(rules []Rule) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]bool{}
	for _, r := range s.rules {
		taken[r.ID] = true
	}
	var add []*state
	var ids []string
	for i, r := range rules {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i, err)
		}
		for r.ID == "" || (rules[i].ID == "" && taken[r.ID]) {
			s.named++
			r.ID = "fault-" + strconv.Itoa(s.named)
		}
		if taken[r.ID] {
			return nil, fmt.Errorf("fault %d: there is already one with id %q; delete it first or choose another id", i, r.ID)
		}
		taken[r.ID] = true
		r.Hits, r.Matched = 0, 0
		if r.Where != nil { // the caller's lists stay its own
			r.Where = &Where{Field: r.Where.Field, In: slices.Clone(r.Where.In), Keys: slices.Clone(r.Where.Keys)}
		}
		r.normal()
		st := &state{Rule: r, sort: sorts[r.Effect.Kind]}
		if r.Where != nil {
			st.in, st.want = set(r.Where.In), set(r.Where.Keys)
		}
		add, ids = append(add, st), append(ids, r.ID)
	}
	s.rules = append(s.rules, add...)
	return ids, nil
}

func set(list []string) map[string]struct{} {
	m := make(map[string]struct{}, len(list))
	for _, v := range list {
		m[v] = struct{}{}
	}
	return m
}

// List returns the rules with their hits, in the order in which they were added.
func (s *Set) List() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Rule, 0, len(s.rules))
	for _, r := range s.rules {
		out = append(out, r.Rule)
	}
	return out
}

// Clear removes the rules with the given ids, or all when none is given, and returns how many went.
func (s *Set) Clear(ids ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	if len(ids) == 0 {
		s.rules = nil
		return before
	}
	s.rules = slices.DeleteFunc(s.rules, func(r *state) bool { return slices.Contains(ids, r.ID) })
	return before - len(s.rules)
}

// Subject is what a rule is asked about: a request, or a job.
type Subject struct {
	Endpoint  Endpoint
	Object    string
	Operation string
	Job       string // 18 characters, "" when the request names none
}

func (r *state) agrees(sub Subject) bool {
	m := &r.Match
	return (m.Endpoint == "" || m.Endpoint == sub.Endpoint) &&
		(m.Object == "" || strings.EqualFold(m.Object, sub.Object)) &&
		(m.Operation == "" || m.Operation == sub.Operation) &&
		(m.Job == "" || (sub.Job != "" && strings.HasPrefix(sub.Job, m.Job)))
}

// spent says that the rule has taken effect as often as it may.
func (r *state) spent() bool { return *r.Times > 0 && r.Hits >= *r.Times }

// take counts a match and says whether the rule takes effect on it; key is "" for requests and jobs.
func (r *state) take(key string) bool {
	r.Matched++
	if r.spent() || (r.Match.Nth > 0 && r.Matched != r.Match.Nth) || r.Matched <= r.Match.After {
		return false
	}
	if r.Match.Fraction > 0 {
		by := key
		if r.sort == onRequests || r.sort == onJobs {
			by = strconv.Itoa(r.Matched)
		}
		if !drawn(r.Match.Seed, by, r.Match.Fraction) {
			return false
		}
	}
	if r.TimesPerKey > 0 {
		if r.keys == nil {
			r.keys = map[string]int{}
		}
		if r.keys[key] >= r.TimesPerKey {
			return false
		}
		r.keys[key]++
	}
	r.Hits++
	return true
}

// drawn decides a fraction by a hash, so that the same seed always draws the same.
func drawn(seed int64, by string, fraction float64) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatInt(seed, 10) + "/" + by))
	x := h.Sum64()
	// FNV leaves the high bits of short texts poorly mixed; a finalizer spreads them.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11)/(1<<53) < fraction
}

// Hit is a rule that takes effect.
type Hit struct {
	ID     string
	Effect Effect
}

// Request returns the faults that take effect on a request. Rules behind one that ends the request are not asked.
func (s *Set) Request(sub Subject) []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hits []Hit
	for _, r := range s.rules {
		if r.sort != onRequests || !r.agrees(sub) || !r.take("") {
			continue
		}
		hits = append(hits, Hit{r.ID, r.Effect})
		if r.Effect.Kind != Latency && r.Effect.Kind != Slow {
			break
		}
	}
	return hits
}

// Job returns the fault that takes effect on a job which starts to be processed, if any.
func (s *Set) Job(sub Subject) (Hit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.sort == onJobs && r.agrees(sub) && r.take("") {
			return Hit{r.ID, r.Effect}, true
		}
	}
	return Hit{}, false
}

// Foreign returns how many rows that nobody uploaded the success file of a finished job gets.
func (s *Set) Foreign(sub Subject) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.rules {
		if r.Effect.Kind != ForeignRows || !r.agrees(sub) || !r.take("") {
			continue
		}
		if r.Effect.Rows != nil {
			n += *r.Effect.Rows
		} else {
			n++
		}
	}
	return n
}

// Rows returns the rules that may apply to the rows of a job; it is nil when there are none, which is cheap to ask.
func (s *Set) Rows(sub Subject) *Rows {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows Rows
	for _, r := range s.rules {
		if (r.sort != onRows && r.sort != onResults) || r.Effect.Kind == ForeignRows || !r.agrees(sub) {
			continue
		}
		if r.sort == onRows {
			rows.errors = append(rows.errors, r)
		} else {
			rows.results = append(rows.results, r)
		}
	}
	if rows.errors == nil && rows.results == nil {
		return nil
	}
	rows.set = s
	return &rows
}

// Rows is the rules for the rows of one job.
type Rows struct {
	set             *Set
	errors, results []*state
}

// Line is what rules ask about one row of a job.
type Line struct {
	// Key is what fractions and times_per_key go by.
	Key string
	// Names returns every text that may stand for the row in a list of keys.
	Names func() []string
	// Cell reads a column of the row by its API name.
	Cell func(name string) (string, bool)
}

func (l Line) among(keys map[string]struct{}) bool {
	for _, name := range l.Names() {
		if _, ok := keys[strings.ToLower(name)]; ok {
			return true
		}
	}
	return false
}

func (r *state) means(line Line) bool {
	if r.Where == nil {
		return true
	}
	if len(r.want) > 0 && !line.among(r.want) {
		return false
	}
	if r.Where.Field != "" {
		v, ok := line.Cell(r.Where.Field)
		if !ok {
			return false
		}
		_, ok = r.in[v]
		return ok
	}
	return true
}

// Error returns the text with which a row has to fail, "" when it need not.
func (r *Rows) Error(line Line) string {
	if r == nil || r.errors == nil {
		return ""
	}
	key := strings.ToLower(line.Key)
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for _, st := range r.errors {
		if st.means(line) && st.take(key) {
			return st.Effect.Error
		}
	}
	return ""
}

// HasResults says whether Result can answer anything but false.
func (r *Rows) HasResults() bool { return r != nil && r.results != nil }

// Result says what happens to a row in the result files.
func (r *Rows) Result(line Line) (lost, doubled bool) {
	if !r.HasResults() {
		return false, false
	}
	key := strings.ToLower(line.Key)
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for _, st := range r.results {
		if st.means(line) && st.take(key) {
			if st.Effect.Kind == LoseRows {
				return true, false
			}
			doubled = true
		}
	}
	return false, doubled
}
