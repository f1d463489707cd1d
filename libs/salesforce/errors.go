package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bulkhead/libs/record"
)

// ErrUploadUnsure wraps every failure of [Client.Upload] after the request began: the job may hold all, part or none of the
// content, and it takes no second upload. Leave the job, create a new one.
var ErrUploadUnsure = errors.New("upload without a clean answer, leave this job and create a new one")

// ErrTruncated says that a result file ended where no record ends, or before its announced length. Read it again from its start.
var ErrTruncated = errors.New("result file is cut off, read it again from its start")

// ErrMalformed says that a result file is not the CSV it should be: a column of Salesforce missing or doubled, a row with another number of cells,
// invalid UTF-8, a NUL. Read it again from its start; if it stays so, it needs a person.
var ErrMalformed = errors.New("result file is not well formed")

// ErrUnreadableRows wraps what makes rows of a result file unreadable although its header was good: ErrMalformed, or ErrTooLarge. Read it again from
// its start; if it stays so, the file tells nothing of any row.
var ErrUnreadableRows = errors.New("rows of the result file cannot be read")

// ErrTooLarge says that a reply or upload exceeds its bound (the Max… constants).
var ErrTooLarge = errors.New("larger than its bound")

// Error is an answer that is not the success asked for. Without a parsed Salesforce error (an HTML page of the edge, a reply that is
// no JSON) Code is empty.
type Error struct {
	// Status is the HTTP status; it can be 200 when the body was an error or unreadable, and 0 when a login had no secret or key to send.
	Status int
	// Code is Salesforce's errorCode, or OAuth's error for a login. Message is its text, made safe for one line and cut.
	Code, Message string
	// Fields are the fields named by the error, if any.
	Fields []string
	// Endpoint is method and path below the version, without the query part.
	Endpoint string
	// Class says what must happen next.
	Class record.Class
	// HTML says that a page came instead of a reply of the API.
	HTML bool

	retryAfter time.Duration
}

// Error says where, what and, where it is known, the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "salesforce %s:", e.Endpoint)
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if r := remedy(e); r != "" {
		b.WriteString(" (" + r + ")")
	}
	return b.String()
}

// TransportError is a call that got no answer: no connection, a reset, a timeout, a bad certificate. Its effect is unknown.
type TransportError struct {
	// Endpoint is method and path below the version, without the query part.
	Endpoint string
	// Err is the cause, without the URL.
	Err error
}

// Error says where and why.
func (e *TransportError) Error() string {
	// net/http repeats what it cannot read, which may be as long as a header may be.
	return fmt.Sprintf("salesforce %s: no answer: %s", e.Endpoint, clip(e.Err.Error(), maxMessageRunes))
}

// Unwrap gives the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// RequestError is a call that was refused here, before anything was sent.
type RequestError struct {
	// Endpoint is the call, Problem what is wrong with its arguments.
	Endpoint, Problem string
}

// Error says what to change.
func (e *RequestError) Error() string {
	return fmt.Sprintf("salesforce %s: not sent: %s", e.Endpoint, e.Problem)
}

// OrgMismatchError says that the credentials lead to another org than the pinned (or first seen) one. Nothing was sent there but
// the login.
type OrgMismatchError struct {
	// Want is the pinned org's id, Got that of the login reply; 18 characters each.
	Want, Got string
}

// Error names both orgs and the remedy.
func (e *OrgMismatchError) Error() string {
	return fmt.Sprintf("salesforce login leads to org %s, but this is org %s: a refreshed sandbox or wrong credentials; correct them, or the pinned orgId", e.Got, e.Want)
}

// Definite says whether the call surely had no effect: the server answered with an error that it parsed (4xx and a Salesforce error
// code), or nothing was sent, be it because the org's circuit is open. False means that the effect is unknown: timeout, reset, 5xx, a page of the edge, an unreadable reply. A 404 is
// definite too, as "there is no such job": ask [IsNotFound] first where that matters.
func Definite(err error) bool {
	if _, ok := neverSent(err); ok {
		return true
	}
	if _, ok := errors.AsType[*RequestError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*NotSentError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*OrgMismatchError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.HTML || e.Code == "" || e.Status < 400 || e.Status > 499 {
		return false
	}
	switch e.Status {
	case http.StatusRequestTimeout, statusEdgeNoRoute, http.StatusTooManyRequests:
		return false
	}
	return !unsureCodes[e.Code]
}

// IsNotFound says whether the answer was that the resource does not exist (404 by Salesforce itself, not by the edge).
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusNotFound && e.Code != "" && !e.HTML
}

// IsJobState says whether the call was refused because the job is not in a state that allows it.
func IsJobState(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == "INVALIDJOBSTATE"
}

// IsAuth says whether the session or the credentials are refused, or lead to another org. A new login was already tried.
func IsAuth(err error) bool {
	if _, ok := errors.AsType[*OrgMismatchError](err); ok {
		return true
	}
	return ClassOf(err) == record.ClassAuth
}

// IsQuota says whether a limit of the org is used up: pause until usage falls.
func IsQuota(err error) bool { return ClassOf(err) == record.ClassQuota }

// IsUnreachable says whether Salesforce itself did not answer: a transport error or timeout, or an answer of the edge before it. A call
// that its caller cancelled is none; one that was held back after others that got no answer is.
func IsUnreachable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if open, ok := neverSent(err); ok {
		return open.Class == record.ClassTransient
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class == record.ClassAuth {
		return false // who refuses a session is there
	}
	switch e.Status {
	case statusEdgeNoRoute, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.HTML
}

// ClassOf is the class of a failed call: that of the [*Error] in err, auth for another org, transient for everything that got no answer,
// and unclassified for what was refused here or is no error of a call.
func ClassOf(err error) record.Class {
	if _, ok := errors.AsType[*OrgMismatchError](err); ok {
		return record.ClassAuth
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if open, ok := neverSent(err); ok {
		return open.Class
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return record.ClassTransient
	}
	if _, ok := errors.AsType[*NotSentError](err); ok || errors.Is(err, ErrTruncated) {
		return record.ClassTransient
	}
	return record.ClassUnclassified
}

// RetryAfterHint is how long the answer asked to wait (header Retry-After), between 1 s and 15 min, or how long an open circuit does; false without a
// usable hint. Salesforce's API sends none, its edge may.
func RetryAfterHint(err error) (time.Duration, bool) {
	if open, ok := errors.AsType[*CircuitOpenError](err); ok {
		return open.Wait, true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.retryAfter == 0 {
		return 0, false
	}
	return e.retryAfter, true
}
