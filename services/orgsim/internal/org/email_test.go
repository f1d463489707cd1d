package org

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// emailForm is what validEmail promises to decide.
var emailForm = regexp.MustCompile("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\\.[A-Za-z]{2,}$")

func TestEmailAddressesAreCheckedAsThePatternSays(t *testing.T) {
	for _, v := range []string{
		"a@b.example", "a.b+c@d-e.f.example", "", "@", "a@", "@b.example", "a@b", "a@b.c", "a@.example", "a@b..example", "a@-b.example",
		"a@b-.example", "a@b.example1", "a@b.example ", "a b@c.example", "a@b@c.example", "ä@b.example", "a@ä.example", "a@b.dé",
		"a@b.example\n", ".@b.example", "a@b.-.example", "a@.", "a@..example", "a@1.example", "a@[.example",
	} {
		if got, want := validEmail(v), emailForm.MatchString(v); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.StringOf(rapid.SampledFrom([]rune("aZ0.-@`{[é\n"))).Draw(t, "v")
		if got, want := validEmail(v), emailForm.MatchString(v); got != want {
			t.Fatalf("%q: %v, want %v", v, got, want)
		}
	})
}
