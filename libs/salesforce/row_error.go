package salesforce

import "strings"

// RowError is the text of a refused row (sf__Error), taken apart.
type RowError struct {
	// Code is Salesforce's status code, such as REQUIRED_FIELD_MISSING; empty if the text begins with none.
	Code string
	// Message is the text without code and fields, whole and unaltered: it may hold values of the row, line breaks and any language.
	Message string
	// Fields are the API names of the fields to blame, if the text names any.
	Fields []string
}

const tooManyLockFailure = "TooManyLockFailure"

// ParseRowError takes sf__Error apart. Its shape is CODE:message:fields -- or CODE:message:--, and a message may hold colons and line
// breaks itself: the code is what stands before the first colon, the fields what stands between the last colon and the two dashes. What does
// not have that shape is all message. Of several errors joined in one text the first gives the code, and all of them stay in the message.
func ParseRowError(sfError string) RowError {
	text := strings.TrimSpace(sfError)
	head, rest, found := strings.Cut(text, ":")
	head = strings.TrimSpace(head)
	if !found || (!isStatusCode(head) && head != tooManyLockFailure) {
		if isStatusCode(text) {
			return RowError{Code: text} // a code and nothing else
		}
		return RowError{Message: text}
	}
	e := RowError{Code: head, Message: rest}
	if body, dashed := strings.CutSuffix(rest, "--"); dashed {
		if strings.TrimSpace(body) == "" {
			e.Message = ""
		} else if i := strings.LastIndexByte(body, ':'); i >= 0 {
			if fields, ok := fieldNames(strings.TrimSpace(body[i+1:])); ok {
				e.Message, e.Fields = body[:i], fields
			}
		}
	}
	e.Message = strings.TrimSpace(e.Message)
	return e
}

// isStatusCode says whether s looks as Salesforce's status codes do: capitals, digits and low lines.
func isStatusCode(s string) bool {
	if len(s) < 2 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// fieldNames reads API names with commas between them; none is a list too. ok is false for words that are no names.
func fieldNames(s string) (names []string, ok bool) {
	if s == "" {
		return nil, true
	}
	for name := range strings.SplitSeq(s, ",") {
		name = strings.Trim(name, " \t\r\n\f")
		if !isFieldName(name) {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

// isFieldName says whether s may be a field's API name, or a parent's field by way of a relationship.
func isFieldName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '_' && c != '.') {
			return false
		}
	}
	return s != ""
}

// ExistingIDs are the ids of the records that stand in the way of a row, in their 18-character form, as far as its message names them: "duplicate
// value found: F duplicates value on record with id: 001…", and "more than one record found for external id field: [001…, 001…]". Of fields
// of Salesforce's own the message says <unknown> instead.
func (e RowError) ExistingIDs() []string {
	var list string
	switch e.Code {
	case "DUPLICATE_VALUE":
		_, list, _ = strings.Cut(e.Message, "record with id:")
	case "DUPLICATE_EXTERNAL_ID":
		_, list, _ = strings.Cut(e.Message, "[")
		list, _, _ = strings.Cut(list, "]")
	}
	var ids []string
	for text := range strings.SplitSeq(list, ",") {
		if id, err := ID18(strings.TrimSpace(text)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
