package page

import "testing"

func TestEveryCharacterOfAValueIsSeen(t *testing.T) {
	for text, want := range map[string]string{
		"plain é ⛄\n\tmore":  "plain é ⛄\n\tmore",
		"a\x00b\x1fc\x7fd\r": "a␀b␟c␡d␍",
		"\u0085next line":    "\uFFFDnext line",
		"abc\u202ecba\u2066": "abc\uFFFDcba\uFFFD",
		"not UTF-8: \xff":    "not UTF-8: \uFFFD",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
