package properties

import (
	"fmt"
	"slices"
	"strings"
)

// entry is one record: what stands under one key, in its last generation.
type entry struct {
	key     string
	content string
	run     string
	// published is the key that it came with; "" = none. ledgerKey is what the ledger calls it, once seen.
	published, ledgerKey string
	order                order
	// says is what the record says of each field; null and, in a whole record, an absent member say "".
	says map[string]string
	// doubtful are the fields that the org may not have been sent: a version that came late may have been reduced for the sake of a newer one that died later.
	doubtful map[string]bool
	// places are all that it was read from.
	places []place

	state, class, code string
	// moved says that it was accepted or replayed in this phase; may are the ends that are allowed then.
	moved bool
	may   []end
	// ordered says that a person had it sent in this phase, so that it may share a row with others that were; behind that newer records which the org
	// holds say all that it says: alone in its row it cannot land.
	ordered, behind bool
}

// entity is what the model knows of one entity.
type entity struct {
	kind kind
	name string
	// exists says that the org holds the row: what an update needs.
	exists  bool
	fate    fate
	entries []*entry
	// past counts generations that ended as discarded behind a newer one, by run.
	past    map[string]int64
	repeats int64
	// written are the orders of all that ever said a value of a field, for the rows' histories: field → value → orders.
	written map[string]map[string][]order
	// story is what happened, for a failure's message.
	story []string
}

func (e *entity) tell(format string, args ...any) {
	e.story = append(e.story, fmt.Sprintf(format, args...))
}

func newEntity(k kind, name string) *entity {
	e := &entity{kind: k, name: name, past: map[string]int64{}, written: map[string]map[string][]order{}}
	for _, c := range columns {
		e.written[c.field] = map[string][]order{}
	}
	return e
}

// find finds what the ledger tells of: by its key, or, where the ledger made the key, by its place.
func (e *entity) find(h history) *entry {
	at := place{uint64(h.Origin.Sequence), h.Origin.Index}
	for _, x := range e.entries {
		made := x.published == "" || strings.Contains(x.key, reusedMark)
		if !made && x.key == h.Key || made && slices.Contains(x.places, at) && strings.HasPrefix(h.Key, x.stem()) {
			x.ledgerKey = h.Key
			return x
		}
	}
	return nil
}

// stem is what a made key begins with.
func (x *entry) stem() string {
	if x.published == "" {
		return "h:"
	}
	return x.published + reusedMark
}

func (e *entity) byKey(key string) *entry {
	for _, x := range e.entries {
		if x.key == key {
			return x
		}
	}
	return nil
}

// published is one record of the stream.
type published struct {
	key     string // "" = none
	body    string
	version int
	says    map[string]string
	run     string
	seq     uint64
	idx     int
}

func (p published) order() order { return order{p.version, p.seq, p.idx} }

// reusedMark is what distinguishes the key of a record that used another one's.
const reusedMark = "#"

// read decides what becomes of a record that is read from the stream for the first time.
func (e *entity) read(p published) {
	gen := e.identify(p, false)
	if gen == nil {
		e.tell("%d.%d key %q %s: a repeat", p.seq, p.idx, p.key, p.body)
		e.repeats++
		return
	}
	e.open(gen, p)
}

// reread decides what becomes of one that is read again.
func (e *entity) reread(p published, again map[string]bool) {
	for _, x := range e.entries {
		if x.order.seq == p.seq && x.order.idx == p.idx && x.state != discarded {
			return // known by its place
		}
	}
	if gen := e.identify(p, true); gen != nil && !again[gen.key] {
		again[gen.key] = true
		e.open(gen, p)
		gen.ordered = true
	}
}

// identify finds the entry that a record opens a generation of, nil for a repeat.
func (e *entity) identify(p published, again bool) *entry {
	if p.key == "" {
		key := fmt.Sprintf("@%d.%d", p.seq, p.idx)
		if x := e.byKey(key); x != nil {
			return x // only read again, and only when it was discarded
		}
		if newest := e.newest(p, again); newest != nil && newest.content == p.body && (again || newest.state != discarded) {
			return nil
		}
		return &entry{key: key}
	}
	x := e.byKey(p.key)
	switch {
	case x == nil:
		return &entry{key: p.key}
	case x.content != p.body:
		key := p.key + reusedMark + p.body
		if x = e.byKey(key); x == nil {
			return &entry{key: key, code: "KEY_REUSED"}
		}
		if x.state == discarded {
			return x
		}
		return nil
	case x.state == discarded:
		return x
	}
	return nil
}

// newest is the newest record of the entity; of one that is read again, the newest in front of it, in whatever generation it stood there.
func (e *entity) newest(p published, again bool) *entry {
	var (
		best *entry
		at   order
	)
	for _, x := range e.entries {
		orders := []order{x.order}
		if again {
			orders = nil
			for _, stood := range x.places {
				if stood.seq < p.seq || stood.seq == p.seq && stood.idx < p.idx {
					orders = append(orders, order{version: x.order.version, seq: stood.seq, idx: stood.idx})
				}
			}
		}
		for _, o := range orders {
			if best == nil || at.compare(o) < 0 {
				best, at = x, o
			}
		}
	}
	return best
}

// open begins a generation: of a new entry, or of one that was discarded.
func (e *entity) open(x *entry, p published) {
	if x.state == discarded {
		e.past[x.run]++
	} else {
		e.entries = append(e.entries, x)
	}
	reused := x.code == "KEY_REUSED" || strings.Contains(x.key, reusedMark)
	x.published = p.key
	x.places = append(x.places, place{p.seq, p.idx})
	x.content, x.run, x.order, x.says = p.body, p.run, p.order(), p.says
	x.doubtful = map[string]bool{}
	e.say(x)
	before := slices.DeleteFunc(slices.Clone(e.entries), func(y *entry) bool { return y == x })
	x.moved, x.state, x.class, x.code = true, "", "", ""
	switch {
	case reused:
		x.may = []end{{dead, "data", "KEY_REUSED"}}
	case e.kind.versioned:
		x.may = e.late(x, before)
	default:
		x.may = e.sent(x, false)
	}
	e.tell("%d.%d key %q %s: may be %v", p.seq, p.idx, p.key, p.body, x.may)
}

func (e *entity) say(x *entry) {
	for field, value := range x.says {
		e.written[field][value] = append(e.written[field][value], x.order)
	}
}
