package record

// Bitmap is a set of small numbers (ordinals of columns), the lowest bit of the first byte being 0. Trailing zero bytes mean nothing:
// two bitmaps of different length can be equal. The zero value is the empty set.
type Bitmap []byte

// Set adds n, growing the bitmap when needed. A negative n is ignored.
func (b *Bitmap) Set(n int) {
	if n < 0 {
		return
	}
	for len(*b) <= n/8 {
		*b = append(*b, 0)
	}
	(*b)[n/8] |= 1 << (n % 8)
}

// Has says whether n is in the set.
func (b Bitmap) Has(n int) bool {
	return n >= 0 && n/8 < len(b) && b[n/8]&(1<<(n%8)) != 0
}

// Or returns a new set: what is in either.
func (b Bitmap) Or(o Bitmap) Bitmap {
	long, short := b, o
	if len(short) > len(long) {
		long, short = short, long
	}
	out := append(Bitmap(nil), long...)
	for i, v := range short {
		out[i] |= v
	}
	return out
}

// AndNot returns a new set: what is in b and not in o.
func (b Bitmap) AndNot(o Bitmap) Bitmap {
	out := append(Bitmap(nil), b...)
	for i := range out {
		if i < len(o) {
			out[i] &^= o[i]
		}
	}
	return out
}

// And returns a new set: what is in both.
func (b Bitmap) And(o Bitmap) Bitmap {
	out := append(Bitmap(nil), b[:min(len(b), len(o))]...)
	for i := range out {
		out[i] &= o[i]
	}
	return out
}

// Empty says whether nothing is in the set.
func (b Bitmap) Empty() bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// Covers says whether everything in o is in b.
func (b Bitmap) Covers(o Bitmap) bool { return o.AndNot(b).Empty() }

// Equal says whether both sets hold the same.
func (b Bitmap) Equal(o Bitmap) bool { return b.Covers(o) && o.Covers(b) }

// Ordinals returns what is in the set, rising.
func (b Bitmap) Ordinals() []int {
	var out []int
	for i := range len(b) * 8 {
		if b.Has(i) {
			out = append(out, i)
		}
	}
	return out
}
