package record_test

import (
	"testing"
	"unicode/utf8"

	"bulkhead/libs/record"
)

func TestStorable(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		n    int
		want string
	}{
		"a plain text stays":                         {"plain", 10, "plain"},
		"a zero byte and bad UTF-8 are replaced":     {"a\x00b\xff", 20, "a\uFFFDb\uFFFD"},
		"a cut never goes through a character":       {"aé", 2, "a"},
		"a text of the very length is not cut":       {"aé", 3, "aé"},
		"nothing is left when nothing may be":        {"é", 0, ""},
		"what a replacement makes longer is cut too": {"\xff\xff", 3, "\uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			got := record.Storable(c.in, c.n)
			if got != c.want || !utf8.ValidString(got) || len(got) > c.n {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
