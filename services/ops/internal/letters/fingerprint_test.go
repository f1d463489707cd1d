package letters

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"cuts out quoted values", `Email: invalid email address: "a b@x"`, "Email: invalid email address: …"},
		{"cuts out unquoted addresses", "invalid email address: not@an@address", "invalid email address: …"},
		{"cuts out an address that is none", "Email: invalid email address: nobody at home", "Email: invalid email address: …"},
		{"cuts out keys of parents", "Foreign key external ID: acme west not found for field External_Id__c in entity Account", "Foreign key external ID: … not found for field External_Id__c in entity Account"},
		{"cuts out half an address", "b@ is no address", "… is no address"},
		{"cuts out keys with digits", "row acc-77/x failed", "row … failed"},
		{"cuts out Salesforce ids", "duplicate value found: Loyalty_Number__c duplicates value on record with id: 003xx000004TmiAAAS", "duplicate value found: Loyalty_Number__c duplicates value on record with id: …"},
		{"cuts out 15 digit ids", "id: 0015f00000Abc12", "id: …"},
		{"cuts out numbers", "value too long: 81 of 80", "value too long: … of …"},
		{"cuts out UUIDs", "letter 0190b1b0-7d3e-7c1c-8f5c-1d2e3f405060 was", "letter … was"},
		{"keeps words with an apostrophe", "can't change the owner", "can't change the owner"},
		{"cuts out single quotes", "bad value for restricted picklist field: 'Purple'", "bad value for restricted picklist field: …"},
		{"keeps custom field names", "Required fields are missing: [LastName, Region__c]", "Required fields are missing: [LastName, Region__c]"},
		{"joins neighbouring holes", `from "a" "b" 12`, "from …"},
		{"folds white space", "a\n\t b", "a b"},
		{"is empty for an empty message", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Template(c.message); got != c.want {
				t.Errorf("Template(%q) = %q, want %q", c.message, got, c.want)
			}
		})
	}
}

func TestTemplateProperties(t *testing.T) {
	t.Run("never fails, never grows beyond its bound, and gives itself again", rapid.MakeCheck(func(t *rapid.T) {
		message := rapid.OneOf(rapid.String(), rapid.StringN(0, 3000, 8000), rapid.StringMatching(`[a-z0-9"'@…: .]{0,80}`)).Draw(t, "message")
		template := Template(message)
		if len(template) > maxTemplate || !utf8.ValidString(template) {
			t.Fatalf("template of %d bytes, valid %t", len(template), utf8.ValidString(template))
		}
	}))
	t.Run("is the same whatever value stands in it", rapid.MakeCheck(func(t *rapid.T) {
		value := rapid.OneOf(rapid.StringMatching(`"[a-zA-Z @.]{0,20}"`), rapid.StringMatching(`[0-9]{1,12}`), rapid.StringMatching(`[a-z]{1,8}@[a-z]{1,8}\.com`)).Draw(t, "value")
		if got := Template("value refused: " + value + " in Email"); got != "value refused: … in Email" {
			t.Fatalf("Template with %s = %q", value, got)
		}
	}))
}

func TestFingerprint(t *testing.T) {
	base := Fingerprint("contacts", "reconcile", "data", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `invalid email address: "x"`)
	t.Run("groups letters that differ in their values only", func(t *testing.T) {
		if got := Fingerprint("contacts", "reconcile", "data", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `invalid email address: "y z"`); got != base {
			t.Errorf("%s and %s", got, base)
		}
	})
	t.Run("does not depend on the order of the fields", func(t *testing.T) {
		a := Fingerprint("p", "s", "c", "k", []string{"A", "B"}, "m")
		if b := Fingerprint("p", "s", "c", "k", []string{"B", "A"}, "m"); a != b {
			t.Errorf("%s and %s", a, b)
		}
	})
	t.Run("parts pipelines, stages, classes, codes, fields and messages", func(t *testing.T) {
		seen := map[string]bool{base: true}
		for _, f := range []string{
			Fingerprint("accounts", "reconcile", "data", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `invalid email address: "x"`),
			Fingerprint("contacts", "retry", "data", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `invalid email address: "x"`),
			Fingerprint("contacts", "reconcile", "code", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `invalid email address: "x"`),
			Fingerprint("contacts", "reconcile", "data", "OTHER", []string{"Email"}, `invalid email address: "x"`),
			Fingerprint("contacts", "reconcile", "data", "INVALID_EMAIL_ADDRESS", []string{"Email", "Name"}, `invalid email address: "x"`),
			Fingerprint("contacts", "reconcile", "data", "INVALID_EMAIL_ADDRESS", []string{"Email"}, `another text: "x"`),
		} {
			if seen[f] || len(f) != 16 || strings.ToLower(f) != f {
				t.Errorf("fingerprint %q", f)
			}
			seen[f] = true
		}
	})
}
