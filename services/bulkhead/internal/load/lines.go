package load

import (
	"encoding/binary"
	"sort"
)

// lines remembers on which line each published record begins, by its place in the stream. Most rows stand on one line each, and then a frame costs
// a few bytes; in the worst case a record costs two.
type lines struct {
	waiting []int64 // of records that no acknowledgement covers yet
	frames  []frameLines
	log     []byte // per frame: the first line, then pairs (count, step): so many records, each so many lines behind the one before
}

type frameLines struct {
	sequence uint64
	from     int
}

// added notes a record that the publisher took.
func (l *lines) added(line int64) { l.waiting = append(l.waiting, line) }

// stored notes where the broker put the oldest n of the records that were added.
func (l *lines) stored(sequence uint64, n int) {
	n = min(n, len(l.waiting))
	if n == 0 {
		return
	}
	l.frames = append(l.frames, frameLines{sequence, len(l.log)})
	l.log = binary.AppendUvarint(l.log, uint64(l.waiting[0]))
	for i := 1; i < n; {
		step, count := l.waiting[i]-l.waiting[i-1], uint64(0)
		for ; i < n && l.waiting[i]-l.waiting[i-1] == step; i++ {
			count++
		}
		l.log = binary.AppendUvarint(binary.AppendUvarint(l.log, count), uint64(step))
	}
	l.waiting = append(l.waiting[:0], l.waiting[n:]...)
}

// at is the line of the record at a place; 0 = it is none of ours.
func (l *lines) at(sequence uint64, index int) int64 {
	i := sort.Search(len(l.frames), func(i int) bool { return l.frames[i].sequence >= sequence })
	if i == len(l.frames) || l.frames[i].sequence != sequence || index < 0 {
		return 0
	}
	end := len(l.log)
	if i+1 < len(l.frames) {
		end = l.frames[i+1].from
	}
	b := l.log[l.frames[i].from:end]
	number := func() int64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return int64(v)
	}
	line, left := number(), int64(index)
	for left > 0 && len(b) > 0 {
		count, step := number(), number()
		n := min(count, left)
		line, left = line+n*step, left-n
	}
	if left > 0 {
		return 0
	}
	return line
}
