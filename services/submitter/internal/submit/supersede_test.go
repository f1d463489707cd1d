package submit

import (
	"slices"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store"

	"pgregory.net/rapid"
)

func columns(ordinals ...int) record.Bitmap {
	var b record.Bitmap
	for _, n := range ordinals {
		b.Set(n)
	}
	return b
}

func placed(seq uint64, idx uint32) store.Order {
	return store.Order{At: record.Place{Seq: seq, Idx: idx}}
}

func said(seq uint64, ordinals ...int) Said {
	return Said{Order: placed(seq, 0), KeyHash: record.Hash{byte(seq)}, Columns: columns(ordinals...)}
}

func versioned(version byte, seq uint64, ordinals ...int) Said {
	s := said(seq, ordinals...)
	s.Order.Version = record.Version{version}
	return s
}

// elsewhere is a record of another pipeline.
func elsewhere(version byte, seq uint64, ordinals ...int) Said {
	s := versioned(version, seq, ordinals...)
	s.Order.Stream = "prices"
	return s
}

func sent(seq uint64, ordinals ...int) Later { return Later{Said: said(seq, ordinals...), Sent: true} }

// The key column is 0, as in a definition whose first mapping is the external id.
func TestSupersede(t *testing.T) {
	tests := []struct {
		name      string
		own       []Said
		later     []Later
		drop      bool
		successor uint64
		reduce    record.Bitmap
	}{
		{name: "nothing newer leaves the row as it is", own: []Said{said(5, 0, 1, 2)}},
		{name: "a newer record that names all columns drops the row", own: []Said{said(5, 0, 1)}, later: []Later{sent(9, 0, 1, 2)}, drop: true, successor: 9},
		{name: "a newer record that names some columns reduces the row", own: []Said{said(5, 0, 1, 2)}, later: []Later{sent(9, 0, 1)}, reduce: columns(1)},
		{name: "two newer records that together name all drop the row, the newest is named", own: []Said{said(5, 0, 1, 2)}, later: []Later{sent(9, 0, 1), sent(7, 0, 2)}, drop: true, successor: 9},
		{name: "a newer record of other columns takes nothing", own: []Said{said(5, 0, 1)}, later: []Later{sent(9, 0, 2)}},
		{name: "a row that names the key alone is dropped by any newer record", own: []Said{said(5, 0)}, later: []Later{sent(9, 0, 1)}, drop: true, successor: 9},
		{name: "a record between two merged ones covers what only the older names", own: []Said{said(5, 0, 1), said(9, 0, 2)}, later: []Later{sent(7, 0, 1)}, reduce: columns(1)},
		{name: "a record between two merged ones covers nothing that the newer names too", own: []Said{said(5, 0, 1), said(9, 0, 1)}, later: []Later{sent(7, 0, 1)}},
		{name: "a row is not dropped by what is older than its newest record", own: []Said{said(5, 0, 1), said(9, 0)}, later: []Later{sent(7, 0, 1)}, reduce: columns(1)},
		{name: "the row's own record is no newer version", own: []Said{said(5, 0, 1), said(9, 0, 1)}, later: []Later{sent(9, 0, 1)}},
		{name: "a newer record without a bit for the key column drops all the same", own: []Said{said(5, 1)}, later: []Later{sent(9, 1)}, drop: true, successor: 9},
		{name: "a dead record covers nothing", own: []Said{said(5, 0, 1)}, later: []Later{{Said: said(9, 0, 1), Dead: true}}},
		{name: "a dead record that may have been sent before is not overwritten", own: []Said{said(5, 0, 1, 2)}, later: []Later{{Said: said(9, 0, 1), Dead: true, Sent: true}}, reduce: columns(1)},
		{name: "a dead record is no successor", own: []Said{said(5, 0, 1)}, later: []Later{sent(7, 0, 1), {Said: said(9, 0, 1), Dead: true}}, drop: true, successor: 7},
		{
			name: "places inside one frame are ordered too", own: []Said{{Order: placed(5, 1), Columns: columns(0, 1)}},
			later: []Later{{Said: Said{Order: placed(5, 2), Columns: columns(0, 1)}}}, drop: true, successor: 5,
		},
		{name: "a later version drops the row though it stands earlier in the stream", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: versioned(3, 1, 0, 1), Sent: true}}, drop: true, successor: 1},
		{name: "an earlier version takes nothing though it stands later in the stream", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: versioned(1, 9, 0, 1), Sent: true}}},
		{name: "of equal versions the place decides", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: versioned(2, 9, 0, 1), Sent: true}}, drop: true, successor: 9},
		{name: "a sent record with a version counts by its place for one that has none", own: []Said{said(9, 0, 1)}, later: []Later{{Said: versioned(1, 12, 0, 1), Sent: true}}, drop: true, successor: 12},
		{name: "a record without a version takes nothing from one with a version that stands later", own: []Said{versioned(1, 9, 0, 1)}, later: []Later{sent(5, 0, 1)}},
		{name: "a later version of another pipeline drops the row, wherever it stands in its stream", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: elsewhere(3, 1, 0, 1), Sent: true}}, drop: true, successor: 1},
		{
			name: "a later version of another pipeline that says nothing but the key is no successor", own: []Said{versioned(2, 5, 0, 1)},
			later: []Later{{Said: versioned(3, 7, 0, 1), Sent: true}, {Said: elsewhere(4, 9, 0, 3), Sent: true}}, drop: true, successor: 7,
		},
		{name: "an earlier version of another pipeline takes nothing", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: elsewhere(1, 9, 0, 1), Sent: true}}},
		{name: "an equal version of another pipeline takes nothing, wherever it stands", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: elsewhere(2, 9, 0, 1), Sent: true}}},
		{name: "a later version of another pipeline at the place of the row's own record is not that record", own: []Said{versioned(2, 5, 0, 1)}, later: []Later{{Said: elsewhere(3, 5, 0, 1), Sent: true}}, drop: true, successor: 5},
		{name: "a version of another pipeline takes nothing of a row without versions", own: []Said{said(5, 0, 1)}, later: []Later{{Said: elsewhere(3, 9, 0, 1), Sent: true}}},
		{
			name: "a version of another pipeline between two merged ones takes what only the older names", own: []Said{versioned(2, 5, 0, 1, 2), versioned(4, 6, 0, 2)},
			later: []Later{{Said: elsewhere(3, 9, 0, 1, 2), Sent: true}}, reduce: columns(1),
		},
		{
			name: "a version of another pipeline that equals the newer of two merged ones takes what only the older names", own: []Said{versioned(2, 5, 0, 1, 2), versioned(4, 6, 0, 2)},
			later: []Later{{Said: elsewhere(4, 9, 0, 1, 2), Sent: true}}, reduce: columns(1),
		},
		{
			name: "versions of two pipelines together drop the row", own: []Said{versioned(2, 5, 0, 1, 2)},
			later: []Later{{Said: elsewhere(3, 9, 0, 1), Sent: true}, {Said: versioned(4, 7, 0, 2)}}, drop: true, successor: 7,
		},
		{name: "of two records of which only one has a version, what is not sent takes nothing", own: []Said{versioned(1, 5, 0, 1)}, later: []Later{{Said: said(9, 0, 1)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Supersede(tt.own, tt.later, 0)
			if v.Drop != tt.drop || v.Successor.Order.At.Seq != tt.successor || !v.Reduce.Equal(tt.reduce) {
				t.Errorf("got drop=%v successor=%d reduce=%v, want drop=%v successor=%d reduce=%v",
					v.Drop, v.Successor.Order.At.Seq, v.Reduce.Ordinals(), tt.drop, tt.successor, tt.reduce.Ordinals())
			}
		})
	}
}

