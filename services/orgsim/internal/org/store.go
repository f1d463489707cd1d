package org

import (
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
)

// version is one state that a row had. The values are packed: for each field that is set, its number, its length and
// its text; a row of ten short fields takes about a hundred bytes.
type version struct {
	at      int64  // milliseconds since 1970, the org's clock
	job     uint32 // index into Store.jobs; 0 = not by a job
	row     uint32 // data row in the job's upload, from 1; 0 = not by a job
	by      uint32 // place of the user who made it plus one; 0 = whoever makes such things, see Reader.user
	deleted bool
	purged  bool // deleted for good: it skipped the recycle bin
	data    string
}

// record is one row of an object.
type record struct {
	now      version
	before   []version
	children uint32 // live rows that refer to this one
	seeded   bool
}

// table is all rows of one object. A row's place is its running number, so an id leads to it without an index.
type table struct {
	object *Object
	base   uint64 // running number of the first row, so that ids do not begin at zero
	rows   []record
	keys   []*index // by field; nil where rows are not found by the field
	// matches leads from what a duplicate rule compares to the rows that have it, by blocking rule.
	matches []*index
	live    int
	seeded  int
	text    slab

	journal *journal // what to undo, while a call may be taken back; nil otherwise
}

// Store is the rows of an org.
type Store struct {
	model    *Model
	seed     int64
	instance string
	now      func() time.Time
	switches *switches.Store

	// gate is held for reading by whoever saves, for writing by calls that nobody else may save between (see Together). It
	// is taken before mu.
	gate sync.RWMutex

	mu     sync.RWMutex
	tables []*table // in the order of the model's objects
	jobs   []string
	jobNo  map[string]uint32
	org    uint32 // row of the only Organization
	user   uint32 // row of the integration user
	admin  uint32 // row of the user who made what was seeded

	accounts []account // of the users, in the order of their rows

	latest, marked int64 // times of the latest version and of the latest mark, see tick
}

// Identity is who the org is and who the caller of its API is.
type Identity struct {
	OrgID, UserID string // 18 characters
	Username      string
}

// Config is what a Store works with; all members are needed.
type Config struct {
	Model    *Model
	Seed     int64  // decides all ids
	Username string // of the integration user
	Now      func() time.Time
	Switches *switches.Store
}

// NewStore returns an org without rows but its own and its users'. The same seed gives the same ids.
func NewStore(c Config) *Store {
	s := &Store{
		model: c.Model, seed: c.Seed, now: c.Now, switches: c.Switches, instance: sfid.InstanceFor(s64(c.Seed, "instance")),
	}
	s.clear()
	s.addSystemRows(c.Username)
	return s
}

// s64 derives a number from the seed, another one for each purpose.
func s64(seed int64, purpose string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatInt(seed, 10) + "/" + purpose))
	return h.Sum64()
}

func (s *Store) clear() {
	s.tables = make([]*table, len(s.model.Objects))
	s.jobs, s.jobNo = []string{""}, map[string]uint32{}
	for i, o := range s.model.Objects {
		t := &table{object: o, base: s64(s.seed, o.KeyPrefix) % (1 << 40), keys: make([]*index, len(o.Fields))}
		for j, f := range o.Fields {
			if f.indexed() {
				t.keys[j] = &index{text: func(row uint32) string { return f.Fold(packedValue(t.rows[row].now.data, f.index)) }}
			}
		}
		for _, rule := range o.blocking {
			t.matches = append(t.matches, &index{text: func(row uint32) string {
				values := make([]string, len(o.Fields))
				unpack(t.rows[row].now.data, values)
				return rule.key(values)
			}})
		}
		s.tables[i] = t
	}
}

func (s *Store) addSystemRows(username string) {
	s.org = s.addSystem("Organization", map[string]string{
		"Name": "Bulkhead simulated org", "InstanceName": "SIM1", "IsSandbox": "false",
		"OrganizationType": "Enterprise Edition", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "Etc/UTC",
	})
	s.accounts = nil
	s.user = s.addUser(username, "Integration", "User", false).row
	s.admin = s.addUser(AdminUsername, "Org", "Admin", true).row
}

func (s *Store) addSystem(object string, fields map[string]string) uint32 {
	t := s.table(s.model.Object(object))
	values := make([]string, len(t.object.Fields))
	for name, v := range fields {
		values[t.object.Field(name).index] = v
	}
	return t.insert(values, version{at: s.tick()}, false)
}

