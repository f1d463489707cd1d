package org

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is added, changed and removed, an index answers as a list of the rows by value would.
func TestIndexAnswersAsAListWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var texts []string // by row; "" = not in the index
		ix := &index{text: func(row uint32) string { return texts[row] }}
		want := map[string][]uint32{}
		remove := func(row uint32) {
			key := texts[row]
			want[key] = slices.DeleteFunc(want[key], func(r uint32) bool { return r == row })
			texts[row] = "" // as a change does: the row tells its new value by the time that the old one is removed
			ix.remove(key, row)
		}
		add := func(row uint32, key string) {
			texts[row] = key
			want[key] = append(want[key], row)
			ix.add(key, row)
		}
		keys := rapid.SampledFrom([]int{3, 200}).Draw(t, "keys")
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			key := fmt.Sprint("k", rapid.IntRange(1, keys).Draw(t, "key"))
			row := uint32(rapid.IntRange(0, len(texts)).Draw(t, "row"))
			switch {
			case int(row) == len(texts):
				texts = append(texts, "")
				add(row, key)
			case texts[row] == "":
				add(row, key)
			default:
				remove(row)
				if rapid.Bool().Draw(t, "changed") {
					add(row, key)
				}
			}
		}
		used := 0
		for n := range keys + 1 {
			key := fmt.Sprint("k", n)
			got := ix.all(key)
			slices.Sort(got)
			if slices.Sort(want[key]); !slices.Equal(got, want[key]) {
				t.Fatalf("%s: rows %v, want %v", key, got, want[key])
			}
			row, found, many := ix.first(key)
			if found != (len(got) > 0) || many != (len(got) > 1) || (found && !slices.Contains(got, row)) {
				t.Fatalf("%s: first is %d %v %v of %v", key, row, found, many, got)
			}
			if found {
				used++
			}
		}
		if ix.used != used {
			t.Fatalf("%d entries, want %d", ix.used, used)
		}
	})
}

// A value that very many rows share must not make each further one slower.
func TestIndexBearsAValueOfManyRows(t *testing.T) {
	ix := &index{text: func(uint32) string { return "same" }}
	const rows = 200_000
	for row := range uint32(rows) {
		ix.add("same", row)
	}
	if got := len(ix.all("same")); got != rows {
		t.Errorf("got %d", got)
	}
}
