package account

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
)

// keyTable finds rows by their folded keys. It holds the keys one behind the other, each behind its row and length, and a table of where they stand: a map
// of strings takes three times as much, and a pause of the collector for each of them. What it costs is the memory that is not in the processor's cache: a
// slot holds a part of its key's hash, so that only a key that is most likely the same is looked at, and it stands in one place with its row.
type keyTable struct {
	seed  maphash.Seed
	text  []byte
	place []uint32  // by row: where its key stands in the text, counted from 1; 0 = it has none
	slots []keySlot // at the hash of its key, or behind it where others stand there
	count int
}

// keySlot is the place of a key, and a part of its hash; 0 = it is free.
type keySlot struct{ place, tag uint32 }

// keyHead is what stands before a key: its row and its length, four bytes each. usualKey is how long keys mostly are.
const (
	keyHead  = 8
	usualKey = 16
)

func newKeyTable(rows int) *keyTable {
	slots := 4
	for slots/4*3 < rows {
		slots *= 2
	}
	return &keyTable{seed: maphash.MakeSeed(), text: make([]byte, 0, rows*(keyHead+usualKey)), place: make([]uint32, rows), slots: make([]keySlot, slots)}
}

var errManyKeys = errors.New("its keys are longer than a chunk can be")

// add takes in a row's key, which is not empty, unless another row has it: that one is returned, and false.
func (t *keyTable) add(row int, key []byte) (other int, ok bool, err error) {
	return t.put(row, maphash.Bytes(t.seed, key), key)
}

func (t *keyTable) put(row int, hash uint64, key []byte) (other int, ok bool, err error) {
	at, other, found := t.slot(hash, key)
	if found {
		return other, false, nil
	}
	if len(t.text)+keyHead+len(key) >= math.MaxUint32 {
		return 0, false, errManyKeys
	}
	place := uint32(len(t.text)) + 1
	t.text = binary.LittleEndian.AppendUint32(t.text, uint32(row))
	t.text = binary.LittleEndian.AppendUint32(t.text, uint32(len(key)))
	t.text = append(t.text, key...)
	t.place[row], t.slots[at] = place, keySlot{place: place, tag: tagOf(hash)}
	t.count++
	return row, true, nil
}

// find finds the row of a key. Results mostly come in the order of the upload, so guess, the row behind the last one found, is looked at first.
func (t *keyTable) find(key []byte, guess int) (row int, ok bool) {
	if guess < len(t.place) && t.place[guess] != 0 {
		if row, guessed := t.at(t.place[guess]); bytes.Equal(guessed, key) {
			return row, true
		}
	}
	_, row, ok = t.slot(maphash.Bytes(t.seed, key), key)
	return row, ok
}

// at is what stands at a place.
func (t *keyTable) at(place uint32) (row int, key []byte) {
	text := t.text[place-1:]
	size := binary.LittleEndian.Uint32(text[4:])
	return int(binary.LittleEndian.Uint32(text)), text[keyHead : keyHead+size]
}

// tagOf is the part of a hash that does not say where its slot is.
func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }

// slot finds the slot of a key, or the free one where it would stand.
func (t *keyTable) slot(hash uint64, key []byte) (at, row int, found bool) {
	mask, tag := uint64(len(t.slots)-1), tagOf(hash)
	for i := hash & mask; ; i = (i + 1) & mask {
		taken := t.slots[i]
		if taken.place == 0 {
			return int(i), 0, false
		}
		if taken.tag == tag {
			if row, same := t.at(taken.place); bytes.Equal(same, key) {
				return int(i), row, true
			}
		}
	}
}
