package fault

import (
	"maps"
	"strings"
)

// Rows returns the rules that may apply to the rows of a job; it is nil when there are none, which is cheap to ask.
func (s *Set) Rows(sub Subject) *Rows {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var rows Rows
	for _, r := range s.rules {
		if (r.sort != onRows && r.sort != onResults) || r.Effect.Kind == ForeignRows || !r.agrees(sub, now) {
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
	// Parents returns the 15-character ids of the rows that the row will refer to; nil when the caller knows none.
	Parents func() []string
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
		if !st.means(line) {
			continue
		}
		if st.Effect.Kind == LockStorm {
			if parent, by := st.stormed(line, key); st.take(key, by) {
				return lockText(parent)
			}
		} else if st.take(key, key) {
			return st.Effect.Error
		}
	}
	return ""
}

// stormed returns the parent whose lock a row cannot have, "" for a row without parents, and what decides over it: with
// a fraction the first parent that is drawn, so that all its children meet the same.
func (r *state) stormed(line Line, key string) (parent, by string) {
	var parents []string
	if line.Parents != nil {
		parents = line.Parents()
	}
	if len(parents) == 0 {
		return "", key
	}
	for _, p := range parents {
		if r.Match.Fraction == 0 || drawn(r.Match.Seed, p, r.Match.Fraction) {
			return p, p
		}
	}
	return parents[0], parents[0]
}

// lockText is the sf__Error of a row that did not get a lock, as Salesforce writes it with and without an id.
func lockText(parent string) string {
	if parent == "" {
		return "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
	}
	return "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: " + parent + ":--"
}

// HasResults says whether Result can answer anything but nothing.
func (r *Rows) HasResults() bool { return r != nil && r.results != nil }

// Distortion is what becomes of a row in the result files; the zero value is nothing.
type Distortion struct {
	Lost    bool // it stands in none
	Doubled bool // it stands twice
	// Rewrite holds texts by column of the file, sf__Id, sf__Created and sf__Error too, which stand there instead of the
	// true ones. The map is shared: it must not be changed.
	Rewrite map[string]string
}

// Result says what becomes of a row in the result files. A row may be rewritten and doubled, but not lost as well.
func (r *Rows) Result(line Line) Distortion {
	var d Distortion
	if !r.HasResults() {
		return d
	}
	key := strings.ToLower(line.Key)
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	for _, st := range r.results {
		if !st.means(line) || !st.take(key, key) {
			continue
		}
		switch st.Effect.Kind {
		case LoseRows:
			return Distortion{Lost: true}
		case DoubleRows:
			d.Doubled = true
		default:
			d.rewrite(st.Effect.Columns)
		}
	}
	return d
}

// rewrite adds the texts of a rule; those of an earlier one stay.
func (d *Distortion) rewrite(columns map[string]string) {
	if d.Rewrite == nil {
		d.Rewrite = columns
		return
	}
	both := maps.Clone(columns)
	maps.Copy(both, d.Rewrite)
	d.Rewrite = both
}
