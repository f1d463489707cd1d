package salesforce

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bulkhead/libs/record"
)

// statusEdgeNoRoute is Salesforce's edge saying that it has no route for the host.
const statusEdgeNoRoute = 420

// Bounds of a Retry-After: less is a storm, more would park an org because of one odd reply.
const (
	minRetryAfter = time.Second
	maxRetryAfter = 15 * time.Minute
)

// restrictedSession is the text of a 401 for which a new login does not help (an expired password gives such sessions), so that
// a login for each would never end.
const restrictedSession = "This session is not valid for use with the REST API"

// unsureCodes are answers after which the effect is unknown even with a 4xx status.
var unsureCodes = map[string]bool{
	"TIMEOUT": true, "UNKNOWN": true, "UNKNOWN_EXCEPTION": true, "INTERNALSERVERERROR": true, "INTERNAL_SERVER_ERROR": true,
	"SERVER_UNAVAILABLE": true, "SERVICE_UNAVAILABLE": true, "BAD_GATEWAY": true,
}

// requestClasses says what a failed call means, by error code. Bulk 2.0 writes its codes in capitals without separators. Codes that are not
// here are decided by the status in classifyRequest; those that mean a fault of our own request stay unclassified.
var requestClasses = map[string]record.Class{
	// Log in once more and repeat the call; the pipeline pauses if that does not help.
	"INVALID_SESSION_ID":  record.ClassAuth,
	"INVALIDSESSIONID":    record.ClassAuth,
	"SESSION_EXPIRED":     record.ClassAuth,
	"INVALID_AUTH_HEADER": record.ClassAuth,
	"INVALID_LOGIN":       record.ClassAuth,

	// Pause until usage falls. REQUEST_LIMIT_EXCEEDED is told apart by its text, see requestLimitClass.
	"EXCEEDEDQUOTA":          record.ClassQuota,
	"API_TASK_LIMIT_REACHED": record.ClassQuota,
	"TOO_MANY_JOBS":          record.ClassQuota,
	"LIMIT_EXCEEDED":         record.ClassQuota,
	"MAX_LIMIT_EXCEEDED":     record.ClassQuota,
	"STORAGE_LIMIT_EXCEEDED": record.ClassQuota,

	// The org or its edition does not let the integration user in, or not do this: an operator's matter. LOGIN_… is auth, see classifyRequest.
	"API_DISABLED_FOR_ORG":            record.ClassPermission,
	"API_CURRENTLY_DISABLED":          record.ClassPermission,
	"API_NOT_ENABLED":                 record.ClassPermission,
	"FUNCTIONALITY_NOT_ENABLED":       record.ClassPermission,
	"FEATURENOTENABLED":               record.ClassPermission, // Bulk API switched off, or hardDelete without its permission
	"INSUFFICIENT_ACCESS":             record.ClassPermission,
	"INSUFFICIENT_ACCESS_OR_READONLY": record.ClassPermission,
	"CLIENT_NOT_ACCESSIBLE_FOR_USER":  record.ClassPermission,
	"ORG_LOCKED":                      record.ClassPermission,
	"INVALIDUSER":                     record.ClassPermission, // another user's job
	// The job's definition does not fit the org: object, external id field, operation or column not there or not visible.
	"INVALIDJOB":       record.ClassPermission,
	"INVALIDOPERATION": record.ClassPermission,
	"INVALIDBATCH":     record.ClassPermission,
	"CLIENTINPUTERROR": record.ClassPermission,
	"INVALID_FIELD":    record.ClassPermission,
	"INVALID_TYPE":     record.ClassPermission,
	// The API version is retired.
	"UNSUPPORTED_API_VERSION": record.ClassPermission,
	"GONE":                    record.ClassPermission,

	// One external id, several records: a person must merge them.
	"MULTIPLE_CHOICES": record.ClassDuplicate,

	// Repeat what is safe to repeat; for the rest the effect is unknown, see unsureCodes.
	"TIMEOUT":                  record.ClassTransient,
	"UNKNOWN":                  record.ClassTransient,
	"UNKNOWN_EXCEPTION":        record.ClassTransient,
	"INTERNALSERVERERROR":      record.ClassTransient,
	"INTERNAL_SERVER_ERROR":    record.ClassTransient,
	"SERVER_UNAVAILABLE":       record.ClassTransient,
	"SERVICE_UNAVAILABLE":      record.ClassTransient,
	"BAD_GATEWAY":              record.ClassTransient,
	"QUERY_TIMEOUT":            record.ClassTransient,
	"REQUEST_RUNNING_TOO_LONG": record.ClassTransient,
	"INVALID_QUERY_LOCATOR":    record.ClassTransient, // begin the query anew
	// Another writer holds too much: later, with less at once.
	"TOOMANYLOCKFAILURE": record.ClassContention,
}

// classifyRequest is the class of an answer that is not a success.
func classifyRequest(status int, code, message string) record.Class {
	if code == codeRequestLimit {
		return requestLimitClass(message)
	}
	if class, ok := requestClasses[code]; ok {
		return class
	}
	switch {
	case strings.HasPrefix(code, "LOGIN_"):
		return record.ClassAuth
	case status == http.StatusMultipleChoices:
		return record.ClassDuplicate // a list of the records that share an external id, no redirect
	case status == http.StatusUnauthorized || status >= 300 && status < 400:
		// A redirect is the edge sending a browser to the login page: the session is not known there.
		return record.ClassAuth
	case status == http.StatusForbidden && code != "":
		return record.ClassPermission
	case status >= 500, status == statusEdgeNoRoute, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return record.ClassTransient
	case code == "":
		return record.ClassTransient // an unreadable reply or a page of the edge says nothing of the request
	}
	return record.ClassUnclassified
}

