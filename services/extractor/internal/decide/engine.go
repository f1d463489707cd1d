package decide

import (
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/fault/planted"
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
	Config
	headSize int64

	lanes   map[int]*lane
	list    []*lane // the same, to go through for each record
	reading record.Place
	ahead   time.Time // since when the reading place is ahead of a mark though no record waits; zero = it is not

	open map[int]int // chunks without an outcome by lane; see Open

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
	// Apart says that each record is a row of its own, and that no two of one entity go into one chunk (inserts).
	Apart bool
	// Versioned says that records carry the version that orders them; without it the order of the stream does.
	Versioned bool
	// Whole says that a record says all of a row, so that any newer version of its entity covers it.
	Whole bool
	// KeyIsVersioned says that the key is made of the entity and its version: the same key with other content is a conflict of versions.
	KeyIsVersioned bool
	// Ordinals are those of extractor.columns by place in the header; needed when Versioned.
	Ordinals []int
}

// New makes an engine that goes on from marks. A lane without a mark has decided nothing.
func New(c Config, marks map[int]record.Place) *Engine {
	c.Limits.Bytes = min(c.Limits.Bytes, rowfile.MaxBytes)
	e := &Engine{Config: c, lanes: make(map[int]*lane, c.Lanes+1)}
	e.headSize = int64(rowfile.RowSize(c.Header))
	for n := record.LaneNone; n < c.Lanes; n++ {
		e.put(newLane(n, c.Pipeline, marks[n], e.headSize))
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
	fed := true
	switch r := e.judge(c); r.verdict {
	case already:
		e.advance(c, now)
		return Skipped
	case repeat:
		if l.repeats == nil {
			l.repeats = make(map[string]int64)
		}
		l.repeats[c.Run]++
	case refused:
		fed = e.refuse(l, c, r)
	case superseded:
		fed = e.supersede(l, c, r)
	case fresh:
		if fed = l.add(r.record, &e.Config); fed {
			l.learn(r.record)
			if !r.first {
				l.follower = max(l.follower, c.Place.Seq)
			}
		}
	}
	if !fed {
		l.full = true
		return Full
	}
	l.touch(c.Place, now)
	e.advance(c, now)
	return Taken
}

// Pass notes that a message without any record was read.
func (e *Engine) Pass(seq uint64, now time.Time) {
	e.moveTo(record.Place{Seq: seq, Idx: EndOfFrame}, now)
}

func (e *Engine) refuse(l *lane, c *Candidate, r ruling) bool {
	c.NameByBody(e.Pipeline)
	d := e.deadOf(c, r)
	if !l.bury(d) {
		return false
	}
	c.Generation = d.Generation
	if c.KeyKind != KeyUnknown {
		// The ledger knows the key of what it refused, so that a repeat of it is one.
		l.entries.add(l.endedEntry(c, d.KeyHash, d.Generation))
		l.learn(c)
	}
	return true
}

// deadOf is the letter of a candidate that is refused.
func (e *Engine) deadOf(c *Candidate, r ruling) Dead {
	d := newDead(c)
	d.Generation = r.generation
	if r.reused {
		d.Key = record.ReusedKey(c.Key, c.Content)
		d.KeyHash = record.HashKey(e.Pipeline, d.Key)
		d.Code, d.Fields = record.CodeKeyReused, nil
		d.Message = "the key " + c.Key + " was used before for other content: publish the record under a key of its own, or correct the publisher"
	}
	if r.conflict {
		d.Code, d.Fields = record.CodeVersionConflict, nil
		d.Message = "another record of " + c.Entity + " has the same version and says something else: give each change a version of its own"
	}
	d.LetterID = record.LetterID(e.Pipeline, d.Key, d.Generation)
	return d
}

func (e *Engine) supersede(l *lane, c *Candidate, r ruling) bool {
	if len(l.superseded) >= MaxSuperseded {
		return false
	}
	c.NameByBody(e.Pipeline)
	l.superseded = append(l.superseded, e.supersededOf(c, r))
	// As for what is refused: a repeat of it is one.
	l.entries.add(l.endedEntry(c, c.KeyHash, r.generation))
	c.Generation = r.generation
	l.learn(c)
	return true
}

// supersededOf is a candidate that newer versions cover.
func (e *Engine) supersededOf(c *Candidate, r ruling) Superseded {
	return Superseded{
		Run: c.Run, Key: strings.Clone(c.Key), KeyHash: c.KeyHash, Generation: r.generation, Entity: strings.Clone(c.Entity), Place: c.Place,
		Version:   c.Version,
		Successor: r.successor,
	}
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
		l = newLane(n, e.Pipeline, record.Place{}, e.headSize)
		e.put(l)
	}
	return l
}

// put sets a lane in the place of the one of its number.
func (e *Engine) put(l *lane) {
	e.lanes[l.number] = l
	if i := slices.IndexFunc(e.list, func(old *lane) bool { return old.number == l.number }); i >= 0 {
		e.list[i] = l
		return
	}
	e.list = append(e.list, l)
}

func (e *Engine) decided(c *Candidate) bool {
	l, ok := e.lanes[c.Lane]
	return ok && !l.mark.Less(c.Place) && !planted.On(planted.CheckpointIgnored)
}

// order returns the lanes' numbers, rising: what is cut must not depend on a map's order.
func (e *Engine) order() []int { return slices.Sorted(maps.Keys(e.lanes)) }