// An entity's history is written to an org: what is sent already, then a row made of some of the records as Supersede lets it, then what is
// sent later. The org must end as if each column had been written by the last record that names it, and nothing may be lost.
func TestWhatSupersedeLetsThroughNeverChangesTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const width = 6
		n := rapid.IntRange(1, 8).Draw(t, "records")
		var own []Said
		var later []Later
		var want [width]int
		for i, order := range drawOrders(t, n) {
			r := Said{Order: order, KeyHash: record.Hash{byte(i + 1)}, Columns: columns(0)}
			for c := 1; c < width; c++ {
				if rapid.Bool().Draw(t, "names") {
					r.Columns.Set(c)
					want[c] = i + 1
				}
			}
			mine := len(own) == 0 || rapid.Bool().Draw(t, "own")
			if mine {
				own = append(own, r)
			}
			if len(own) > 1 || !mine { // the index shows the row's own records too
				later = append(later, Later{Said: r, Sent: !mine && rapid.Bool().Draw(t, "sent")})
			}
		}
		isOwn := map[record.Hash]bool{}
		for _, o := range own {
			isOwn[o.KeyHash] = true
		}

		v := Supersede(own, later, 0)
		if v.Drop && !own[len(own)-1].Order.Less(v.Successor.Order) {
			t.Fatalf("dropped in favour of %v, which is not newer", v.Successor.Order)
		}
		var org [width]int
		for c := 1; c < width; c++ {
			var landed []Said // in the order of landing
			for _, l := range later {
				if l.Sent {
					landed = append(landed, l.Said)
				}
			}
			if !v.Drop && !v.Reduce.Has(c) {
				landed = append(landed, own...)
			}
			for _, l := range later {
				// What is sent later asks for newer versions in its turn.
				overwrites := !l.Sent && !isOwn[l.KeyHash]
				for _, other := range landed {
					overwrites = overwrites && (!l.Order.Less(other.Order) || !other.Columns.Has(c))
				}
				if overwrites {
					landed = append(landed, l.Said)
				}
			}
			for _, r := range landed {
				if r.Columns.Has(c) {
					org[c] = int(r.KeyHash[0])
				}
			}
			if org[c] != want[c] {
				t.Fatalf("column %d ends with record %d, want %d (own %v, later %v, drop %v, reduce %v)", c, org[c], want[c], own, later, v.Drop, v.Reduce.Ordinals())
			}
		}
	})
}

