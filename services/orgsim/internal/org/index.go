package org

// index leads from a folded value to the rows that have it. Almost every value has one row, so only further rows
// pay for a list.
type index struct {
	one  map[string]uint32
	more map[string][]uint32
}

func (ix *index) add(key string, row uint32) {
	if _, taken := ix.one[key]; !taken {
		ix.one[key] = row
		return
	}
	if ix.more == nil {
		ix.more = map[string][]uint32{}
	}
	ix.more[key] = append(ix.more[key], row)
}

func (ix *index) remove(key string, row uint32) {
	rest := ix.more[key]
	if ix.one[key] == row {
		if len(rest) == 0 {
			delete(ix.one, key)
			return
		}
		ix.one[key], rest = rest[0], rest[1:]
	} else {
		for i, r := range rest {
			if r == row {
				rest = append(rest[:i:i], rest[i+1:]...)
				break
			}
		}
	}
	if len(rest) == 0 {
		delete(ix.more, key)
		return
	}
	ix.more[key] = rest
}

// first returns the first row of a value; many is true when there are others.
func (ix *index) first(key string) (row uint32, found, many bool) {
	row, found = ix.one[key]
	return row, found, len(ix.more[key]) > 0
}

// all returns every row of a value.
func (ix *index) all(key string) []uint32 {
	row, found := ix.one[key]
	if !found {
		return nil
	}
	return append([]uint32{row}, ix.more[key]...)
}
