package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

// Replay makes the commit of letters that are mapped again, candidates with an Origin in the order of their places. Each becomes a row
// of a chunk of its own generation, merged with others of its entity, or is refused again. No mark moves and nothing is a repeat: a
// person wants these sent.
func Replay(c Config, batch []Candidate, at time.Time, newID func() [16]byte) (Commit, error) {
	g := newRegrouping(c, at, newID)
	for i := range batch {
		cand := &batch[i]
		if cand.Refusal != nil {
			d := newDead(cand)
			d.LetterID = record.LetterID(c.Pipeline, d.Key, d.Generation)
			g.out.Dead = append(g.out.Dead, d)
			continue
		}
		if err := g.add(cand); err != nil {
			return Commit{}, err
		}
	}
	return g.seal()
}

// regrouping puts records into chunks apart from the reader's: those that are sent by order.
type regrouping struct {
	e     Engine // its lanes only
	out   Commit
	newID func() [16]byte
}

func newRegrouping(c Config, at time.Time, newID func() [16]byte) *regrouping {
	c.Limits.Bytes = min(c.Limits.Bytes, rowfile.MaxBytes)
	return &regrouping{
		e: Engine{Config: c, lanes: map[int]*lane{}, headSize: int64(rowfile.RowSize(c.Header))}, out: Commit{At: at}, newID: newID,
	}
}

func (g *regrouping) add(c *Candidate) error {
	l := g.e.lanes[c.Lane]
	if l == nil {
		l = g.begin(c.Lane)
	}
	if !l.add(c, &g.e.Config) {
		if err := g.sealOne(l); err != nil {
			return err
		}
		if l = g.begin(c.Lane); !l.add(c, &g.e.Config) {
			return fmt.Errorf("record %s fits no empty chunk", c.Place)
		}
	}
	l.learn(c)
	l.follower = max(l.follower, c.Place.Seq) // nobody has looked
	return nil
}

func (g *regrouping) begin(n int) *lane {
	l := newLane(n, g.e.Pipeline, record.Place{}, g.e.headSize)
	g.e.put(l)
	return l
}

func (g *regrouping) sealOne(l *lane) error {
	if err := g.e.cutLane(&g.out, l, g.newID); err != nil {
		return fmt.Errorf("seal what is sent by order: %w", err)
	}
	return nil
}

// seal ends it.
func (g *regrouping) seal() (Commit, error) {
	for _, n := range g.e.order() {
		if l := g.e.lanes[n]; l.rows.size() > 0 {
			if err := g.sealOne(l); err != nil {
				return Commit{}, err
			}
		}
	}
	return g.out, nil
}

// newDead is the letter of a refused candidate; its id follows from its key.
func newDead(c *Candidate) Dead {
	d := Dead{
		Run: c.Run, Key: strings.Clone(c.Key), KeyHash: c.KeyHash, Generation: c.Generation, Entity: strings.Clone(c.Entity), Place: c.Place,
		Trace: c.Trace, Payload: slices.Clone(c.Payload),
	}
	if c.Refusal != nil {
		d.Code, d.Message, d.Fields = c.Refusal.Code, shortText(c.Refusal.Message, maxMessage), shortFields(c.Refusal.Fields)
	}
	if c.Origin != nil {
		d.Generation, d.AcceptedAt = c.Origin.Generation, c.Origin.AcceptedAt
	}
	return d
}
