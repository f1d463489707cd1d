package submit

import (
	"slices"

	"bulkhead/libs/fault/planted"
	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store"
)

// Said is one record of a row: how new it is and which columns it names.
type Said struct {
	Order   store.Order
	KeyHash record.Hash
	Columns record.Bitmap
}

// Later is a record of the same entity that is newer than the row's oldest, of the row's pipeline or of another one. Its columns are counted as those
// of the row's own records are.
type Later struct {
	Said
	// Sent says that it has reached the org, or may have. What is not sent yet goes after the row, since the row holds the lane.
	Sent bool
	// Dead says that its tries are over and nobody has ordered another one: what it says may never be sent.
	Dead bool
}

// Verdict is what a resend does with one row.
type Verdict struct {
	// Drop leaves the whole row out: newer versions cover all it said. Successor is the newest of them; of another pipeline's, the newest that
	// says anything of it.
	Drop      bool
	Successor Said
	// Reduce are the columns to leave out of the row; empty = none.
	Reduce record.Bitmap
}

// Supersede decides what of a row may still be sent, given the records of the same entity that are newer than the row's
// oldest record. own are the row's records; key is the ordinal of the column that names the entity, which is never left out of a
// row that is sent.
//
// A column's value in the row comes from the last own record that names it; it is covered when a newer record than that one names it.
// When everything is covered, and a record newer than all of the row's own is there to be named as successor, the row is dropped: the newer
// ones say it all, now or later. One that is dead does not count for that, unless it may have been sent before it died: it may be discarded,
// and when it is sent again all the same it goes after the row. Otherwise single columns are left out only where the newer record is sent,
// since what it wrote would be overwritten. One that is not sent yet overwrites by itself, and a row cut down ahead of it could lack what
// Salesforce requires of a new row.
//
// Between a record that has a version and one that has none, only what is sent counts. The two kinds together have no one order: of three
// records each could be newer than the next, and each be left out for it. Between records of two pipelines only versions count, and of equal ones
// neither is newer: two sources of one row may well give it the same version, each with its own fields.
func Supersede(own []Said, later []Later, key int) Verdict {
	mine := make(map[record.Place]bool, len(own))
	var named record.Bitmap
	var newest store.Order
	for i, r := range own {
		mine[r.Order.At] = true
		named = named.Or(r.Columns)
		if i == 0 || newest.Less(r.Order) {
			newest = r.Order
		}
	}
	var covered, overwritten record.Bitmap
	var successor Said
	found := false
	for _, l := range later {
		if l.Order.Stream == "" && mine[l.Order.At] {
			continue // the row's own record under another generation
		}
		if !l.Sent && (l.Dead || slices.ContainsFunc(own, func(r Said) bool { return !r.Order.Alike(l.Order) })) {
			continue // what it says may never be sent, or be left out in its turn
		}
		// Another pipeline's record may say nothing that the row says but its key: it takes the place of none of it.
		meets := l.Order.Stream == "" || len(trim(without(l.Columns.And(named), key))) > 0
		if meets && newest.Less(l.Order) && (!found || successor.Order.Less(l.Order)) {
			successor, found = l.Said, true
		}
		said := newerThan(l, own)
		covered = covered.Or(said)
		if l.Sent {
			overwritten = overwritten.Or(said)
		}
	}
	if found && (covered.Covers(without(named, key)) || planted.On(planted.SupersedeWithoutFields)) {
		return Verdict{Drop: true, Successor: successor}
	}
	return Verdict{Reduce: trim(without(overwritten.And(named), key))}
}

// newerThan are the columns that l names and that no own record names which l is not newer than.
func newerThan(l Later, own []Said) record.Bitmap {
	said := l.Columns
	for _, r := range own {
		if !r.Order.Less(l.Order) {
			said = said.AndNot(r.Columns)
		}
	}
	return said
}

func without(b record.Bitmap, n int) record.Bitmap {
	if !b.Has(n) {
		return b
	}
	var one record.Bitmap
	one.Set(n)
	return b.AndNot(one)
}

// trim is the same set without trailing zero bytes; nil when it is empty.
func trim(b record.Bitmap) record.Bitmap {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return nil
	}
	return b
}
