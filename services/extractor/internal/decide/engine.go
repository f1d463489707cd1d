package decide

import (
	"maps"
	"slices"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// Fed says what became of a candidate.
type Fed int

// What can become of a candidate.
const (
	// Skipped: it was decided before.
	Skipped Fed = iota
	// Taken: its verdict waits in its lane.
	Taken
	// Full: it was not taken; its lane must be cut and stored first, then it is fed again.
	Full
)

// Engine decides the records of one pipeline under one revision of its definition. It is not safe for concurrent use, and is thrown
// away when a commit fails: what it held is read again.
type Engine struct {
	pipeline string
	limits   Limits
	header   []string
	headSize int64

	lanes   map[int]*lane
	reading record.Place
	ahead   time.Time // since when the reading place is ahead of a mark though no record waits; zero = it is not

	answers Answers
	settled []*lane // what was committed since the last answers, the oldest first
}

// Config says what an engine works by.
type Config struct {
	Pipeline string
	Header   []string
	Limits   Limits
	// Lanes is the number of lanes; the lane of what has no entity comes on top.
	Lanes int
}

// New makes an engine that goes on from marks. A lane without a mark has decided nothing.
func New(c Config, marks map[int]record.Place) *Engine {
	c.Limits.Bytes = min(c.Limits.Bytes, rowfile.MaxBytes)
	e := &Engine{
		pipeline: c.Pipeline, limits: c.Limits, header: c.Header,
		lanes: make(map[int]*lane, c.Lanes+1),
	}
	e.headSize = int64(rowfile.RowSize(c.Header))
	for n := record.LaneNone; n < c.Lanes; n++ {
		e.lanes[n] = newLane(n, marks[n], e.headSize)
	}
	e.reading = e.Lowest()
	return e
}

// Lowest is the smallest mark: reading starts there.
func (e *Engine) Lowest() record.Place {
	first := true
	var low record.Place
	for _, l := range e.lanes {
		if first || l.mark.Less(low) {
			low, first = l.mark, false
		}
	}
	return low
}

// Highest is the greatest mark: up to there the vector may be uneven, and records must be routed as the revision in force says.
func (e *Engine) Highest() record.Place {
	var high record.Place
	for _, l := range e.lanes {
		if high.Less(l.mark) {
			high = l.mark
		}
	}
	return high
}

// Marks is the checkpoint vector.
func (e *Engine) Marks() map[int]record.Place {
	out := make(map[int]record.Place, len(e.lanes))
	for n, l := range e.lanes {
		out[n] = l.mark
	}
	return out
}

// Reading is the place up to which candidates were fed.
func (e *Engine) Reading() record.Place { return e.reading }

// Unsealed is the number of records whose verdicts are not committed.
func (e *Engine) Unsealed() int {
	n := 0
	for _, l := range e.lanes {
		n += l.items
	}
	return n
}

// Wants lists the hashes to look up for a batch of candidates: keys, and entities whose newest version matters. What lies at or
// below its mark is left out.
func (e *Engine) Wants(batch []Candidate) (keys, entities []record.Hash) {
	keys = make([]record.Hash, 0, len(batch))
	for i := range batch {
		c := &batch[i]
		if e.decided(c) {
			continue
		}
		switch {
		case c.KeyKind == KeyNamed:
			keys = append(keys, c.KeyHash)
		case c.KeyKind == KeyFromBody && c.HasEntity:
			entities = append(entities, c.EntityHash)
		}
	}
	return keys, entities
}

// WantsReused lists the further keys to look up once the first answers are there: those under which records would die that use a key
// for other content than it stood for.
func (e *Engine) WantsReused(batch []Candidate, first Answers) []record.Hash {
	var out []record.Hash
	seen := make(map[record.Hash]record.Hash, len(batch))
	for i := range batch {
		c := &batch[i]
		if c.KeyKind != KeyNamed || e.decided(c) {
			continue
		}
		content, ok := seen[c.KeyHash]
		if !ok {
			if k, held := e.unsealed(c.KeyHash); held {
				content, ok = k.Content, true
			} else if k, held := first.Keys[c.KeyHash]; held {
				content, ok = k.Content, true
			}
		}
		if !ok {
			content = c.Content
		}
		seen[c.KeyHash] = content
		if content != c.Content {
			out = append(out, record.HashKey(e.pipeline, record.ReusedKey(c.Key, c.Content)))
		}
	}
	return out
}

// Learn takes the ledger's answers for the batch that is fed next. They must have been read after the last commit.
func (e *Engine) Learn(a Answers) {
	e.answers = a
	e.settled = nil
}

// Feed decides one candidate. Candidates come in the order of the stream, each batch after Learn.
func (e *Engine) Feed(c *Candidate, now time.Time) Fed {
	l := e.lane(c.Lane)
	if e.decided(c) {
		e.advance(c, now)
		return Skipped
	}
	v, reused := e.judge(c)
	switch v {
	case already:
		e.advance(c, now)
		return Skipped
	case repeat:
		if l.repeats == nil {
			l.repeats = make(map[string]int64)
		}
		l.repeats[c.Run]++
		l.touch(c.Place, now)
	case refused:
		if !e.refuse(l, c, reused) {
			l.full = true
			return Full
		}
		l.touch(c.Place, now)
	case fresh:
		if !l.add(c, e.limits) {
			l.full = true
			return Full
		}
		l.learn(c, c.KeyHash, l.entries[len(l.entries)-1].row)
		l.touch(c.Place, now)
	}
	e.advance(c, now)
	return Taken
}

// Pass notes that a message without any record was read.
func (e *Engine) Pass(seq uint64, now time.Time) {
	e.moveTo(record.Place{Seq: seq, Idx: EndOfFrame}, now)
}

func (e *Engine) refuse(l *lane, c *Candidate, reused bool) bool {
	d := newDead(c)
	if reused {
		d.Key = record.ReusedKey(c.Key, c.Content)
		d.KeyHash = record.HashKey(e.pipeline, d.Key)
		d.Code, d.Fields = record.CodeKeyReused, nil
		d.Message = "the key " + c.Key + " was used before for other content: publish the record under a key of its own, or correct the publisher"
	}
	d.LetterID = record.LetterID(e.pipeline, d.Key, 0)
	if !l.bury(d) {
		return false
	}
	if c.KeyKind != KeyUnknown {
		// The ledger knows the key of what it refused, so that a repeat of it is one.
		l.entries = append(l.entries, entry{
			key: d.Key, keyHash: d.KeyHash, content: c.Content, place: c.Place, row: none, next: none, refused: true,
			entityHash: c.EntityHash, hasEntity: c.HasEntity,
		})
	}
	l.learn(c, d.KeyHash, none)
	return true
}

func (e *Engine) advance(c *Candidate, now time.Time) {
	p := c.Place
	if c.Last {
		p.Idx = EndOfFrame
	}
	e.moveTo(p, now)
}

func (e *Engine) moveTo(p record.Place, now time.Time) {
	if !e.reading.Less(p) {
		return
	}
	e.reading = p
	if e.ahead.IsZero() {
		e.ahead = now
	}
}

func (e *Engine) lane(n int) *lane {
	l, ok := e.lanes[n]
	if !ok {
		// A lane that the definition does not have cannot come from a mapper of the same revision; keep the record all the same.
		l = newLane(n, record.Place{}, e.headSize)
		e.lanes[n] = l
	}
	return l
}

func (e *Engine) decided(c *Candidate) bool {
	l, ok := e.lanes[c.Lane]
	return ok && !l.mark.Less(c.Place)
}

// order returns the lanes' numbers, rising: what is cut must not depend on a map's order.
func (e *Engine) order() []int { return slices.Sorted(maps.Keys(e.lanes)) }
