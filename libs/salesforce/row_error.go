package salesforce

import (
	"regexp"
	"strings"
)

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

var (
	rowErrorCode   = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	rowErrorFields = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*(?:\s*,\s*[A-Za-z][A-Za-z0-9_.]*)*$`)
)

// ParseRowError takes sf__Error apart. Its shape is CODE:message:fields -- or CODE:message:--, and a message may hold colons and line
// breaks itself: the code is what stands before the first colon, the fields what stands between the last colon and the two dashes. What does
// not have that shape is all message. Of several errors joined in one text the first gives the code, and all of them stay in the message.
func ParseRowError(sfError string) RowError {
	text := strings.TrimSpace(sfError)
	e := RowError{Message: text}
	head, rest, found := strings.Cut(text, ":")
	head = strings.TrimSpace(head)
	if !found || (!rowErrorCode.MatchString(head) && head != tooManyLockFailure) {
		if rowErrorCode.MatchString(text) {
			return RowError{Code: text} // a code and nothing else
		}
		return e
	}
	e.Code, e.Message = head, rest
	if body, dashed := strings.CutSuffix(rest, "--"); dashed {
		if strings.TrimSpace(body) == "" {
			e.Message = ""
		} else if i := strings.LastIndexByte(body, ':'); i >= 0 {
			names := strings.TrimSpace(body[i+1:])
			switch {
			case names == "":
				e.Message = body[:i]
			case rowErrorFields.MatchString(names):
				e.Message = body[:i]
				for name := range strings.SplitSeq(names, ",") {
					e.Fields = append(e.Fields, strings.TrimSpace(name))
				}
			}
		}
	}
	e.Message = strings.TrimSpace(e.Message)
	return e
}
