package salesforce

import (
	"reflect"
	"strings"
	"testing"
)

func TestARowErrorIsTakenApart(t *testing.T) {
	for _, test := range []struct {
		name, text, code, message string
		fields                    []string
	}{
		{"with a field", "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --", "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", []string{"Name"}},
		{"with several fields", "REQUIRED_FIELD_MISSING:Required fields are missing: [A, B]:A,B --", "REQUIRED_FIELD_MISSING", "Required fields are missing: [A, B]", []string{"A", "B"}},
		{"with a parent's field", "X_Y:m:Account.Ext__c, B --", "X_Y", "m", []string{"Account.Ext__c", "B"}},
		{"without fields", "ENTITY_IS_DELETED:entity is deleted:--", "ENTITY_IS_DELETED", "entity is deleted", nil},
		{"with colons in its message", "DUPLICATE_VALUE:Duplicate external id specified: 123:Ext__c --", "DUPLICATE_VALUE", "Duplicate external id specified: 123", []string{"Ext__c"}},
		{"with a colon before the field", "INVALID_FIELD:Failed to deserialize field at col 3. Due to, 'x' is not a valid value for the type xsd:date:CloseDate --", "INVALID_FIELD", "Failed to deserialize field at col 3. Due to, 'x' is not a valid value for the type xsd:date", []string{"CloseDate"}},
		{"with an id in its message", "DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 006Ov000001:--", "DUPLICATE_VALUE", "duplicate value found: Ext__c duplicates value on record with id: 006Ov000001", nil},
		{"with line breaks", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: BeforeInsert\n\ncaused by: x:--", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: BeforeInsert\n\ncaused by: x", nil},
		{"whose text ends in words, not fields", "FIELD_CUSTOM_VALIDATION_EXCEPTION:Hint: call the desk! --", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Hint: call the desk! --", nil},
		{"without the dashes", "STRING_TOO_LONG:Name: data value too large", "STRING_TOO_LONG", "Name: data value too large", nil},
		{"that is only a code", "APEX_ERROR", "APEX_ERROR", "", nil},
		{"that is a code and dashes", "APEX_ERROR:--", "APEX_ERROR", "", nil},
		{"that begins with no code", "Sorry: this failed:Name --", "", "Sorry: this failed:Name --", nil},
		{"that begins with a word in lower case", "error:m:--", "", "error:m:--", nil},
		{"of the lock counter, which has its own shape", "TooManyLockFailure : Too many lock failure 200 Trying again later.", "TooManyLockFailure", "Too many lock failure 200 Trying again later.", nil},
		{"that is empty", "", "", "", nil},
		{"that is only white space", " \n", "", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ParseRowError(test.text)
			want := RowError{Code: test.code, Message: test.message, Fields: test.fields}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+q\nwant %+q", got, want)
			}
		})
	}
}

func FuzzParseRowError(f *testing.F) {
	for _, seed := range []string{
		"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --", "A_B:--", "A_B:::--", ":", "--", "X:\xff:--", "AB:,:, --",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := ParseRowError(text)
		if !strings.Contains(text, e.Code) || !strings.Contains(text, e.Message) {
			t.Fatalf("%q: parsed to what it does not hold: %+q", text, e)
		}
		if e.Code == "" && e.Message != strings.TrimSpace(text) {
			t.Fatalf("%q: without a code the whole text is the message, got %q", text, e.Message)
		}
		for _, field := range e.Fields {
			if !strings.Contains(text, field) || field == "" {
				t.Fatalf("%q: field %q", text, field)
			}
		}
		if rule := BuiltInClasses().Lookup(e); !rule.Class.Known() {
			t.Fatalf("%q: class %q is none", text, rule.Class)
		}
	})
}