// Revisions with and without versions, and rows that are sent in whatever order: each column that a record names is written by somebody in the end,
// since what leaves it out names one that is sent, now or later.
func TestNoColumnIsLostWhereOnlySomeRecordsHaveVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const width = 4
		n := rapid.IntRange(1, 6).Draw(t, "records")
		all := make([]Said, n)
		var named [width]bool
		for i, seq := range rapid.Permutation([]uint64{1, 2, 3, 4, 5, 6}).Draw(t, "places")[:n] {
			all[i] = said(seq, 0)
			if version := rapid.ByteRange(0, 3).Draw(t, "version"); version > 0 {
				all[i].Order.Version = record.Version{version}
			}
			for c := 1; c < width; c++ {
				if rapid.Bool().Draw(t, "names") {
					all[i].Columns.Set(c)
					named[c] = true
				}
			}
		}
		isSent := make([]bool, n)
		var written [width]bool
		for i := range all {
			var later []Later
			for j := range all {
				if i != j && all[i].Order.Less(all[j].Order) {
					later = append(later, Later{Said: all[j], Sent: isSent[j]})
				}
			}
			v := Supersede(all[i:i+1], later, 0)
			isSent[i] = !v.Drop
			for c := 1; c < width; c++ {
				written[c] = written[c] || !v.Drop && all[i].Columns.Has(c) && !v.Reduce.Has(c)
			}
		}
		if written != named {
			t.Fatalf("written are %v, named %v (%v)", written, named, all)
		}
	})
}

// drawOrders draws n orders from old to new, in which versions and places go against each other; either all have a version or none.
func drawOrders(t *rapid.T, n int) []store.Order {
	seqs := make([]uint64, n)
	for i := range seqs {
		seqs[i] = uint64(i + 1)
	}
	seqs = rapid.Permutation(seqs).Draw(t, "places")
	orders := make([]store.Order, n)
	have := rapid.Bool().Draw(t, "versions")
	for i := range orders {
		orders[i] = placed(seqs[i], 0)
		if version := rapid.ByteRange(1, 4).Draw(t, "version"); have {
			orders[i].Version = record.Version{version}
		}
	}
	slices.SortFunc(orders, store.Order.Compare)
	return orders
}