// Reset forgets every row, version and job name; the org and its user stay as they were.
func (s *Store) Reset() {
	username := s.Identity().Username
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.addSystemRows(username)
}

// Now is the org's time in UTC.
func (s *Store) Now() time.Time { return s.now().UTC() }

// Model is the org's object model.
func (s *Store) Model() *Model { return s.model }

// Identity says who the org and its integration user are.
func (s *Store) Identity() Identity {
	s.mu.RLock()
	defer s.mu.RUnlock()
	orgs, users := s.table(s.model.Object("Organization")), s.table(s.model.Object("User"))
	values := make([]string, len(users.object.Fields))
	unpack(users.rows[s.user].now.data, values)
	return Identity{
		OrgID:    sfid.To18(s.id15(orgs, s.org)),
		UserID:   sfid.To18(s.id15(users, s.user)),
		Username: values[users.object.Field("Username").index],
	}
}

// NewID returns the 18-character id of running number n under a prefix that belongs to no object, such as a job's.
func (s *Store) NewID(prefix string, n uint64) string {
	return sfid.To18(sfid.Make(prefix, s.instance, s64(s.seed, prefix)%(1<<40)+n))
}

func (s *Store) table(o *Object) *table { return s.tables[o.place] }

// id15 is the short id of a row.
func (s *Store) id15(t *table, row uint32) string {
	return sfid.Make(t.object.KeyPrefix, s.instance, t.base+uint64(row))
}

// find leads from a short id to a row of the table; it is false for ids that this org never gave out.
func (s *Store) find(t *table, id15 string) (uint32, bool) {
	n, ok := sfid.Number(id15)
	if !ok || sfid.Prefix(id15) != t.object.KeyPrefix || sfid.Instance(id15) != s.instance {
		return 0, false
	}
	if n < t.base || n-t.base >= uint64(len(t.rows)) {
		return 0, false
	}
	return uint32(n - t.base), true
}

func (s *Store) jobNumber(job string) uint32 {
	if job == "" {
		return 0
	}
	if n, ok := s.jobNo[job]; ok {
		return n
	}
	s.jobs = append(s.jobs, job)
	n := uint32(len(s.jobs) - 1)
	s.jobNo[job] = n
	return n
}

// insert adds a row and returns its place.
func (t *table) insert(values []string, v version, seeded bool) uint32 {
	row := uint32(len(t.rows))
	v.data = t.text.pack(values, "")
	t.rows = append(t.rows, record{now: v, seeded: seeded})
	t.live++
	if seeded {
		t.seeded++
	}
	t.reindex(row, nil, values)
	t.journal.note(t, row, inserted)
	return row
}

// change gives a row its next version.
func (t *table) change(row uint32, old, values []string, v version) {
	r := &t.rows[row]
	v.data = t.text.pack(values, r.now.data) // a save that changed nothing shares the text
	r.before = append(r.before, r.now)
	r.now = v
	t.reindex(row, old, values)
	t.journal.note(t, row, changed)
}

// remove marks a row as deleted; its values stay visible in its history.
func (t *table) remove(row uint32, old []string, v version) {
	r := &t.rows[row]
	v.data, v.deleted = r.now.data, true
	r.before = append(r.before, r.now)
	r.now = v
	t.live--
	if r.seeded {
		t.seeded--
	}
	t.reindex(row, old, nil)
	t.journal.note(t, row, removed)
}

// reindex moves a row from its old keys to its new ones; nil stands for no values at all.
func (t *table) reindex(row uint32, old, values []string) {
	for _, f := range t.object.indexed {
		var was, is string
		if old != nil {
			was = old[f.index]
		}
		if values != nil {
			is = values[f.index]
		}
		if was == is {
			continue
		}
		was, is = f.Fold(was), f.Fold(is)
		if was == is {
			continue
		}
		ix := t.keys[f.index]
		if was != "" {
			ix.remove(was, row)
		}
		if is != "" {
			ix.add(is, row)
		}
	}
	for i, rule := range t.object.blocking {
		var was, is string
		if old != nil {
			was = rule.key(old)
		}
		if values != nil {
			is = rule.key(values)
		}
		if was == is {
			continue
		}
		if was != "" {
			t.matches[i].remove(was, row)
		}
		if is != "" {
			t.matches[i].add(is, row)
		}
	}
}
