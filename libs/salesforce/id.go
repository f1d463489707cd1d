package salesforce

import (
	"errors"
	"strings"
)

// ErrBadID says that a text is not a Salesforce id: 15 letters and digits, or 18 whose last three fit the first fifteen.
var ErrBadID = errors.New("not a Salesforce id")

const idSuffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// ID18 returns the 18-character form of a 15- or 18-character Salesforce id. The last three characters encode which of the first
// fifteen are upper case, so that ids survive systems that ignore case. It fails with [ErrBadID], also when a given
// suffix does not fit: such an id was damaged on its way.
func ID18(id string) (string, error) {
	if !plausibleID(id) {
		return "", ErrBadID
	}
	full := id[:15] + idSuffix(id[:15])
	if len(id) == 18 && !strings.EqualFold(full, id) {
		return "", ErrBadID
	}
	return full, nil
}

// plausibleID says whether id has the length and alphabet of an id, which makes it safe inside a path.
func plausibleID(id string) bool {
	if len(id) != 15 && len(id) != 18 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// sameID compares two plausible ids of either length. Only the first fifteen characters carry identity, and their case does.
func sameID(a, b string) bool {
	return plausibleID(a) && plausibleID(b) && a[:15] == b[:15]
}

func idSuffix(id15 string) string {
	var out [3]byte
	for group := range 3 {
		bits := 0
		for i := range 5 {
			if c := id15[group*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out[group] = idSuffixAlphabet[bits]
	}
	return string(out[:])
}
