package account

import (
	"bytes"
	"errors"
	"hash/maphash"
	"math"
)

// keyTable finds rows by their folded keys. It holds the keys one behind the other, eight bytes a row beside them, and a table of row numbers: a map of
// strings takes three times as much, and a pause of the collector for each of them.
type keyTable struct {
	seed  maphash.Seed
	text  []byte
	place []keyPlace // by row
	slots []uint32   // the row + 1 at the hash of its key, or behind it where others stand there; 0 = free
	count int
}

// keyPlace is where a row's key stands in the text; of no length where the row has none.
type keyPlace struct{ from, size uint32 }

func newKeyTable(rows int) *keyTable {
	slots := 4
	for slots/4*3 < rows {
		slots *= 2
	}
	return &keyTable{seed: maphash.MakeSeed(), place: make([]keyPlace, rows), slots: make([]uint32, slots)}
}

var errManyKeys = errors.New("its keys are longer than a chunk can be")

// add takes in a row's key, which is not empty, unless another row has it: that one is returned, and false.
func (t *keyTable) add(row int, key []byte) (other int, ok bool, err error) {
	at, other, found := t.slot(key)
	if found {
		return other, false, nil
	}
	if len(t.text)+len(key) > math.MaxUint32 {
		return 0, false, errManyKeys
	}
	t.place[row] = keyPlace{from: uint32(len(t.text)), size: uint32(len(key))}
	t.text = append(t.text, key...)
	t.slots[at] = uint32(row) + 1
	t.count++
	return row, true, nil
}

// find finds the row of a key. Results mostly come in the order of the upload, so guess, the row behind the last one found, is looked at first.
func (t *keyTable) find(key []byte, guess int) (row int, ok bool) {
	if guess < len(t.place) && len(key) > 0 && bytes.Equal(t.key(guess), key) {
		return guess, true
	}
	_, row, ok = t.slot(key)
	return row, ok
}

func (t *keyTable) key(row int) []byte {
	p := t.place[row]
	return t.text[p.from : p.from+p.size]
}

// slot finds the slot of a key, or the free one where it would stand.
func (t *keyTable) slot(key []byte) (at, row int, found bool) {
	mask := uint64(len(t.slots) - 1)
	for i := maphash.Bytes(t.seed, key) & mask; ; i = (i + 1) & mask {
		taken := t.slots[i]
		if taken == 0 {
			return int(i), 0, false
		}
		if row := int(taken - 1); bytes.Equal(t.key(row), key) {
			return int(i), row, true
		}
	}
}
