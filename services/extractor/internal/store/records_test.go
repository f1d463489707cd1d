package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
)

func TestRecordsGoInTheOrderOfTheIndexThatTheyAreIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.Custom(func(t *rapid.T) (h record.Hash) {
			binary.BigEndian.PutUint64(h[:], rapid.OneOf(rapid.Uint64(), rapid.Uint64Max(3), rapid.Just(uint64(1)<<63)).Draw(t, "first"))
			return h
		})
		var records decide.Records
		var want []ranked
		for i := range rapid.IntRange(1, 300).Draw(t, "records") {
			r := decide.Record{KeyHash: hash.Draw(t, "key"), EntityHash: hash.Draw(t, "entity"), HasEntity: true, Placed: rapid.Bool().Draw(t, "placed")}
			records.Add(r)
			by := r.KeyHash
			if r.Placed {
				by = r.EntityHash
			}
			want = append(want, ranked{first: binary.BigEndian.Uint64(by[:]), at: int32(i)})
		}
		slices.SortStableFunc(want, func(a, b ranked) int { return cmp.Compare(a.first, b.first) })
		if got := inOrderOfHashes(&records); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}
