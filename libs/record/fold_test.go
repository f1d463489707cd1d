package record

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write decompositions.txt from golang.org/x/text/unicode/norm")

// writeDecompositions makes the embedded table.
func writeDecompositions(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= hangulFirst && r < hangulFirst+hangulCount || r >= 0xD800 && r < 0xE000 {
			continue
		}
		if d := norm.NFD.String(string(r)); d != string(r) {
			fmt.Fprintf(&b, "%X=", r)
			for i, part := range []rune(d) {
				if i > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, "%X", part)
			}
			b.WriteByte('\n')
		}
	}
	class := func(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }
	for r := rune(0); r <= unicode.MaxRune; r++ {
		c := class(r)
		if c == 0 || norm.NFD.String(string(r)) != string(r) {
			continue
		}
		first := r
		for r < unicode.MaxRune && class(r+1) == c && norm.NFD.String(string(r+1)) == string(r+1) {
			r++
		}
		fmt.Fprintf(&b, "%X-%X:%d\n", first, r, c)
	}
	if err := os.WriteFile("decompositions.txt", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDecompose(t *testing.T) {
	if *update {
		writeDecompositions(t)
		t.Log("decompositions.txt is written: run the test again")
		return
	}
	t.Run("every character decomposes as in x/text", func(t *testing.T) {
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if want := norm.NFD.String(string(r)); decompose(string(r)) != want {
				t.Fatalf("%U: got %+q, want %+q (run with -update)", r, decompose(string(r)), want)
			}
		}
	})
	t.Run("marks are ordered as in x/text", func(t *testing.T) {
		marks := []rune("aeé한각\u0301\u0323\u0327\u0302\u093C\u05B0\u3099ḍ̇")
		rapid.Check(t, func(t *rapid.T) {
			s := string(rapid.SliceOfN(rapid.SampledFrom(marks), 0, 12).Draw(t, "runes"))
			if want := norm.NFD.String(s); decompose(s) != want {
				t.Fatalf("%+q: got %+q, want %+q", s, decompose(s), want)
			}
		})
	})
}

func TestFoldKey(t *testing.T) {
	same := [][]string{
		{"ABC", "abc", "aBc"},
		{"caf\u00e9", "cafe\u0301", "CAF\u00c9", "CAFE\u0301"},
		{" a", "a ", "\ta\u00a0", "a"},
		{"한", "한"},
		{"a b", "A B"},
	}
	for _, group := range same {
		for _, s := range group[1:] {
			if FoldKey(s) != FoldKey(group[0]) {
				t.Errorf("%+q and %+q must be one entity: %+q, %+q", s, group[0], FoldKey(s), FoldKey(group[0]))
			}
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"a b", "ab"}, {"a", "á"}, {"1", "1.0"}, {"a-b", "a_b"}, {"o", "ø"}} {
		if FoldKey(pair[0]) == FoldKey(pair[1]) {
			t.Errorf("%q and %q must be two entities", pair[0], pair[1])
		}
	}
	t.Run("folding a folded value changes nothing", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			once := FoldKey(rapid.String().Draw(t, "value"))
			if twice := FoldKey(once); twice != once {
				t.Fatalf("%+q folds to %+q", once, twice)
			}
		})
	})
	t.Run("blank values fold to nothing", func(t *testing.T) {
		for _, s := range []string{"", " ", "\t\u00a0\u2003"} {
			if got := FoldKey(s); got != "" {
				t.Errorf("%+q folds to %+q", s, got)
			}
		}
	})
	t.Run("bytes that are no text do not panic", func(t *testing.T) {
		if got := FoldKey("\xff\xfeA"); !strings.Contains(got, "a") {
			t.Errorf("got %+q", got)
		}
	})
}
