package record

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// FoldKey returns the form under which two external id values are the same entity, as Salesforce sees it: it compares values of an external
// id field without case, stores text without blanks at its ends, and gives text back composed (NFC), however it was sent. So "ABC", " abc " and both
// ways to write "é" each fold to one. Characters are decomposed here, which tells the same values apart as composing them would.
//
// Two values that fold alike share a lane and, within a chunk, a row. A field that Salesforce describes as case-sensitive folds by [FoldExact];
// [FoldIn] knows which rule holds in a space.
func FoldKey(s string) string {
	if isPlain(s) {
		return s
	}
	return decompose(strings.ToLower(decompose(strings.TrimSpace(s))))
}

// isPlain says whether s is already folded, looking at bytes only.
func isPlain(s string) bool {
	if s == "" {
		return true
	}
	if s[0] <= ' ' || s[len(s)-1] <= ' ' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// Canonical decompositions and combining classes of Unicode, as in golang.org/x/text/unicode/norm, which a test compares them with; the table
// stands here because this package uses nothing but the standard library. A line is either "<rune>=<rune> <rune>…", decomposed all the way, or
// "<first>-<last>:<class>", numbers in hexadecimal, the class in decimal.
//
//go:embed decompositions.txt
var decompositions string

type normal struct {
	parts   map[rune][]rune
	classes map[rune]uint8
}

var table = sync.OnceValue(func() normal {
	n := normal{parts: map[rune][]rune{}, classes: map[rune]uint8{}}
	for line := range strings.Lines(decompositions) {
		if err := n.read(strings.TrimSpace(line)); err != nil {
			panic(fmt.Sprintf("record: decompositions.txt: %q: %v", line, err)) // part of the program, and tested
		}
	}
	return n
})

func (n normal) read(line string) error {
	if char, parts, ok := strings.Cut(line, "="); ok {
		r, err := hexRune(char)
		if err != nil {
			return err
		}
		for part := range strings.FieldsSeq(parts) {
			p, err := hexRune(part)
			if err != nil {
				return err
			}
			n.parts[r] = append(n.parts[r], p)
		}
		return nil
	}
	span, class, _ := strings.Cut(line, ":")
	from, to, _ := strings.Cut(span, "-")
	first, err := hexRune(from)
	if err != nil {
		return err
	}
	last, err := hexRune(to)
	if err != nil {
		return err
	}
	c, err := strconv.ParseUint(class, 10, 8)
	if err != nil {
		return err
	}
	for r := first; r <= last; r++ {
		n.classes[r] = uint8(c)
	}
	return nil
}

func hexRune(s string) (rune, error) {
	v, err := strconv.ParseUint(s, 16, 21)
	return rune(v), err
}

// decompose is Unicode's normalization form D. Bytes that are no UTF-8 become U+FFFD.
func decompose(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	t := table()
	out := make([]rune, 0, len(s)+8)
	for _, r := range s {
		switch parts, ok := t.parts[r]; {
		case ok:
			out = append(out, parts...)
		case r >= hangulFirst && r < hangulFirst+hangulCount:
			out = appendHangul(out, r-hangulFirst)
		default:
			out = append(out, r)
		}
	}
	// Marks that follow a letter are ordered by their class; those of one class keep their order.
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && t.classes[out[j]] != 0 {
			j++
		}
		if j > i+1 {
			slices.SortStableFunc(out[i:j], func(a, b rune) int { return int(t.classes[a]) - int(t.classes[b]) })
		}
		i = j + 1
	}
	return string(out)
}

// Syllables of Hangul decompose by arithmetic (Unicode, section 3.12).
const (
	hangulFirst = 0xAC00
	hangulCount = 11172
	vowels      = 21
	tails       = 28
)

func appendHangul(out []rune, index rune) []rune {
	out = append(out, 0x1100+index/(vowels*tails), 0x1161+index%(vowels*tails)/tails)
	if tail := index % tails; tail != 0 {
		out = append(out, 0x11A7+tail)
	}
	return out
}
