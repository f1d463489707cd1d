// Package sfid makes and reads record ids of the form Salesforce uses.
//
// An id is 15 case-sensitive base-62 characters: three that name the object (its key prefix), two that name the
// instance, one reserved zero and nine digits of a running number. The 18-character form adds three characters that
// encode which of the 15 are upper case, so that it survives systems which ignore case.
//
// What always holds: Parse accepts exactly what To18(Make(…)) and Make(…) produce and everything else of the same
// form; a wrong check suffix is refused. The package knows no object and keeps no state.
package sfid

import "strings"

const (
	// Len15 and Len18 are the two lengths of an id.
	Len15 = 15
	Len18 = 18

	digits   = 9 // base-62 digits of the running number
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	checks   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
)

// Make returns the 15-character id of running number n under a three-character key prefix and a two-character
// instance. Numbers above 62^9 wrap around, which no simulated org reaches.
func Make(prefix, instance string, n uint64) string {
	id := make15(prefix, instance, n)
	return string(id[:])
}

// Append appends the 18-character form of the id that Make returns.
func Append(b []byte, prefix, instance string, n uint64) []byte {
	id := make15(prefix, instance, n)
	return append18(b, id[:])
}

func make15(prefix, instance string, n uint64) (b [Len15]byte) {
	copy(b[0:3], prefix)
	copy(b[3:5], instance)
	b[5] = '0'
	for i := Len15 - 1; i >= Len15-digits; i-- {
		b[i] = alphabet[n%62]
		n /= 62
	}
	return b
}

// To18 adds the check suffix to a 15-character id. Any other length is returned as it is.
func To18(id string) string {
	if len(id) != Len15 {
		return id
	}
	return string(append18(make([]byte, 0, Len18), id))
}

func append18[T string | []byte](b []byte, id T) []byte {
	b = append(b, id...)
	for chunk := range 3 {
		bits := 0
		for i := range 5 {
			if c := id[chunk*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		b = append(b, checks[bits])
	}
	return b
}

// Parse returns the 15-character form of a 15- or 18-character id. It is false when the text is no id: wrong length,
// a character outside base 62, or a check suffix that does not fit.
func Parse(s string) (string, bool) {
	if len(s) != Len15 && len(s) != Len18 {
		return "", false
	}
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return "", false
		}
	}
	id := s[:Len15]
	if len(s) == Len18 && !strings.EqualFold(To18(id), s) {
		return "", false
	}
	return id, true
}

// Valid says whether a text is an id in either form.
func Valid(s string) bool {
	_, ok := Parse(s)
	return ok
}

// Prefix returns the key prefix of an id, or "" for a text too short to have one.
func Prefix(id string) string {
	if len(id) < 3 {
		return ""
	}
	return id[:3]
}

// Instance returns the two characters that name the instance, or "" for a text too short to have them.
func Instance(id string) string {
	if len(id) < 5 {
		return ""
	}
	return id[3:5]
}

// Number returns the running number of a 15-character id.
func Number(id string) (uint64, bool) {
	if len(id) != Len15 {
		return 0, false
	}
	var n uint64
	for i := Len15 - digits; i < Len15; i++ {
		d := strings.IndexByte(alphabet, id[i])
		if d < 0 {
			return 0, false
		}
		n = n*62 + uint64(d)
	}
	return n, true
}

// InstanceFor returns the two instance characters of a seed, the same for the same seed.
func InstanceFor(seed uint64) string {
	seed %= 62 * 62
	return string([]byte{alphabet[seed/62], alphabet[seed%62]})
}
