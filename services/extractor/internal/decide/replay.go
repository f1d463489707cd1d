package decide

import (
	"fmt"
	"slices"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// Replay makes the commit of letters that are mapped again, candidates with an Origin in the order of their places. Each becomes a row
// of a chunk of its own generation, merged with others of its entity, or is refused again. No mark moves and nothing is a repeat: a
// person wants these sent.
func Replay(c Config, batch []Candidate, at time.Time, newID func() [16]byte) (Commit, error) {
	out := Commit{At: at}
	c.Limits.Bytes = min(c.Limits.Bytes, rowfile.MaxBytes)
	head := int64(rowfile.RowSize(c.Header))
	lanes := map[int]*lane{}
	e := Engine{header: c.Header, lanes: lanes}
	seal := func(l *lane) error {
		if err := e.cutLane(&out, l, newID); err != nil {
			return fmt.Errorf("seal replays: %w", err)
		}
		lanes[l.number] = newLane(l.number, l.mark, head)
		return nil
	}
	for i := range batch {
		cand := &batch[i]
		if cand.Refusal != nil {
			d := newDead(cand)
			d.LetterID = record.LetterID(c.Pipeline, d.Key, d.Generation)
			out.Dead = append(out.Dead, d)
			continue
		}
		l := lanes[cand.Lane]
		if l == nil {
			l = newLane(cand.Lane, record.Place{}, head)
			lanes[cand.Lane] = l
		}
		if !l.add(cand, c.Limits) {
			if err := seal(l); err != nil {
				return Commit{}, err
			}
			if l = lanes[cand.Lane]; !l.add(cand, c.Limits) {
				return Commit{}, fmt.Errorf("record %s fits no empty chunk", cand.Place)
			}
		}
		l.learn(cand, cand.KeyHash, l.entries[len(l.entries)-1].row)
	}
	for _, n := range e.order() {
		if l := lanes[n]; len(l.rows) > 0 {
			if err := seal(l); err != nil {
				return Commit{}, err
			}
		}
	}
	return out, nil
}

// newDead is the letter of a refused candidate; its id follows from its key.
func newDead(c *Candidate) Dead {
	d := Dead{
		Run: c.Run, Key: c.Key, KeyHash: c.KeyHash, Entity: c.Entity, Place: c.Place, Trace: c.Trace,
		Payload: slices.Clone(c.Payload),
	}
	if c.Refusal != nil {
		d.Code, d.Message, d.Fields = c.Refusal.Code, shortText(c.Refusal.Message, maxMessage), shortFields(c.Refusal.Fields)
	}
	if c.Origin != nil {
		d.Generation, d.AcceptedAt = c.Origin.Generation, c.Origin.AcceptedAt
	}
	return d
}
