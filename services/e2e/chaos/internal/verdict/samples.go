package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// samples: at every moment the balance added up, and nothing that only grows went back.
func (c *court) samples() {
	before := map[string]history.Balance{}
	marks := map[string]mark{}
	last := 0.0
	for _, s := range c.run.Samples {
		c.checked("samples", 1)
		if c.known.restoredBetween(last, s.At) { // everything went back, on purpose
			clear(before)
			clear(marks)
		}
		last = s.At
		for _, name := range slices.Sorted(maps.Keys(s.Balance)) {
			b := s.Balance[name]
			c.sample(s.At, name, b)
			if was, ok := before[name]; ok {
				c.grown(s.At, name, was, b)
			}
			before[name] = b
		}
		for _, pipeline := range slices.Sorted(maps.Keys(s.Marks)) {
			c.marks(s.At, pipeline, s.Marks[pipeline], marks)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		c.grown(c.run.Samples[len(c.run.Samples)-1].At, name, before[name], c.run.Final.Balance[name]) // the last look of all
	}
}

func (c *court) sample(at float64, name string, b history.Balance) {
	if b.Accepted != sum(b) {
		c.find("I1", unbalanced, about{pipeline: name}, "at %.0f ms %d were accepted and the terms made %d: %+v", at, b.Accepted, sum(b), b)
		return
	}
	for _, t := range []int64{
		b.Landed, b.InFlight, b.Retrying, b.WaitingForParent, b.Unresolved, b.Dead, b.Superseded, b.Discarded, b.RolledBack, b.Repeats,
	} {
		// Unread is left out: it is -1 while the broker, which alone knows, does not answer.
		if t < 0 {
			c.find("I1", unbalanced, about{pipeline: name}, "at %.0f ms a term was below nothing: %+v", at, b)
			return
		}
	}
}

// grown: what was accepted, landed, was superseded or counted as a repeat stays so.
func (c *court) grown(at float64, name string, was, is history.Balance) {
	for _, t := range []struct {
		what    string
		was, is int64
	}{
		{"accepted", was.Accepted, is.Accepted},
		{"landed", was.Landed, is.Landed},
		{"superseded", was.Superseded, is.Superseded},
		{"repeats", was.Repeats, is.Repeats},
		{"discarded", was.Discarded, is.Discarded},
	} {
		if t.is < t.was {
			c.find("I10", backwards, about{pipeline: name}, "%s went from %d back to %d at %.0f ms", t.what, t.was, t.is, at)
		}
	}
}

// mark is how far a lane of a pipeline is decided, in one incarnation of its stream.
type mark struct {
	incarnation string
	seq         uint64
	index       int64
}

func (m mark) String() string { return fmt.Sprintf("%d.%d", m.seq, m.index) }

// incarnations is the name under which a sample's marks say which stream they count in.
const incarnations = "incarnation"

// parseMark reads "<sequence>.<index>", perhaps with "@<incarnation>" behind it.
func parseMark(text string) (mark, bool) {
	place, incarnation, _ := strings.Cut(text, "@")
	seq, index, _ := strings.Cut(place, ".")
	m := mark{incarnation: incarnation}
	var err error
	if m.seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return m, false
	}
	if index != "" {
		if m.index, err = strconv.ParseInt(index, 10, 64); err != nil {
			return m, false
		}
	}
	return m, true
}

func (c *court) marks(at float64, pipeline string, lanes map[string]string, before map[string]mark) {
	for _, lane := range slices.Sorted(maps.Keys(lanes)) {
		m, ok := parseMark(lanes[lane])
		if lane == incarnations || !ok {
			continue
		}
		if m.incarnation == "" {
			m.incarnation = lanes[incarnations]
		}
		c.checked("marks", 1)
		id := pipeline + "\x00" + lane
		if was, known := before[id]; known && was.incarnation == m.incarnation && (m.seq < was.seq || m.seq == was.seq && m.index < was.index) {
			c.find("I10", backwards, about{pipeline: pipeline}, "the mark of lane %s went from %v back to %v at %.0f ms", lane, was, m, at)
		}
		before[id] = m
	}
}
