package org

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPackedValues(t *testing.T) {
	t.Run("come back as they were, whatever was packed behind them", func(t *testing.T) {
		value := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringN(0, 300, -1), rapid.Just(strings.Repeat("x", slabBytes)))
		rapid.Check(t, func(t *rapid.T) {
			width := rapid.IntRange(1, 300).Draw(t, "width")
			var s slab
			var rows [][]string
			var packed []string
			for range rapid.IntRange(1, 40).Draw(t, "rows") {
				row := make([]string, width)
				for range 5 {
					row[rapid.IntRange(0, width-1).Draw(t, "field")] = value.Draw(t, "value")
				}
				rows, packed = append(rows, row), append(packed, s.pack(row, ""))
			}
			got := make([]string, width)
			for i, row := range rows {
				if packed[i] != pack(row) {
					t.Fatalf("row %d is packed in two ways", i)
				}
				if unpack(packed[i], got); !slices.Equal(got, row) {
					t.Fatalf("row %d: %q, want %q", i, got, row)
				}
				for f, want := range row {
					if v := packedValue(packed[i], f); v != want {
						t.Fatalf("row %d, field %d: %q, want %q", i, f, v, want)
					}
				}
			}
		})
	})
	t.Run("are not stored again when they are the same", func(t *testing.T) {
		var s slab
		row := []string{"a", "b"}
		first := s.pack(row, "")
		before := s.text.Len()
		if again := s.pack(row, first); again != first || s.text.Len() != before {
			t.Errorf("%d bytes became %d", before, s.text.Len())
		}
	})
	t.Run("lie together, so that a row costs no allocation", func(t *testing.T) {
		var s slab
		row := []string{"a value", "", "another one of some length", "c"}
		perRow := testing.AllocsPerRun(10_000, func() { s.pack(row, "") })
		if perRow > 0.1 {
			t.Errorf("%v allocations a row", perRow)
		}
	})
}
