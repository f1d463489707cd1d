package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

const orgWithClasses = `kind: Org
name: main
loginUrl: https://example.my.salesforce.com
auth: client_credentials
clientId: key
clientSecretFile: /run/secrets/main
classes:
  - {code: FIELD_CUSTOM_VALIDATION_EXCEPTION, contains: being recalculated, class: transient, tries: 3, remedy: wait for the night}
  - code: HOUSE_RULE
    class: code
  - {prefix: Blocked by the firewall, class: permission}
  - {code: none, contains: "1", class: data}
`

func TestOrgClasses(t *testing.T) {
	t.Run("are read in their order", func(t *testing.T) {
		o, err := pipeline.ParseOrg([]byte(orgWithClasses))
		if err != nil {
			t.Fatal(err)
		}
		if want := []record.ClassRule{
			{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Contains: "being recalculated", Class: record.ClassTransient, Tries: 3, Remedy: "wait for the night"},
			{Code: "HOUSE_RULE", Class: record.ClassCode},
			{Prefix: "Blocked by the firewall", Class: record.ClassPermission},
			{Code: record.NoCode, Contains: "1", Class: record.ClassData},
		}; !slices.Equal(o.Classes, want) {
			t.Errorf("%+v", o.Classes)
		}
	})
	t.Run("may be left out", func(t *testing.T) {
		head, _, _ := strings.Cut(orgWithClasses, "classes:")
		if o, err := pipeline.ParseOrg([]byte(head)); err != nil || o.Classes != nil {
			t.Errorf("%+v, %v", o, err)
		}
	})
	var many strings.Builder
	for n := range 501 {
		fmt.Fprintf(&many, "{code: CODE_%d, class: data}\n  - ", n)
	}
	many.WriteString("{code: CODE, class: data}")
	last := `{code: none, contains: "1", class: data}`
	for _, c := range []struct {
		name, old, new string
		line           int
		says           string
	}{
		{"a word that is no class", last, "{code: A_B, class: transitory}", 12, `"transitory" is not one of transient, contention`},
		{"a class for letters nobody can file", last, "{code: A_B, class: unresolved}", 12, "is not one of"},
		{"a rule without a class", last, "{code: A_B}", 12, "class is missing"},
		{"a rule about everything", last, "{class: data}", 12, "neither code nor text"},
		{"an unknown key", last, "{code: A_B, klass: data, class: data}", 12, `did you mean "class"`},
		{"a key twice", last, "{code: A_B, class: data, class: code}", 12, "already defined"},
		{"a text that may be a number", last, "{code: A_B, contains: 12, class: data}", 12, "write it in quotes"},
		{"a blank text", last, `{code: A_B, contains: "", class: data}`, 12, "leave the key out"},
		{"tries without end", last, "{code: A_B, class: transient, tries: 100}", 12, "between 2 and 20"},
		{"tries in words", last, "{code: A_B, class: transient, tries: three}", 12, "plain digits"},
		{"tries of what is dead at once", last, "{code: A_B, class: data, tries: 3}", 12, "tries says nothing"},
		{"a code that is none", last, "{code: house rule, class: data}", 12, "no status code"},
		{"a lock that is none", last, "{contains: UNABLE_TO_LOCK_ROW, class: data}", 12, "always contention"},
		{"a rule behind one about the same code", last, "{code: HOUSE_RULE, contains: x, class: data}", 12, "the one on line 9"},
		{"a rule behind one about a part of its text", last, "{code: A_B, prefix: Blocked by the firewall of, class: data}", 12, "the one on line 11"},
		{"an entry that is no rule", last, "HOUSE_RULE", 12, "must be a mapping"},
		{"classes that are no list", "classes:\n  - ", "classes: {a: b}\nfoo:\n  - ", 7, "must be a list"},
		{"classes without a value", orgWithClasses[strings.Index(orgWithClasses, "classes:"):], "classes:\n", 7, "has no value"},
		{"more rules than there are codes", last, many.String(), 7, "505 rules, at most 500"},
	} {
		t.Run(c.name+" is refused with its line", func(t *testing.T) {
			_, err := pipeline.ParseOrg([]byte(strings.Replace(orgWithClasses, c.old, c.new, 1)))
			var at *pipeline.Error
			if !errors.As(err, &at) || at.Line != c.line && c.line != 7 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}
