package submit

import "bulkhead/libs/record"

// Said is one record of a row: where it stands and which columns it names.
type Said struct {
	At      record.Place
	KeyHash record.Hash
	Columns record.Bitmap
}

// Verdict is what a resend does with one row.
type Verdict struct {
	// Drop leaves the whole row out: newer versions cover all it said. Successor is the newest of them.
	Drop      bool
	Successor Said
	// Reduce are the columns to leave out of the row; empty = none.
	Reduce record.Bitmap
}

// Supersede decides what of a row may still be sent, given the records of the same entity that stand later in the stream than the
// row's oldest record. own are the row's records; key is the ordinal of the column that names the entity, which is never left out of a
// row that is sent. Whether a newer record has landed does not matter: it was sealed, so it lands later, or is accounted for as itself.
//
// A column's value in the row comes from the last own record that names it; it is covered when a newer record than that one names it.
// The row goes as a whole when everything is covered and a record newer than all of its own is there to be named as successor.
func Supersede(own, later []Said, key int) Verdict {
	mine := make(map[record.Place]bool, len(own))
	var newest record.Place
	for i, r := range own {
		mine[r.At] = true
		if i == 0 || newest.Less(r.At) {
			newest = r.At
		}
	}
	var named, covered record.Bitmap
	var v Verdict
	found := false
	for _, r := range own {
		named = named.Or(r.Columns)
	}
	for _, l := range later {
		if mine[l.At] {
			continue // the row's own record under another generation
		}
		if newest.Less(l.At) && (!found || v.Successor.At.Less(l.At)) {
			v.Successor, found = l, true
		}
		// What own records behind this one name is newer than what it names.
		said := l.Columns
		for _, r := range own {
			if l.At.Less(r.At) {
				said = said.AndNot(r.Columns)
			}
		}
		covered = covered.Or(said)
	}
	reduce := without(covered.And(named), key)
	if found && covered.Covers(without(named, key)) {
		v.Drop = true
		return v
	}
	return Verdict{Reduce: trim(reduce)}
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
