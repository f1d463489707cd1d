package decide

import (
	"time"

	"bulkhead/libs/record"
)

// Standing is what the ledger says of one place of the stream.
type Standing struct {
	// GivenUp says that a person discarded what stood there, or rolled it back.
	GivenUp bool
}

// Recalled is what the ledger knows of records of a part of the stream that is read again.
type Recalled struct {
	// Places are those that a record was accepted from.
	Places map[record.Place]Standing
	// Keys by key hash, also of records that were refused before their key could be read.
	Keys map[record.Hash]Known
	// Before by place: the content of what the candidate there could be a repeat of, the entity's newest record in front of it.
	Before map[record.Place]record.Hash
	// Equal are the records of just this version, without those that can never be sent.
	Equal map[EntityVersion][]Same
}

// RecallWanted is what must be known of a batch that is read again, beside its places.
type RecallWanted struct {
	Keys []record.Hash
	// Before are candidates without a key of their own.
	Before []*Candidate
	Equal  []EntityVersion
}

// RecallWants lists what to look up for a batch that is read again.
func RecallWants(c Config, batch []Candidate) RecallWanted {
	e := Engine{Config: c}
	var w RecallWanted
	for i := range batch {
		cand := &batch[i]
		cand.NameByBody(c.Pipeline)
		w.Keys = append(w.Keys, cand.KeyHash)
		switch {
		case cand.KeyKind == KeyNamed:
			w.Keys = append(w.Keys, record.HashKey(c.Pipeline, record.ReusedKey(cand.Key, cand.Content)))
		case cand.KeyKind == KeyFromBody && cand.HasEntity:
			w.Before = append(w.Before, cand)
		}
		if e.ordered(cand) {
			w.Equal = append(w.Equal, EntityVersion{Entity: cand.EntityHash, Version: string(cand.Version)})
		}
	}
	return w
}

// Reread makes the commit of a part of the stream that is read again, candidates in the order of their places, every lane being decided
// up to there. What the ledger knows is only counted. What it does not know, or what a person gave up, is accepted: as a row of a chunk that
// waits for its lane and is checked for newer versions there, or as a letter. No mark moves.
func Reread(c Config, batch []Candidate, r Recalled, at time.Time, newID func() [16]byte) (commit Commit, known int, err error) {
	again := rereading{regrouping: newRegrouping(c, at, newID), r: r, keys: map[record.Hash]record.Hash{}, before: map[record.Hash]record.Hash{}}
	// The rules on keys and versions are the engine's; it answers from what was recalled alone.
	again.e.answers = Answers{Keys: r.Keys, Equal: r.Equal}
	for i := range batch {
		cand := &batch[i]
		cand.NameByBody(c.Pipeline)
		isNew, err := again.take(cand)
		if err != nil {
			return Commit{}, 0, err
		}
		if !isNew {
			known++
		}
	}
	commit, err = again.seal()
	return commit, known, err
}

type rereading struct {
	*regrouping
	r      Recalled
	keys   map[record.Hash]record.Hash // of what this batch accepted: key → content
	before map[record.Hash]record.Hash // entity → content of what this batch accepted last
}

// take decides one candidate; false = it is known.
func (g *rereading) take(c *Candidate) (bool, error) {
	ruling, ok := g.judge(c)
	if !ok {
		return false, nil
	}
	if c.HasEntity {
		g.before[c.EntityHash] = c.Content
	}
	ended := Record{
		KeyHash: c.KeyHash, Content: c.Content, EntityHash: c.EntityHash, HasEntity: c.HasEntity, Place: c.Place,
		Generation: ruling.generation, Version: c.Version,
	}
	switch ruling.verdict {
	case refused:
		// A key that was used for other content keeps what it stands for: the letter has a key of its own.
		d := g.e.deadOf(c, ruling)
		g.keys[d.KeyHash] = c.Content
		g.out.Dead = append(g.out.Dead, d)
		if c.KeyKind != KeyUnknown {
			ended.KeyHash = d.KeyHash
			g.out.Records.Add(ended)
		}
		return true, nil
	case superseded:
		g.keys[c.KeyHash] = c.Content
		g.out.Superseded = append(g.out.Superseded, g.e.supersededOf(c, ruling))
		g.out.Records.Add(ended)
		return true, nil
	case already, repeat, fresh:
	}
	g.keys[c.KeyHash] = c.Content
	return true, g.add(opening(c, ruling.generation))
}

// judge says what becomes of a candidate; false = it is known.
func (g *rereading) judge(c *Candidate) (ruling, bool) {
	stood, decided := g.r.Places[c.Place]
	if decided && !stood.GivenUp {
		return ruling{}, false
	}
	generation := 0
	content, here := g.keys[c.KeyHash]
	switch k, ok := g.r.Keys[c.KeyHash]; {
	case c.KeyKind == KeyNamed && (here && content != c.Content || !here && ok && k.Content != c.Content):
		r := g.e.reuse(&Candidate{Key: c.Key, Content: c.Content, Place: unplaced})
		if _, here := g.keys[record.HashKey(g.e.Pipeline, record.ReusedKey(c.Key, c.Content))]; here || r.verdict != refused {
			return ruling{}, false
		}
		return r, true
	case here, ok && !k.GivenUp:
		return ruling{}, false
	case ok:
		generation = int(k.Generation) + 1
	}
	if c.KeyKind == KeyFromBody && !decided && g.repeats(c) {
		return ruling{}, false
	}
	if c.Refusal != nil {
		return ruling{verdict: refused, generation: generation}, true
	}
	if g.e.ordered(c) {
		// Whether a newer version covers it is asked when its chunk holds the lane.
		switch same, found := g.e.sameVersion(c); {
		case found && same.Content != c.Content:
			return ruling{verdict: refused, conflict: true, generation: generation}, true
		case found:
			return ruling{verdict: superseded, successor: same.Owner, generation: generation}, true
		}
	}
	return ruling{verdict: fresh, generation: generation}, true
}

// unplaced is no record's place: whether the ledger has it from the very same one makes no difference to what is read again.
var unplaced = record.Place{}

// repeats says whether a candidate without a key of its own was a repeat when it was read first: then the ledger never held it.
func (g *rereading) repeats(c *Candidate) bool {
	if !c.HasEntity {
		return false
	}
	if content, ok := g.before[c.EntityHash]; ok {
		return content == c.Content
	}
	content, ok := g.r.Before[c.Place]
	return ok && content == c.Content
}
