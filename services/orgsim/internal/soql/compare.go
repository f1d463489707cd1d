package soql

import (
	"slices"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/org"
)

// comparing is how values of a type are compared.
type comparing uint8

const (
	byText   comparing = iota // without regard to case
	byBytes                   // as they are: case-sensitive texts, dates, date-times
	bySize                    // numbers
	byID                      // the short form of ids
	byChoice                  // the order of a picklist's values, then as byText
)

// comparingOf is how the values of a source are compared. Only an order looks at the order of a picklist's values
// (Salesforce: ORDER BY), a condition at their texts.
func comparingOf(s *source, order bool) comparing {
	f := s.column.stored()
	switch t := s.typ(); {
	case t == org.TypeInt, t == org.TypeDouble, t == org.TypeCurrency, t == org.TypePercent:
		return bySize
	case t == org.TypeReference, t == "id":
		return byID
	case t == org.TypeDate, t == org.TypeDateTime, f != nil && f.CaseSensitive:
		return byBytes
	case order && t == org.TypePicklist && f != nil && len(f.Values) > 0:
		return byChoice
	default:
		return byText
	}
}

// shortID is the length of the form of an id that decides which row it is.
const shortID = 15

// fold is the form of a value by which equal values are known.
func (c comparing) fold(v string) string {
	switch c {
	case bySize:
		n, _ := strconv.ParseFloat(v, 64)            // what is stored and what was read as a number is one
		return strconv.FormatFloat(n+0, 'g', -1, 64) // -0 is 0
	case byID:
		return v[:min(len(v), shortID)]
	case byBytes:
		return v
	default:
		return strings.ToLower(v)
	}
}

// key is a value in a form that is quick to compare; the zero key is null.
type key struct {
	set  bool
	size float64
	text string
}

// keyOf makes the key of a value of a source.
func (c comparing) keyOf(v string, s *source) key {
	if v == "" {
		return key{}
	}
	k := key{set: true}
	switch c {
	case bySize:
		k.size, _ = strconv.ParseFloat(v, 64) // as in fold
	case byID:
		k.text = v[:min(len(v), shortID)]
	case byBytes:
		k.text = v
	case byChoice:
		values := s.column.stored().Values
		at := slices.Index(values, v)
		if at < 0 {
			at = len(values)
		}
		k.size, k.text = float64(at), strings.ToUpper(v)
	default:
		k.text = strings.ToUpper(v) // in the order of capitals (Salesforce: ORDER BY)
	}
	return k
}

// compare orders two keys that are set.
func (k key) compare(other key) int {
	switch {
	case k.size < other.size:
		return -1
	case k.size > other.size:
		return 1
	default:
		return strings.Compare(k.text, other.text)
	}
}
