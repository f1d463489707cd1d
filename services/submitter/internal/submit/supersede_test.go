package submit

import (
	"testing"

	"bulkhead/libs/record"

	"pgregory.net/rapid"
)

func columns(ordinals ...int) record.Bitmap {
	var b record.Bitmap
	for _, n := range ordinals {
		b.Set(n)
	}
	return b
}

func said(seq uint64, ordinals ...int) Said {
	return Said{At: record.Place{Seq: seq}, KeyHash: record.Hash{byte(seq)}, Columns: columns(ordinals...)}
}

// The key column is 0, as in a definition whose first mapping is the external id.
func TestSupersede(t *testing.T) {
	tests := []struct {
		name       string
		own, later []Said
		drop       bool
		successor  uint64
		reduce     record.Bitmap
	}{
		{name: "nothing newer leaves the row as it is", own: []Said{said(5, 0, 1, 2)}},
		{name: "a newer record that names all columns drops the row", own: []Said{said(5, 0, 1)}, later: []Said{said(9, 0, 1, 2)}, drop: true, successor: 9},
		{name: "a newer record that names some columns reduces the row", own: []Said{said(5, 0, 1, 2)}, later: []Said{said(9, 0, 1)}, reduce: columns(1)},
		{name: "two newer records that together name all drop the row, the newest is named", own: []Said{said(5, 0, 1, 2)}, later: []Said{said(9, 0, 1), said(7, 0, 2)}, drop: true, successor: 9},
		{name: "a newer record of other columns takes nothing", own: []Said{said(5, 0, 1)}, later: []Said{said(9, 0, 2)}},
		{name: "a row that names the key alone is dropped by any newer record", own: []Said{said(5, 0)}, later: []Said{said(9, 0, 1)}, drop: true, successor: 9},
		{name: "a record between two merged ones covers what only the older names", own: []Said{said(5, 0, 1), said(9, 0, 2)}, later: []Said{said(7, 0, 1)}, reduce: columns(1)},
		{name: "a record between two merged ones covers nothing that the newer names too", own: []Said{said(5, 0, 1), said(9, 0, 1)}, later: []Said{said(7, 0, 1)}},
		{name: "a row is not dropped by what is older than its newest record", own: []Said{said(5, 0, 1), said(9, 0)}, later: []Said{said(7, 0, 1)}, reduce: columns(1)},
		{name: "the row's own record is no newer version", own: []Said{said(5, 0, 1), said(9, 0, 1)}, later: []Said{said(9, 0, 1)}},
		{name: "a newer record without a bit for the key column drops all the same", own: []Said{said(5, 1)}, later: []Said{said(9, 1)}, drop: true, successor: 9},
		{
			name: "places inside one frame are ordered too", own: []Said{{At: record.Place{Seq: 5, Idx: 1}, Columns: columns(0, 1)}},
			later: []Said{{At: record.Place{Seq: 5, Idx: 2}, Columns: columns(0, 1)}}, drop: true, successor: 5,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Supersede(tt.own, tt.later, 0)
			if v.Drop != tt.drop || v.Successor.At.Seq != tt.successor || !v.Reduce.Equal(tt.reduce) {
				t.Errorf("got drop=%v successor=%d reduce=%v, want drop=%v successor=%d reduce=%v",
					v.Drop, v.Successor.At.Seq, v.Reduce.Ordinals(), tt.drop, tt.successor, tt.reduce.Ordinals())
			}
		})
	}
}

// An entity's history is written to an org in stream order; then a row made of some of the records is sent again, as Supersede lets it. The
// org must end as if each column had been written by the last record that names it, and nothing of the row may be lost.
func TestWhatSupersedeLetsThroughNeverChangesTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const width = 6
		n := rapid.IntRange(1, 8).Draw(t, "records")
		var history, own, later []Said
		for i := range n {
			b := columns(0)
			for c := 1; c < width; c++ {
				if rapid.Bool().Draw(t, "names") {
					b.Set(c)
				}
			}
			history = append(history, Said{At: record.Place{Seq: uint64(i + 1)}, Columns: b})
		}
		for i := range history {
			if rapid.Bool().Draw(t, "own") {
				own = append(own, history[i])
			}
		}
		if len(own) == 0 {
			own = history[:1]
		}
		for _, h := range history {
			if own[0].At.Less(h.At) {
				later = append(later, h)
			}
		}
		mine := map[record.Place]bool{}
		for _, o := range own {
			mine[o.At] = true
		}
		want := [width]uint64{}
		org := [width]uint64{}
		for _, h := range history {
			for _, c := range h.Columns.Ordinals() {
				want[c] = h.At.Seq
				if !mine[h.At] {
					org[c] = h.At.Seq // everything but the row has landed
				}
			}
		}
		v := Supersede(own, later, 0)
		if !v.Drop {
			for c := 1; c < width; c++ {
				if v.Reduce.Has(c) {
					continue
				}
				for _, o := range own {
					if o.Columns.Has(c) {
						org[c] = o.At.Seq
					}
				}
			}
		} else if !own[len(own)-1].At.Less(v.Successor.At) {
			t.Fatalf("dropped in favour of %v, which is not newer", v.Successor.At)
		}
		for c := 1; c < width; c++ {
			if org[c] != want[c] {
				t.Fatalf("column %d ends with record %d, want %d (own %v, drop %v, reduce %v)", c, org[c], want[c], own, v.Drop, v.Reduce.Ordinals())
			}
		}
	})
}