// codeRequestLimit is the code of two limits on calls.
const codeRequestLimit = "REQUEST_LIMIT_EXCEEDED"

// requestLimitClass tells the two limits apart that share REQUEST_LIMIT_EXCEEDED: "TotalRequests Limit exceeded." is the rolling
// 24 hours, "ConcurrentPerOrgLongTxn Limit exceeded." passes within seconds.
func requestLimitClass(message string) record.Class {
	if strings.Contains(message, "Concurrent") {
		return record.ClassTransient
	}
	return record.ClassQuota
}

// remedy is what a person can do, for the errors where that is known.
func remedy(e *Error) string {
	if text := loginRemedy(e.Code, e.Message); text != "" {
		return text
	}
	switch e.Code {
	case "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "API_NOT_ENABLED":
		return "enable the API for the org's edition and the integration user"
	case "INVALID_SESSION_ID":
		if strings.HasPrefix(e.Endpoint, http.MethodPut) {
			return "uploads are not repeated; the next job is sent with a new session"
		}
		return "a new login did not help: check the integration user's profile, login IP ranges and API access control"
	case "EXCEEDEDQUOTA", "REQUEST_LIMIT_EXCEEDED":
		return "wait until usage falls, limits count a rolling 24 hours"
	}
	switch {
	case e.Status == http.StatusGone:
		return "this API version is retired: raise apiVersion"
	case e.Status >= 300 && e.Status < 400:
		return "the session is not known there: check the login url"
	}
	return ""
}

// salesforceError is one member of the array that Salesforce answers errors with; OAuth's two members stand beside, because
// the token endpoint answers with one such object.
type salesforceError struct {
	ErrorCode        string          `json:"errorCode"`
	Message          string          `json:"message"`
	Fields           json.RawMessage `json:"fields"`
	OAuthError       string          `json:"error"`
	OAuthDescription string          `json:"error_description"`
}

// parseErrorBody reads the body of an error: Salesforce's array, a lone object of the same shape, or OAuth's object. ok is false
// when it is none of these. What it returns holds none of the secrets, though the body may repeat what was sent.
func parseErrorBody(body []byte, secrets ...string) (code, message string, fields []string, ok bool) {
	body = bytes.TrimSpace(body)
	var list []salesforceError
	if len(body) > 0 && body[0] == '{' {
		var one salesforceError
		if json.Unmarshal(body, &one) != nil {
			return "", "", nil, false
		}
		list = []salesforceError{one}
	} else if json.Unmarshal(body, &list) != nil {
		return "", "", nil, false
	}
	if len(list) == 0 {
		return "", "", nil, false
	}
	first := list[0]
	code, message = first.ErrorCode, first.Message
	if code == "" {
		code, message = first.OAuthError, first.OAuthDescription
	}
	if code == "" {
		return "", "", nil, false
	}
	if len(first.Fields) > 0 && json.Unmarshal(first.Fields, &fields) != nil {
		fields = nil // some replies hold null or a text; the message repeats the names
	}
	for i, f := range fields {
		fields[i] = clip(withoutSecrets(f, secrets), maxNameRunes)
	}
	if len(list) > 1 {
		message += " (and " + strconv.Itoa(len(list)-1) + " more errors)"
	}
	return clip(withoutSecrets(code, secrets), maxNameRunes), clip(withoutSecrets(message, secrets), maxMessageRunes), fields, true
}

// looksLikeHTML says whether a body is a page. Declared types are not to be trusted at the edge, so the first character decides.
func looksLikeHTML(body []byte) bool {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, utf8BOM))
	return len(body) > 0 && body[0] == '<'
}

// newError reads an answer that is not a success. It reads at most maxErrorBytes of the body and leaves closing to the caller.
func (c *Client) newError(endpoint string, resp *http.Response) *Error {
	// A body that breaks off still says something; what cannot be parsed is reported as such below.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	return c.errorFromBody(endpoint, resp, body)
}

// errorFromBody reads an answer that is not the success asked for. The token that was sent, and further secrets, do not get into the error.
func (c *Client) errorFromBody(endpoint string, resp *http.Response, body []byte, secrets ...string) *Error {
	status := resp.StatusCode
	e := &Error{Status: status, Endpoint: endpoint}
	var ok bool
	if e.Code, e.Message, e.Fields, ok = parseErrorBody(body, append(secrets, bearerOf(resp.Request))...); !ok {
		e.HTML = looksLikeHTML(body)
		switch {
		case e.HTML:
			e.Message = "a page came instead of a reply of the API"
		case status >= 300 && status < 400:
			e.Message = "a redirect came instead of a reply, it was not followed"
		case len(bytes.TrimSpace(body)) == 0:
			e.Message = "an empty reply"
		default:
			e.Message = "the reply is not the JSON expected"
		}
	}
	e.Class = classifyRequest(status, e.Code, e.Message)
	e.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), c.timeOf(resp.Header))
	return e
}

// bearerOf is the access token that a request carried, "" without one.
func bearerOf(hr *http.Request) string {
	if hr == nil {
		return ""
	}
	token, _ := strings.CutPrefix(hr.Header.Get("Authorization"), bearer)
	return token
}

// parseRetryAfter reads seconds or an HTTP date; 0 when there is none or it makes no sense.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		// Compared before the conversion, which would overflow for ten thousand years.
		if !(seconds > 0) {
			return minRetryAfter
		}
		if seconds >= maxRetryAfter.Seconds() {
			return maxRetryAfter
		}
		wait = time.Duration(seconds * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else {
		return 0
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}
