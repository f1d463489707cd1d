package decide

import (
	"encoding/binary"

	"bulkhead/libs/record"
)

// table finds numbers by hashes, in some eleven to twenty bytes for each and with nothing for the collector of garbage to look at. It keeps half of a hash's first
// eight bytes; whoever asks compares the rest. Hashes are random, so they need no further hashing.
type table struct {
	slots []uint64 // a number behind the first half of a hash; 0 = free
	n     int
}

const (
	firstSlots = 64
	// numberBits hold a number + 1.
	numberBits = 32
)

// start is where a hash's search begins, and what its slot holds beside the number.
func start(h *record.Hash) (at, tag uint64) {
	return uint64(binary.LittleEndian.Uint32(h[4:8])), uint64(binary.LittleEndian.Uint32(h[0:4])) << numberBits
}

// find returns the number of a hash, -1 = it is not there. is says whether a number is this hash's.
func (t *table) find(h *record.Hash, is func(n int32, h *record.Hash) bool) int32 {
	if t.n == 0 {
		return none
	}
	mask := uint64(len(t.slots) - 1)
	at, tag := start(h)
	for i := at & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if slot := t.slots[i]; slot>>numberBits<<numberBits == tag {
			if n := int32(uint32(slot) - 1); is(n, h) {
				return n
			}
		}
	}
	return none
}

// put gives a hash a number, in place of the one that it has, and returns that; -1 = it had none.
func (t *table) put(h *record.Hash, n int32, is func(n int32, h *record.Hash) bool, hash func(n int32) *record.Hash) (was int32) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.grow(hash)
	}
	mask := uint64(len(t.slots) - 1)
	at, tag := start(h)
	i := at & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if slot := t.slots[i]; slot>>numberBits<<numberBits == tag {
			if was = int32(uint32(slot) - 1); is(was, h) {
				t.slots[i] = tag | uint64(uint32(n)+1)
				return was
			}
		}
	}
	t.slots[i] = tag | uint64(uint32(n)+1)
	t.n++
	return none
}

// expect makes room for so many in a table that is empty.
func (t *table) expect(n int) {
	size := firstSlots
	for 4*n > 3*size {
		size *= 2
	}
	if n > 0 {
		t.slots = make([]uint64, size)
	}
}

func (t *table) grow(hash func(n int32) *record.Hash) {
	old := t.slots
	t.slots = make([]uint64, max(firstSlots, 2*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		at, _ := start(hash(int32(uint32(slot) - 1)))
		i := at & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = slot
	}
}
