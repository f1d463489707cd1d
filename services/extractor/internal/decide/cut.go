package decide

import (
	"fmt"
	"slices"
	"time"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

// Cut makes the commit that seals the given lanes. Lanes without rows give up their refused records and repeats with any commit, and
// every mark goes as far as it may. Nothing is forgotten until Settle. newID names a chunk.
func (e *Engine) Cut(seal []int, at time.Time, newID func() [16]byte) (Commit, error) {
	c := Commit{At: at, Repeats: map[string]int64{}}
	for _, n := range e.order() {
		l := e.lanes[n]
		cut := l.rows.size() == 0 || slices.Contains(seal, n)
		if cut && l.items > 0 {
			if err := e.cutLane(&c, l, newID); err != nil {
				return Commit{}, err
			}
		}
		if to := l.target(e.reading, cut); l.mark.Less(to) {
			c.Marks = append(c.Marks, Move{Lane: n, From: l.mark, To: to})
		}
	}
	return c, nil
}

func (e *Engine) cutLane(c *Commit, l *lane, newID func() [16]byte) error {
	var chunk Chunk
	if l.rows.size() > 0 {
		var err error
		if chunk, err = sealLane(l, e.Pipeline, e.Header, c.At, newID()); err != nil {
			return fmt.Errorf("lane %d: %w", l.number, err)
		}
		c.Chunks = append(c.Chunks, chunk)
	}
	c.Follower = max(c.Follower, l.follower)
	c.Records.of = append(c.Records.of, sealedRecords{lane: l, chunk: chunk.ID})
	c.Records.n += l.entries.size()
	c.Dead = append(c.Dead, l.dead...)
	c.Superseded = append(c.Superseded, l.superseded...)
	for run, n := range l.repeats {
		c.Repeats[run] += n
	}
	c.cut = append(c.cut, l.number)
	return nil
}

// Settle notes that a commit made by the last Cut is stored.
func (e *Engine) Settle(c Commit, now time.Time) {
	for _, n := range c.cut {
		old := e.lanes[n]
		l := newLane(n, e.Pipeline, old.mark, e.headSize)
		if e.filled(old) {
			l.follow(old, e.Header)
		}
		e.put(l)
		// The answers for the batch in hand are older than this commit: until the next ones its records are known from here.
		known := &lane{
			number: n, pipeline: e.Pipeline, entries: old.entries, rests: old.rests, kinds: old.kinds,
			keys: old.keys, entities: old.entities, newest: old.newest, same: old.same,
		}
		if e.Versioned {
			known.rows, known.sources = old.rows, old.sources
		}
		e.settled = append(e.settled, known)
	}
	for i := range c.Chunks {
		if e.open != nil {
			e.open[c.Chunks[i].Lane]++
		}
	}
	for _, m := range c.Marks {
		e.lanes[m.Lane].mark = m.To
	}
	e.ahead = time.Time{}
	if e.Lowest().Less(e.reading) {
		e.ahead = now
	}
}

// target is how far a lane's mark may go: as far as the stream was read when nothing of the lane stays unsealed, else up to its first
// unsealed record. It never goes back: after a restart some marks are ahead of what was read again.
func (l *lane) target(reading record.Place, emptied bool) record.Place {
	to := reading
	if !emptied && l.items > 0 && !planted.On(planted.OneSequenceForManyLanes) {
		to = before(l.first)
	}
	if to.Less(l.mark) {
		return l.mark
	}
	return to
}

// before is the last place in front of p.
func before(p record.Place) record.Place {
	if p.Idx > 0 {
		return record.Place{Seq: p.Seq, Idx: p.Idx - 1}
	}
	return record.Place{Seq: p.Seq - 1, Idx: EndOfFrame}
}
