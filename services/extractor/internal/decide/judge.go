package decide

import (
	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

type verdict int

const (
	// already: this very record is in the ledger; its mark was lost sight of.
	already verdict = iota
	// repeat: published before, never a second record.
	repeat
	// refused: a dead letter.
	refused
	// superseded: newer versions of its entity say all that it says.
	superseded
	// fresh: a row.
	fresh
)

// ruling is a verdict with what belongs to it.
type ruling struct {
	verdict verdict
	// generation is the one that a record opens: not the first where a person gave the one before up.
	generation int
	// reused says that it is refused for using its key for other content, conflict for saying something else of a known version.
	reused, conflict bool
	// first says of a fresh record that it certainly is the first of its entity.
	first bool
	// successor is the newest version, of a superseded record.
	successor Owner
	// record is what becomes a row: the candidate, or as much of it as newer versions leave.
	record *Candidate
}

// judge decides one candidate above its mark.
func (e *Engine) judge(c *Candidate) ruling {
	generation, first := 0, false
	switch c.KeyKind {
	case KeyNamed:
		k, ok := e.known(c.KeyHash)
		switch {
		case !ok:
		case k.Place == c.Place:
			return ruling{verdict: already}
		case k.Content != c.Content && !planted.On(planted.OtherContentTakenAsRepeat):
			return e.reuse(c)
		case !k.GivenUp:
			return ruling{verdict: repeat}
		default:
			generation = int(k.Generation) + 1
		}
	case KeyFromBody:
		k, ok := e.newest(c)
		switch {
		case !ok:
			first = c.Version == nil // of others only what has a version was looked for
		case k.Place == c.Place:
			return ruling{verdict: already}
		case k.Content == c.Content && !k.GivenUp:
			return ruling{verdict: repeat}
		}
	case KeyUnknown:
	}
	if c.Refusal != nil {
		return ruling{verdict: refused, generation: generation}
	}
	if e.ordered(c) {
		return e.byVersion(c, generation)
	}
	return ruling{verdict: fresh, generation: generation, first: first, record: opening(c, generation)}
}

// reuse decides a candidate whose key stands for other content.
func (e *Engine) reuse(c *Candidate) ruling {
	r := ruling{verdict: refused, reused: true, conflict: e.KeyIsVersioned}
	k, ok := e.known(record.HashKey(e.Pipeline, record.ReusedKey(c.Key, c.Content)))
	switch {
	case !ok:
	case k.Place == c.Place:
		return ruling{verdict: already}
	case !k.GivenUp:
		return ruling{verdict: repeat}
	default:
		r.generation = int(k.Generation) + 1
	}
	return r
}

// opening is a candidate that opens a generation.
func opening(c *Candidate, generation int) *Candidate {
	if c.Generation == generation {
		return c
	}
	opened := *c
	opened.Generation = generation
	return &opened
}

// known finds a key: unsealed in any lane, committed since the answers, or in the answers.
func (e *Engine) known(key record.Hash) (Known, bool) {
	if k, ok := e.unsealed(key); ok {
		return k, true
	}
	for _, l := range e.settled {
		if k, ok := l.keyed(&key); ok {
			return k, true
		}
	}
	k, ok := e.answers.Keys[key]
	return k, ok
}

func (e *Engine) unsealed(key record.Hash) (Known, bool) {
	for _, l := range e.list {
		if k, ok := l.keyed(&key); ok {
			return k, true
		}
	}
	return Known{}, false
}

// newest finds what a candidate without a key of its own may be a repeat of: the entity's newest record, by version where it carries one.
// All records of an entity are in one lane.
func (e *Engine) newest(c *Candidate) (Known, bool) {
	if !c.HasEntity {
		return Known{}, false
	}
	if e.ordered(c) {
		return e.newestVersion(c)
	}
	l := e.lane(c.Lane)
	if en := l.last(&c.EntityHash); en != nil {
		return l.known(en), true
	}
	for i := len(e.settled) - 1; i >= 0; i-- {
		if l := e.settled[i]; l.number == c.Lane {
			if en := l.last(&c.EntityHash); en != nil {
				return l.known(en), true
			}
		}
	}
	k, ok := e.answers.Newest[c.EntityHash]
	return k, ok
}
