package record

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Codes of records that are refused before Salesforce. Their class is [ClassData], their stage [StageExtract].
const (
	CodeNotJSON           = "NOT_JSON"
	CodeNotAnObject       = "NOT_AN_OBJECT"
	CodeBadUTF8           = "BAD_UTF8"
	CodeNULCharacter      = "NUL_CHARACTER"
	CodeUnknownMember     = "UNKNOWN_MEMBER"
	CodeWrongType         = "WRONG_TYPE"
	CodeMissingKey        = "MISSING_KEY"
	CodeMissingExternalID = "MISSING_EXTERNAL_ID"
	CodeEmptyObject       = "EMPTY_OBJECT"
	CodeTooLarge          = "TOO_LARGE"
	CodeUnrepresentable   = "UNREPRESENTABLE"
	CodeKeyReused         = "KEY_REUSED"
	CodeVersionConflict   = "VERSION_CONFLICT"
	CodeFrameUnreadable   = "FRAME_UNREADABLE"
)

// RefusalCodes returns every code with which a record can be refused before Salesforce. The caller owns the slice.
func RefusalCodes() []string {
	return []string{
		CodeNotJSON, CodeNotAnObject, CodeBadUTF8, CodeNULCharacter, CodeUnknownMember, CodeWrongType, CodeMissingKey,
		CodeMissingExternalID, CodeEmptyObject, CodeTooLarge, CodeUnrepresentable, CodeKeyReused, CodeVersionConflict, CodeFrameUnreadable,
	}
}

// Refusal says why a record is a dead letter before Salesforce saw it.
type Refusal struct {
	// Code is one of [RefusalCodes]; Message says place and remedy in words.
	Code, Message string
	// Fields are the members (or columns) at fault, if any.
	Fields []string
	// Key is the record's idempotency key and Entity its external id, where they could be read all the same; "" = not.
	Key, Entity string
	// Content names what the record says: by its canonical body, or by its raw bytes where it has none.
	Content Hash
}

// Error makes a Refusal usable as an error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// MaxKeyBytes bounds keys and external id values: they stand in every row and in a header of the letter. (A text field that is an
// external id holds at most 255 characters.)
const MaxKeyBytes = 1024

// CheckKey refuses a text that can be no idempotency key and no external id: above [MaxKeyBytes], not UTF-8, or with a control character,
// which would not survive a header line and which Salesforce does not keep as it is. what names the text in the message. nil = fine.
func CheckKey(what, s string) *Refusal {
	if len(s) > MaxKeyBytes {
		return &Refusal{Code: CodeTooLarge, Message: fmt.Sprintf("%s has %d bytes, at most %d are allowed", what, len(s), MaxKeyBytes)}
	}
	if isPrintable(s) {
		return nil
	}
	if !utf8.ValidString(s) {
		return &Refusal{Code: CodeBadUTF8, Message: what + " is not valid UTF-8"}
	}
	for _, r := range s {
		if r == 0 {
			return &Refusal{Code: CodeNULCharacter, Message: what + " holds the character U+0000, which no column can store"}
		}
		if unicode.IsControl(r) {
			return &Refusal{
				Code:    CodeUnrepresentable,
				Message: fmt.Sprintf("%s holds the control character %U, which does not come back from Salesforce unchanged", what, r),
			}
		}
	}
	return nil
}

// isPrintable says that s holds nothing but printable characters of ASCII, as nearly every key does.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
