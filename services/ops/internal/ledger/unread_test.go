package ledger

import (
	"math"
	"testing"

	"bulkhead/libs/record"
)

func TestFirstUnread(t *testing.T) {
	at := func(seq uint64, idx uint32) Mark { return Mark{Place: record.Place{Seq: seq, Idx: idx}} }
	for _, c := range []struct {
		name        string
		marks       []Mark
		first, last uint64
		want        uint64
		unread      bool
	}{
		{"nothing published is nothing unread", nil, 1, 0, 1, false},
		{"without a checkpoint everything is unread", nil, 1, 9, 1, true},
		{"behind the last record of the last message nothing is", []Mark{at(9, math.MaxInt32)}, 1, 9, 10, false},
		{"the lowest lane counts", []Mark{at(9, math.MaxInt32), at(4, math.MaxInt32)}, 1, 9, 5, true},
		{"a message decided in part counts", []Mark{at(9, 3), at(9, math.MaxInt32)}, 1, 9, 9, true},
		{"what was let go does not count", []Mark{at(3, math.MaxInt32)}, 7, 9, 7, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, unread := firstUnread(c.marks, c.first, c.last)
			if unread != c.unread || (unread && got != c.want) {
				t.Errorf("first unread %d (%t), want %d (%t)", got, unread, c.want, c.unread)
			}
		})
	}
}
