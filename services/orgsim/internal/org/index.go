package org

import (
	"hash/maphash"
	"slices"
	"strings"
)

// index leads from a folded value to the rows that have it. Almost every value has one row, so only further rows pay for
// a list. The values themselves stay in the rows: an entry is the place of a row and part of the hash of its value, and
// the collector finds nothing to look at.
//
// The rows of an index must tell the value under which they were added until they are removed, or removed before anything
// else is asked.
type index struct {
	// text is the folded value of a row.
	text  func(row uint32) string
	slots []slot // a power of two, or none
	used  int
	more  map[string]*others
}

// others are the rows of a value behind its first.
type others struct{ rows []uint32 }

// slot is an entry; its place is the first free one from that of its hash on.
type slot struct {
	hash uint32
	row  uint32 // the row plus one; 0 = free
}

// fewestSlots is the size of an index with an entry.
const fewestSlots = 16

var indexSeed = maphash.MakeSeed()

func hashOf(key string) uint32 { return uint32(maphash.String(indexSeed, key)) }

// at returns the place of a value's entry, and whether there is one.
func (ix *index) at(key string, hash uint32) (int, bool) {
	if ix.used == 0 {
		return 0, false
	}
	mask := len(ix.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := ix.slots[i]
		if s.row == 0 {
			return i, false
		}
		if s.hash == hash && ix.text(s.row-1) == key {
			return i, true
		}
	}
}

func (ix *index) add(key string, row uint32) {
	hash := hashOf(key)
	if _, taken := ix.at(key, hash); taken {
		rest := ix.more[key]
		if rest == nil {
			rest = &others{}
			if ix.more == nil {
				ix.more = map[string]*others{}
			}
			ix.more[strings.Clone(key)] = rest // the key at hand may be part of a much larger text
		}
		rest.rows = append(rest.rows, row)
		return
	}
	if (ix.used+1)*5 > len(ix.slots)*4 {
		ix.grow()
	}
	ix.put(slot{hash, row + 1})
	ix.used++
}

// put writes an entry into the first free place for it.
func (ix *index) put(s slot) {
	mask := len(ix.slots) - 1
	i := int(s.hash) & mask
	for ix.slots[i].row != 0 {
		i = (i + 1) & mask
	}
	ix.slots[i] = s
}

func (ix *index) grow() {
	old := ix.slots
	ix.slots = make([]slot, max(fewestSlots, 2*len(old)))
	for _, s := range old {
		if s.row != 0 {
			ix.put(s)
		}
	}
}

func (ix *index) remove(key string, row uint32) {
	rest := ix.more[key]
	i, own := ix.entry(hashOf(key), row)
	switch {
	case own && rest == nil:
		ix.free(i)
		return
	case own:
		ix.slots[i].row, rest.rows = rest.rows[0]+1, rest.rows[1:]
	case rest != nil:
		if at := slices.Index(rest.rows, row); at >= 0 {
			rest.rows = slices.Delete(rest.rows, at, at+1)
		}
	}
	if rest != nil && len(rest.rows) == 0 {
		delete(ix.more, key)
	}
}

// entry returns the place of the entry that names a row.
func (ix *index) entry(hash, row uint32) (int, bool) {
	if ix.used == 0 {
		return 0, false
	}
	mask := len(ix.slots) - 1
	for i := int(hash) & mask; ix.slots[i].row != 0; i = (i + 1) & mask {
		if ix.slots[i] == (slot{hash, row + 1}) {
			return i, true
		}
	}
	return 0, false
}

// free empties a place, and moves up what would not be found any more behind it.
func (ix *index) free(hole int) {
	mask := len(ix.slots) - 1
	ix.used--
	for i := (hole + 1) & mask; ix.slots[i].row != 0; i = (i + 1) & mask {
		// An entry may move to the hole when that is not before the place of its hash.
		if home := int(ix.slots[i].hash) & mask; (i-home)&mask >= (i-hole)&mask {
			ix.slots[hole] = ix.slots[i]
			hole = i
		}
	}
	ix.slots[hole] = slot{}
}

// first returns the first row of a value; many is true when there are others.
func (ix *index) first(key string) (row uint32, found, many bool) {
	i, found := ix.at(key, hashOf(key))
	if !found {
		return 0, false, false
	}
	return ix.slots[i].row - 1, true, len(ix.more) > 0 && ix.more[key] != nil
}

// all returns every row of a value.
func (ix *index) all(key string) []uint32 {
	row, found, many := ix.first(key)
	switch {
	case !found:
		return nil
	case !many:
		return []uint32{row}
	}
	return append([]uint32{row}, ix.more[key].rows...)
}
