package org

import (
	"regexp"
	"strconv"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNumbersAreThoseOfTheirPattern(t *testing.T) {
	pattern := regexp.MustCompile(`^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$`)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[-+0-9.eE]{0,9}`), rapid.StringMatching(pattern.String()), rapid.String()).Draw(rt, "text")
		if got, want := validNumber(text), pattern.MatchString(text); got != want {
			rt.Fatalf("%q is a number: %v, want %v", text, got, want)
		}
	})
}

// FuzzParse checks that no text of a cell breaks anything, and that what is stored reads as itself.
func FuzzParse(f *testing.F) {
	var fields []*Field
	for _, typ := range []FieldType{
		TypeString, TypeTextArea, TypeEmail, TypePhone, TypeURL, TypePicklist, TypeBoolean, TypeInt, TypeDouble, TypeCurrency, TypePercent,
		TypeDate, TypeDateTime,
	} {
		field := &Field{Name: "Field__c", Type: typ, Length: 20, Precision: 8, Scale: 2, Values: []string{"a"}, Restricted: typ == TypePicklist}
		if err := field.check(); err != nil {
			f.Fatal(err)
		}
		fields = append(fields, field)
	}
	for _, text := range []string{
		"a", "true", "1", "-0", "007", "+1.5e2", "1e999", "2026-01-02", "0000-01-01", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+01:30",
		"a@b.example", " ", "\x00", "\xff", "ä", "#N/A",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		for _, field := range fields {
			stored, problem := field.parse(text, 0)
			if problem != nil {
				if problem.Code == "" || ParseRowError(problem.Error()).Code != problem.Code {
					t.Fatalf("a %s refuses %q with %q", field.Type, text, problem.Error())
				}
				continue
			}
			if !utf8.ValidString(stored) || stored == "" {
				t.Fatalf("a %s stores %q as %q", field.Type, text, stored)
			}
			if again, problem := field.parse(stored, 0); problem != nil || again != stored {
				t.Fatalf("a %s stores %q as %q, and that as %q, %s", field.Type, text, stored, again, strconv.Quote(problem.Error()))
			}
		}
	})
}

// FuzzReadModel checks that no model breaks anything: it is read, or refused with words.
func FuzzReadModel(f *testing.F) {
	for _, text := range []string{
		"", "objects:", "objects: [{name: A, keyPrefix: \"a00\", fields: [{name: B, type: string}]}]",
		"objects: [{name: A, keyPrefix: \"a00\", fields: [{name: B, type: reference, referenceTo: [A, User], relationshipName: R}]}]",
		"objects: [{name: A, keyPrefix: \"a00\", fields: [null], validations: [{refuse: \"1 < 2\", message: x}], triggers: [{}], duplicateRules: [{}]}]",
		"objects: [{name: A, keyPrefix: \"a00\", fields: [{name: B, type: int, default: 1, values: []}], locked: \"old.B > 1.0\"}]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2_000 {
			return // the file is an operator's own; what is bounded here is the time of this test
		}
		m, err := ReadModel([]byte(text))
		if (m == nil) == (err == nil) {
			t.Fatalf("got %v and %v", m, err)
		}
	})
}
