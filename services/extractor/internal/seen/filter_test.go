package seen_test

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/seen"
)

func hashOf(n int) record.Hash {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	return record.HashRaw(b[:])
}

// wrong counts hashes that were never added and are said to be maybe known.
func wrong(f *seen.Filter, added, asked int) int {
	n := 0
	for i := range asked {
		if h := hashOf(-1 - added - i); f.Has(&h) {
			n++
		}
	}
	return n
}

func TestFilter(t *testing.T) {
	t.Run("whatever was added is never new, however many there are", rapid.MakeCheck(func(t *rapid.T) {
		f := seen.New(seen.MinBytes)
		hashes := rapid.SliceOf(rapid.Custom(func(t *rapid.T) record.Hash {
			return record.Hash(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "hash"))
		})).Draw(t, "hashes")
		for i := range hashes {
			f.Add(&hashes[i])
		}
		for i := range hashes {
			if !f.Has(&hashes[i]) {
				t.Fatalf("%x is said to be new", hashes[i])
			}
		}
	}))
	t.Run("nothing is known to an empty one", func(t *testing.T) {
		if n := wrong(seen.New(0), 0, 10_000); n != 0 {
			t.Errorf("%d are", n)
		}
	})
	t.Run("it grows by layers up to its limit, and says of few new ones that they may be known", func(t *testing.T) {
		const limit = 1 << 20
		f := seen.New(limit)
		added := 0
		for _, step := range []struct{ n, bytes, most int }{
			{10_000, 64 << 10, 100},
			{100_000, 320 << 10, 100},
			{600_000, limit, 200},
			{1_200_000, limit, 2_500}, // beyond what it has room for
		} {
			for ; added < step.n; added++ {
				h := hashOf(added)
				f.Add(&h)
			}
			if f.Bytes() > step.bytes {
				t.Errorf("with %d hashes it takes %d bytes", step.n, f.Bytes())
			}
			if n := wrong(f, added, 10_000); n > step.most {
				t.Errorf("with %d hashes %d of 10000 new ones may be known", step.n, n)
			}
			for i := 0; i < added; i += 97 {
				if h := hashOf(i); !f.Has(&h) {
					t.Fatalf("hash %d of %d is said to be new", i, added)
				}
			}
		}
		if n := f.Len(); n > added || n < added*9/10 {
			t.Errorf("it counts %d of %d", n, added)
		}
	})
	t.Run("a hash that is added again changes nothing", func(t *testing.T) {
		f, h := seen.New(0), hashOf(1)
		f.Add(&h)
		f.Add(&h)
		if f.Len() != 1 {
			t.Errorf("it counts %d", f.Len())
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	f := seen.New(16 << 20)
	for i := range 1_000_000 {
		h := hashOf(i)
		f.Add(&h)
	}
	hashes := make([]record.Hash, 1<<16)
	for i := range hashes {
		hashes[i] = hashOf(-i - 1)
	}
	b.ReportAllocs()
	n, i := 0, 0
	for b.Loop() {
		if f.Has(&hashes[i&(1<<16-1)]) {
			n++
		}
		i++
	}
	b.ReportMetric(100*float64(n)/float64(i), "%maybe")
}
