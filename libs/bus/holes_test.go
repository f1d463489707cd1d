package bus_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// lossy is a stream of n messages of which some are lost, with what is read of it by a reader that must not miss any.
func lossy(t *testing.T, b side, conn *bus.Conn, n int, lost ...uint64) string {
	t.Helper()
	must(t, bus.EnsureDLQ(t.Context(), conn, limits)) // RECORDS refuses to delete single messages
	for i := range n {
		must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: "dlq.p.data", Body: fmt.Append(nil, i+1)}))
	}
	for _, seq := range lost {
		b.lose(t, bus.StreamDLQ, seq)
	}
	return bus.StreamDLQ
}

func TestCovered(t *testing.T) {
	t.Parallel()
	ranges := []bus.Range{{From: 7, Through: 9}, {From: 3, Through: 4}, {From: 4, Through: 6}, {From: 12, Through: 12}}
	for name, c := range map[string]struct {
		from, through uint64
		want          bool
	}{
		"one of a range":                     {3, 3, true},
		"all of several that touch":          {3, 9, true},
		"none are asked for":                 {5, 4, true},
		"the only one of a range of its own": {12, 12, true},
		"one that is in none lies between":   {3, 12, false},
		"what begins before":                 {2, 4, false},
		"what begins with 0":                 {0, 1, false},
		"the last of a range and the next":   {12, 13, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bus.Covered(ranges, c.from, c.through); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}

func TestHoles(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(t *testing.T) side) {
		for name, c := range map[string]struct {
			lost  []uint64
			after uint64
			want  []bus.Range
		}{
			"nothing is missing":                             {nil, 0, nil},
			"what has gone from the front is none":           {[]uint64{1, 2}, 0, nil},
			"one message":                                    {[]uint64{4}, 0, []bus.Range{{From: 4, Through: 4}}},
			"several, in whatever order they went":           {[]uint64{9, 5, 4, 6, 8}, 0, []bus.Range{{From: 4, Through: 6}, {From: 8, Through: 9}}},
			"the last ones":                                  {[]uint64{11, 12}, 0, []bus.Range{{From: 11, Through: 12}}},
			"what is not asked for is left out":              {[]uint64{4, 5, 8}, 4, []bus.Range{{From: 5, Through: 5}, {From: 8, Through: 8}}},
			"behind all that is missing":                     {[]uint64{4, 5}, 5, nil},
			"behind the end of the stream":                   {[]uint64{4, 5}, 500, nil},
			"behind the front, which has gone, and not more": {[]uint64{1, 2, 4}, 1, []bus.Range{{From: 4, Through: 4}}},
		} {
			t.Run(name, func(t *testing.T) {
				b := start(t)
				conn := b.conn(t)
				stream := lossy(t, b, conn, 12, c.lost...)
				holes, all, err := bus.Holes(t.Context(), conn, stream, c.after)
				must(t, err)
				if diff := cmp.Diff(c.want, holes); diff != "" || !all {
					t.Errorf("all: %t\n%s", all, diff)
				}
				first, all, err := bus.HolesOf(t.Context(), conn, stream, c.after, 0) // as if they were too many to be listed
				must(t, err)
				if diff := cmp.Diff(c.want[:min(len(c.want), 1)], first); diff != "" || (all && len(c.want) > 0) {
					t.Errorf("the first alone, all: %t\n%s", all, diff)
				}
			})
		}
		t.Run("a stream that is not there has none", func(t *testing.T) {
			_, _, err := bus.Holes(t.Context(), start(t).conn(t), "RECORDS_nobody", 0)
			if !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Errorf("%v", err)
			}
		})
		t.Run("the last message up to a sequence is found over holes", func(t *testing.T) {
			b := start(t)
			conn := b.conn(t)
			stream := lossy(t, b, conn, 12, 1, 2, 5, 6, 7, 11, 12)
			info, err := bus.Info(t.Context(), conn, stream)
			must(t, err)
			for seq, want := range map[uint64]uint64{3: 3, 4: 4, 5: 4, 7: 4, 8: 8, 10: 10, 12: 10, 99: 10} {
				if m, err := bus.LastUpTo(t.Context(), conn, stream, info, seq); err != nil || m.Seq != want {
					t.Errorf("up to %d it is %d, want %d: %v", seq, m.Seq, want, err)
				}
			}
			if m, err := bus.LastUpTo(t.Context(), conn, stream, info, 2); !errors.Is(err, bus.ErrNoMessage) {
				t.Errorf("before the first it is %d: %v", m.Seq, err)
			}
		})
		t.Run("a reader passes over what may be missing and over nothing else", func(t *testing.T) {
			b := start(t)
			conn := b.conn(t)
			stream := lossy(t, b, conn, 12, 1, 2, 5, 6, 9)
			r := open(t, conn, bus.ReaderConfig{Stream: stream, Lost: []bus.Range{{From: 5, Through: 5}, {From: 1, Through: 2}, {From: 6, Through: 7}}})
			var seqs []uint64
			for _, m := range fetch(t, r, 4) {
				seqs = append(seqs, m.Seq)
			}
			if diff := cmp.Diff([]uint64{3, 4, 7, 8}, seqs); diff != "" {
				t.Error(diff)
			}
			_, err := r.Fetch(t.Context(), 10, 0, time.Second)
			var gap *bus.GapError
			if !errors.As(err, &gap) || gap.Expected != 9 || gap.Got != 10 {
				t.Errorf("%v", err)
			}
			if _, err := bus.OpenReader(t.Context(), conn, bus.ReaderConfig{Stream: stream, Lost: []bus.Range{{From: 2, Through: 2}}}); !errors.As(err, &gap) {
				t.Errorf("the front is missing: %v", err)
			}
		})
		t.Run("a message that was read and is missing says whether others stand before it", func(t *testing.T) {
			b := start(t)
			conn := b.conn(t)
			stream := lossy(t, b, conn, 6, 4, 5)
			before, err := bus.GetMessage(t.Context(), conn, stream, 3)
			must(t, err)
			config := func(stored time.Time) bus.ReaderConfig {
				return bus.ReaderConfig{Stream: stream, AllowGaps: true, Witness: bus.Witness{Seq: 5, Stored: stored}}
			}
			open(t, conn, config(before.Time.Add(time.Millisecond)))
			var replaced *bus.ReplacedError
			if _, err := bus.OpenReader(t.Context(), conn, config(before.Time.Add(-time.Hour))); !errors.As(err, &replaced) || replaced.Seq != 3 {
				t.Errorf("%v", err)
			}
		})
	})
}
