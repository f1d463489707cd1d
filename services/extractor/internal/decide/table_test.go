package decide

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestTable(t *testing.T) {
	t.Run("it finds the last number of each hash, as a map does, also where hashes share bytes", rapid.MakeCheck(func(t *rapid.T) {
		// A few values for each part, so that slots, tags and whole hashes meet.
		hashes := rapid.Custom(func(t *rapid.T) record.Hash {
			var h record.Hash
			binary.LittleEndian.PutUint32(h[0:4], rapid.SampledFrom([]uint32{0, 1, 1 << 31}).Draw(t, "tag"))
			binary.LittleEndian.PutUint32(h[4:8], rapid.Uint32Range(0, 70).Draw(t, "at"))
			h[15] = rapid.ByteRange(0, 3).Draw(t, "rest")
			return h
		})
		var (
			of   table
			all  []record.Hash
			want = map[record.Hash]int32{}
		)
		of.expect(rapid.SampledFrom([]int{0, 1, 47, 200}).Draw(t, "expected"))
		is := func(n int32, h *record.Hash) bool { return all[n] == *h }
		for _, h := range rapid.SliceOfN(hashes, 0, 300).Draw(t, "hashes") {
			all = append(all, h)
			n := int32(len(all) - 1)
			had, ok := want[h]
			if was := of.put(&h, n, is, func(n int32) *record.Hash { return &all[n] }); ok && was != had || !ok && was != none {
				t.Fatalf("%x had %d, not %d", h, had, was)
			}
			want[h] = n
		}
		for h, n := range want {
			if got := of.find(&h, is); got != n {
				t.Fatalf("%x has %d, want %d", h, got, n)
			}
		}
		for _, h := range rapid.SliceOfN(hashes, 0, 50).Draw(t, "others") {
			if _, ok := want[h]; !ok && of.find(&h, is) != none {
				t.Fatalf("%x was never put in", h)
			}
		}
		if of.n != len(want) {
			t.Fatalf("it counts %d of %d", of.n, len(want))
		}
	}))
}
