// Package seen remembers which hashes were ever noted, in bounded memory: what a [Filter] says is new certainly is; what it says may be known has to be
// looked up. It lets a reader of fresh records ask the ledger nothing.
//
// What always holds:
//   - A hash that was added is never said to be new, however many were added.
//   - Memory never exceeds the limit. Behind the number of hashes that fit it, more and more new ones are said to be maybe known: about one of a hundred
//     up to there, one of ten at twice as many ([Filter.Load]).
//   - It is a function of what was added alone: no clock, no randomness, no goroutine.
//
// What it leaves to others: that all that the ledger holds is added (package extract).
package seen

import (
	"encoding/binary"

	"bulkhead/libs/record"
)

// A filter is a list of layers, each a Bloom filter of blocks that lie in one cache line's half: a hash has one block in each layer and sets one bit in each
// of its eight words. A layer that is full is followed by one four times its size, so that small pipelines take little and nothing is ever read
// again to grow.
const (
	blockWords = 8 // of 32 bits
	blockBytes = 4 * blockWords
	firstBytes = 64 << 10
	growth     = 4
	// bitsPerHash is what a layer is filled to: with eight bits set of each hash one of two hundred others looks the same.
	bitsPerHash = 12
)

// MinBytes is the least limit of a filter.
const MinBytes = firstBytes

type block [blockWords]uint32

type layer struct {
	blocks []block
	room   int // hashes that may still be added before the next layer begins
}

// Filter is a set of hashes that forgets which they were. Not for concurrent use.
type Filter struct {
	layers []layer
	limit  int // bytes
	left   int // bytes of them that may still be taken
	n      int
}

// New makes an empty filter that takes at most limit bytes, and no fewer than [MinBytes].
func New(limit int) *Filter {
	f := &Filter{limit: max(limit, MinBytes), left: max(limit, MinBytes)}
	f.grow(firstBytes)
	return f
}

func (f *Filter) grow(size int) {
	size = min(size, f.left) / blockBytes * blockBytes
	f.left -= size
	f.layers = append(f.layers, layer{blocks: make([]block, size/blockBytes), room: size * 8 / bitsPerHash})
}

// Len is the number of hashes that were added and looked new then.
func (f *Filter) Len() int { return f.n }

// Load is how many of the hashes that fit the limit were added; above 1 it says less and less.
func (f *Filter) Load() float64 { return float64(f.n) * bitsPerHash / (8 * float64(f.limit)) }

// Bytes is the memory that it has taken.
func (f *Filter) Bytes() int {
	n := 0
	for i := range f.layers {
		n += len(f.layers[i].blocks) * blockBytes
	}
	return n
}

// Each word's bit is chosen by a multiplication with an odd number of its own (the split block filter of Apache Parquet's format).
var salts = [blockWords]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// parts are the bits of a hash that choose a block, and those that choose the bits in it. Hashes are halves of a SHA-256: any bits are as good.
func parts(h *record.Hash) (where uint64, bits uint32) {
	return uint64(binary.LittleEndian.Uint32(h[0:4])), binary.LittleEndian.Uint32(h[4:8])
}

func (l *layer) block(where uint64) *block {
	return &l.blocks[where*uint64(len(l.blocks))>>32]
}

func (b *block) has(bits uint32) bool {
	for i, salt := range salts {
		if b[i]&(1<<(bits*salt>>27)) == 0 {
			return false
		}
	}
	return true
}

func (b *block) set(bits uint32) {
	for i, salt := range salts {
		b[i] |= 1 << (bits * salt >> 27)
	}
}

// Has says whether a hash may have been added; false = it certainly was not.
func (f *Filter) Has(h *record.Hash) bool {
	where, bits := parts(h)
	for i := len(f.layers) - 1; i >= 0; i-- { // the largest first: it has most of them
		if f.layers[i].block(where).has(bits) {
			return true
		}
	}
	return false
}

// Add notes a hash.
func (f *Filter) Add(h *record.Hash) {
	if f.Has(h) {
		return // nothing would change
	}
	last := &f.layers[len(f.layers)-1]
	if last.room <= 0 && f.left >= blockBytes {
		f.grow(growth * len(last.blocks) * blockBytes)
		last = &f.layers[len(f.layers)-1]
	}
	where, bits := parts(h)
	last.block(where).set(bits)
	last.room--
	f.n++
}
