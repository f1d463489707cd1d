package record

import (
	"math/big"
	"regexp"
	"strings"
)

// plainNumber is a number as the API writes it; its length and exponent are bounded, since it is worked out exactly.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$`)

// ExactNumber writes a number so that equal ones are the same text; it is false for what is none. A query gives the values of a numeric field written
// anew (7 comes back as 7.0), which [FoldIn] does not see: values that an org found by its own rules are told apart by both.
func ExactNumber(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if !plainNumber.MatchString(s) {
		return "", false
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return "", false
	}
	return n.RatString(), true
}
