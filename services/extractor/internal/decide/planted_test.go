//go:build planted

package decide

import (
	"testing"
	"time"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
)

// plant switches a bug on for one test. Bugs are the process's, so nothing here is parallel.
func plant(t *testing.T, bug planted.Bug) {
	t.Helper()
	if err := planted.Set(bug); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = planted.Set(planted.None) })
}

func TestPlantedBugsOfTheDecisions(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	config := Config{Pipeline: testPipeline, Header: testHeader, Lanes: 2, Limits: Limits{Rows: 10, Bytes: 1 << 20, Age: time.Minute}}
	in := func(lane int, seq uint64, p published) Candidate {
		c := p.candidate(record.Place{Seq: seq}, true, 2)
		c.Lane = lane
		return c
	}
	feed := func(e *Engine, c Candidate) Fed { return e.Feed(&c, now) }
	id := func() [16]byte { return [16]byte{1} }
	each := func(t *testing.T, bug planted.Bug, try func(t *testing.T, on bool)) {
		t.Helper()
		plant(t, planted.None)
		try(t, false)
		plant(t, bug)
		try(t, true)
	}
	t.Run("checkpoint_ignored decides anew what a lane's mark says is decided", func(t *testing.T) {
		each(t, planted.CheckpointIgnored, func(t *testing.T, on bool) {
			e := New(config, map[int]record.Place{record.LaneNone: {Seq: 1, Idx: EndOfFrame}, 0: {Seq: 9, Idx: EndOfFrame}, 1: {Seq: 1, Idx: EndOfFrame}})
			if fed := feed(e, in(0, 5, published{entity: "a"})); (fed == Taken) != on {
				t.Errorf("on %v: %v", on, fed)
			}
		})
	})
	t.Run("one_sequence_for_many_lanes moves the mark of a lane past its unsealed record", func(t *testing.T) {
		each(t, planted.OneSequenceForManyLanes, func(t *testing.T, on bool) {
			e := New(config, nil)
			feed(e, in(0, 1, published{entity: "a"}))
			feed(e, in(1, 2, published{entity: "b"}))
			c, err := e.Cut([]int{1}, now, id)
			if err != nil {
				t.Fatal(err)
			}
			past := false
			for _, m := range c.Marks {
				past = past || m.Lane == 0 && !m.To.Less(record.Place{Seq: 1})
			}
			if past != on {
				t.Errorf("on %v: %+v", on, c.Marks)
			}
		})
	})
	t.Run("same_key_with_other_content_taken_as_repeat counts a record away that should be a letter", func(t *testing.T) {
		each(t, planted.OtherContentTakenAsRepeat, func(t *testing.T, on bool) {
			e := New(config, nil)
			feed(e, in(0, 1, published{key: "k", entity: "a", fields: [3]string{"1"}}))
			feed(e, in(0, 2, published{key: "k", entity: "a", fields: [3]string{"2"}}))
			c, err := e.Cut([]int{0}, now, id)
			if err != nil {
				t.Fatal(err)
			}
			if (len(c.Dead) == 0) != on || (c.Repeats[""] == 1) != on {
				t.Errorf("on %v: %d dead, %v repeats", on, len(c.Dead), c.Repeats)
			}
		})
	})
}
