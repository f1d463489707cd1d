package fault

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []rule
	}{
		"reads nothing from empty text":          {"", nil},
		"ignores empty entries and spaces":       {" ; submitter.close.before_call = crash ;", []rule{{name: "submitter.close.before_call", kind: kindCrash}}},
		"reads the hit after the at sign":        {"a.b=crash@2", []rule{{name: "a.b", kind: kindCrash, hit: 2}}},
		"reads a delay with its unit":            {"a.b=delay:300ms", []rule{{name: "a.b", kind: kindDelay, delay: 300 * time.Millisecond}}},
		"reads several rules in their order":     {"a.b=error;a.c=delay:1s@3", []rule{{name: "a.b", kind: kindError}, {name: "a.c", kind: kindDelay, delay: time.Second, hit: 3}}},
		"reads several rules for the same place": {"a.b=delay:1s;a.b=crash", []rule{{name: "a.b", kind: kindDelay, delay: time.Second}, {name: "a.b", kind: kindCrash}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(c.text)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("parse(%q) = %+v, %v; want %+v", c.text, got, err, c.want)
			}
		})
	}
	for name, text := range map[string]string{
		"refuses a rule without an equals sign": "a.b",
		"refuses a name without a dot":          "ab=crash",
		"refuses an unknown action":             "a.b=explode",
		"refuses a delay without a duration":    "a.b=delay",
		"refuses a delay of zero":               "a.b=delay:0s",
		"refuses a crash with a value":          "a.b=crash:1s",
		"refuses hit zero":                      "a.b=crash@0",
		"refuses a hit that is no number":       "a.b=crash@x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(text); err == nil || !strings.Contains(err.Error(), text) {
				t.Fatalf("parse(%q) gave %v; want an error that quotes the rule", text, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a.b=crash@2;c.d=delay:300ms")
	f.Add("a.b=error;;=;@:")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parse(text)
		if err != nil && len(rules) > 0 {
			t.Fatalf("parse(%q) gave both rules and an error", text)
		}
		for _, r := range rules {
			if r.name == "" || r.kind == "" || r.hit < 0 || (r.kind == kindDelay) != (r.delay > 0) {
				t.Fatalf("parse(%q) gave the impossible rule %+v", text, r)
			}
		}
	})
}
