package bulk

import "fmt"

// Error is a refusal of the API.
type Error struct {
	Status  int // HTTP status
	Code    string
	Message string
	// HTML is the body to answer with instead of an error object; "" for nearly all.
	HTML string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, args ...any) error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrNotFound is the reply for a job that is not there, or not any more.
var ErrNotFound error = &Error{Status: 404, Code: "NOT_FOUND", Message: "The requested resource does not exist"}

func invalidValue(value, property string) error {
	return refuse(400, "API_ERROR", "Invalid value: '%s' supplied for property: '%s'", value, property)
}

func invalidState(format string, args ...any) error {
	return refuse(400, "INVALIDJOBSTATE", "InvalidJobState : "+format, args...)
}
