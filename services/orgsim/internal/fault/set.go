package fault

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Set is the rules in force. It is safe for concurrent use; its zero value is empty.
type Set struct {
	// Now is the org's time, for rules with a window; nil means the time of the process. It is set before the first use.
	Now func() time.Time

	mu    sync.Mutex
	rules []*state
	named int
}

// state is a rule with what it remembers.
type state struct {
	Rule
	sort sort
	from time.Time      // when it may begin to take effect
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
		r.Effect.Columns = maps.Clone(r.Effect.Columns)
		st := &state{Rule: r, sort: sorts[r.Effect.Kind], from: s.now().Add(time.Duration(r.Match.From))}
		if r.Where != nil {
			st.in, st.want = set(r.Where.In), set(r.Where.Keys)
		}
		add, ids = append(add, st), append(ids, r.ID)
	}
	s.rules = append(s.rules, add...)
	return ids, nil
}

func (s *Set) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
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
	Method    string // of HTTP
	Object    string
	Operation string
	Job       string // 18 characters, "" when the request names none
}

// agrees says whether a rule is in its window and speaks of this subject.
func (r *state) agrees(sub Subject, now time.Time) bool {
	m := &r.Match
	if now.Before(r.from) || (m.For > 0 && !now.Before(r.from.Add(time.Duration(m.For)))) {
		return false
	}
	if r.Effect.Kind == Quota && !counted(sub.Endpoint, r.Effect.Quota) {
		return false
	}
	return (m.Endpoint == "" || m.Endpoint == sub.Endpoint) &&
		(m.Method == "" || m.Method == sub.Method) &&
		(m.Object == "" || strings.EqualFold(m.Object, sub.Object)) &&
		(m.Operation == "" || m.Operation == sub.Operation) &&
		(m.Job == "" || (sub.Job != "" && strings.HasPrefix(sub.Job, m.Job)))
}

// counted says whether a limit counts calls of this sort.
func counted(e Endpoint, quota string) bool {
	if quota == QuotaJobs {
		return e == Create
	}
	return e != Token && e != SOAP && e != Versions
}

// spent says that the rule has taken effect as often as it may.
func (r *state) spent() bool { return *r.Times > 0 && r.Hits >= *r.Times }

// take counts a match and says whether the rule takes effect on it. key is what times_per_key goes by, by what a
// fraction does; both are "" for requests and jobs, whose fraction goes by their number.
func (r *state) take(key, by string) bool {
	r.Matched++
	if r.spent() || (r.Match.Nth > 0 && r.Matched != r.Match.Nth) || r.Matched <= r.Match.After {
		return false
	}
	if r.Match.Fraction > 0 {
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

// goesOn says that a fault of a request leaves room for others.
func (k Kind) goesOn() bool { return k == Latency || k == Slow || k == ExpireToken }

// Request returns the faults that take effect on a request. Rules behind one that ends the request are not asked.
func (s *Set) Request(sub Subject) []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var hits []Hit
	for _, r := range s.rules {
		if r.sort != onRequests || !r.agrees(sub, now) || !r.take("", "") {
			continue
		}
		hits = append(hits, Hit{r.ID, r.Effect})
		if !r.Effect.Kind.goesOn() {
			break
		}
	}
	return hits
}

// Job returns the fault that takes effect on a job which starts to be processed, if any.
func (s *Set) Job(sub Subject) (Hit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, r := range s.rules {
		if r.sort == onJobs && r.agrees(sub, now) && r.take("", "") {
			return Hit{r.ID, r.Effect}, true
		}
	}
	return Hit{}, false
}

// Foreign returns the rows that nobody uploaded which the success file of a finished job gets: for each its texts by
// column, nil where any will do.
func (s *Set) Foreign(sub Subject) []map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var rows []map[string]string
	for _, r := range s.rules {
		if r.Effect.Kind != ForeignRows || !r.agrees(sub, now) || !r.take("", strconv.Itoa(r.Matched+1)) {
			continue
		}
		n := 1
		if r.Effect.Rows != nil {
			n = *r.Effect.Rows
		}
		for range n {
			rows = append(rows, r.Effect.Columns)
		}
	}
	return rows
}
