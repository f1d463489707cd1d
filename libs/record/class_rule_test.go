package record_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

func TestClassRule(t *testing.T) {
	for _, c := range []struct {
		name    string
		rule    record.ClassRule
		problem string
	}{
		{"a code", record.ClassRule{Code: "STRING_TOO_LONG", Class: record.ClassData}, ""},
		{"the code that is not written in capitals", record.ClassRule{Code: "TooManyLockFailure", Class: record.ClassContention}, ""},
		{"a text without a code", record.ClassRule{Code: record.NoCode, Contains: "x", Class: record.ClassCode}, ""},
		{"a text of any code", record.ClassRule{Prefix: "Blocked by", Class: record.ClassCode}, ""},
		{"fewer tries", record.ClassRule{Code: "A_B", Class: record.ClassTransient, Tries: 3}, ""},
		{"nothing at all", record.ClassRule{Class: record.ClassData}, "neither code nor text"},
		{"a code in small letters", record.ClassRule{Code: "string_too_long", Class: record.ClassData}, "no status code"},
		{"a sentence for a code", record.ClassRule{Code: "String is too long", Class: record.ClassData}, "no status code"},
		{"two texts", record.ClassRule{Contains: "a", Prefix: "b", Class: record.ClassData}, "one of them"},
		{"no class", record.ClassRule{Code: "A_B"}, "not one of auth, code"},
		{"a word that is no class", record.ClassRule{Code: "A_B", Class: "unresolved"}, "not one of"},
		{"one try", record.ClassRule{Code: "A_B", Class: record.ClassTransient, Tries: 1}, "between 2 and 20"},
		{"many tries", record.ClassRule{Code: "A_B", Class: record.ClassTransient, Tries: 21}, "between 2 and 20"},
		{"tries below nothing", record.ClassRule{Code: "A_B", Class: record.ClassTransient, Tries: -1}, "between 2 and 20"},
		{"tries of what is dead at once", record.ClassRule{Code: "A_B", Class: record.ClassData, Tries: 3}, "tries says nothing"},
		{"tries of what counts none", record.ClassRule{Code: "A_B", Class: record.ClassQuota, Tries: 3}, "tries says nothing"},
		{"a blank text", record.ClassRule{Code: "A_B", Contains: " \t", Class: record.ClassData}, "blank"},
		{"a text of a novel", record.ClassRule{Contains: strings.Repeat("x", 301), Class: record.ClassData}, "301 bytes"},
		{"bytes that are no text", record.ClassRule{Contains: "\xff", Class: record.ClassData}, "UTF-8"},
		{"a lock", record.ClassRule{Contains: "error: UNABLE_TO_LOCK_ROW", Class: record.ClassData}, "always contention"},
		{"the code of a lock", record.ClassRule{Code: "UNABLE_TO_LOCK_ROW", Class: record.ClassData}, "always contention"},
		{"a beginning that no message has", record.ClassRule{Prefix: " x", Class: record.ClassData}, "without blanks"},
	} {
		t.Run(c.name+map[bool]string{true: " is a rule", false: " is none"}[c.problem == ""], func(t *testing.T) {
			if got := c.rule.Problem(); (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
				t.Errorf("%q", got)
			}
		})
	}
	rule := rapid.Custom(func(t *rapid.T) record.ClassRule {
		r := record.ClassRule{Code: rapid.SampledFrom([]string{"", "A_A", "B_B", record.NoCode}).Draw(t, "code"), Class: record.ClassData}
		text := rapid.StringMatching(`[xy]{0,3}`).Draw(t, "text")
		if rapid.Bool().Draw(t, "prefix") {
			r.Prefix = text
		} else {
			r.Contains = text
		}
		return r
	})
	t.Run("what a rule hides, it matches itself", rapid.MakeCheck(func(t *rapid.T) {
		first, later := rule.Draw(t, "first"), rule.Draw(t, "later")
		code, message := rapid.SampledFrom([]string{"", "A_A", "B_B", "C_C"}).Draw(t, "its code"), rapid.StringMatching(`[xyz]{0,5}`).Draw(t, "its text")
		if first.Hides(later) && later.Matches(code, message) && !first.Matches(code, message) {
			t.Fatalf("%+v does not match %q %q, which %+v matches", first, code, message, later)
		}
	}))
	t.Run("a rule hides itself", rapid.MakeCheck(func(t *rapid.T) {
		if r := rule.Draw(t, "rule"); !r.Hides(r) {
			t.Fatalf("%+v", r)
		}
	}))
}
