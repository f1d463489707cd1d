package decide

import "bulkhead/libs/record"

type verdict int

const (
	// already: this very record is in the ledger; its mark was lost sight of.
	already verdict = iota
	// repeat: published before, never a second record.
	repeat
	// refused: a dead letter.
	refused
	// fresh: a row.
	fresh
)

// judge decides one candidate above its mark; reused says that it is refused for using its key for other content.
func (e *Engine) judge(c *Candidate) (v verdict, reused bool) {
	switch c.KeyKind {
	case KeyNamed:
		if k, ok := e.known(c.KeyHash); ok {
			switch {
			case k.Place == c.Place:
				return already, false
			case k.Content == c.Content:
				return repeat, false
			}
			if k, ok := e.known(record.HashKey(e.pipeline, record.ReusedKey(c.Key, c.Content))); ok {
				if k.Place == c.Place {
					return already, false
				}
				return repeat, false
			}
			return refused, true
		}
	case KeyFromBody:
		if k, ok := e.newest(c); ok {
			switch {
			case k.Place == c.Place:
				return already, false
			case k.Content == c.Content:
				return repeat, false
			}
		}
	case KeyUnknown:
	}
	if c.Refusal != nil {
		return refused, false
	}
	return fresh, false
}

// known finds a key: unsealed in any lane, committed since the answers, or in the answers.
func (e *Engine) known(key record.Hash) (Known, bool) {
	if k, ok := e.unsealed(key); ok {
		return k, true
	}
	for _, l := range e.settled {
		if k, ok := l.keys[key]; ok {
			return k, true
		}
	}
	k, ok := e.answers.Keys[key]
	return k, ok
}

func (e *Engine) unsealed(key record.Hash) (Known, bool) {
	for _, l := range e.lanes {
		if k, ok := l.keys[key]; ok {
			return k, true
		}
	}
	return Known{}, false
}

// newest finds the newest version of a candidate's entity. All versions of an entity are in one lane.
func (e *Engine) newest(c *Candidate) (Known, bool) {
	if !c.HasEntity {
		return Known{}, false
	}
	if v, ok := e.lane(c.Lane).entities[c.EntityHash]; ok {
		return v.Known, true
	}
	for i := len(e.settled) - 1; i >= 0; i-- {
		if l := e.settled[i]; l.number == c.Lane {
			if v, ok := l.entities[c.EntityHash]; ok {
				return v.Known, true
			}
		}
	}
	k, ok := e.answers.Newest[c.EntityHash]
	return k, ok
}
