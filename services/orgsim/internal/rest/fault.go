package rest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/wake"
)

// serve answers under the faults that strike. early is an error from reading the request, told to callers who are let in.
func (ex *exchange) serve(reply *reply, hits []fault.Hit, early error) {
	var after []fault.Effect
	var refusal *fault.Effect // of a limit, once the caller is known
	for _, h := range hits {
		e := h.Effect
		switch {
		case e.Kind == fault.DropMid:
			_, _ = io.CopyN(io.Discard, ex.r.Body, e.Bytes)
			reply.dropAs(e)
			return
		case e.Kind == fault.DropBefore:
			reply.dropAs(e)
			return
		case e.Kind == fault.OrgDown:
			ex.faultStatus(down(e))
			return
		case e.Kind == fault.Quota:
			refusal = &e
		case e.When == "after":
			after = append(after, e)
			reply.apply(ex.r.Context(), e)
		case e.Kind == fault.ExpireToken:
			ex.endSession()
		case e.Kind == fault.Latency:
			waiting := ex.r.Context()
			if e.When == "late" { // as a request that the network holds: it comes, whoever waits for it
				waiting = context.WithoutCancel(waiting)
			}
			if wake.Pause(waiting, time.Duration(e.Duration)) != nil {
				reply.drop()
				return
			}
		case e.Kind == fault.Status:
			ex.faultStatus(e)
			return
		default:
			reply.apply(ex.r.Context(), e)
		}
	}
	err := ex.admit()
	if err == nil && refusal != nil {
		err = ex.usedUp(refusal.Quota)
	}
	if err == nil {
		err = early
	}
	if err == nil {
		err = ex.route.handle(ex)
	}
	if err != nil {
		ex.fail(err)
	}
	ex.applied = reply.status < 400
	for _, e := range after {
		switch e.Kind {
		case fault.Status:
			reply.replace()
			ex.faultStatus(e)
		case fault.ExpireToken:
			ex.endSession()
		}
	}
}

// endSession forgets the session that the call came with.
func (ex *exchange) endSession() {
	_, token, _ := strings.Cut(ex.r.Header.Get("Authorization"), " ")
	ex.s.tokens.remove(strings.TrimSpace(token))
}

// usedUp is the refusal of a limit.
func (ex *exchange) usedUp(quota string) error {
	refusal := &bulk.Error{Status: http.StatusForbidden, Code: "REQUEST_LIMIT_EXCEEDED", Message: limitExceeded}
	switch quota {
	case fault.QuotaLongTxn:
		refusal.Message = "ConcurrentPerOrgLongTxn Limit exceeded."
	case fault.QuotaJobs:
		// The code is Salesforce's; its text is not known.
		return &bulk.Error{Status: http.StatusBadRequest, Code: "EXCEEDEDQUOTA", Message: "ExceededQuota : the daily limit of jobs is used up"}
	default:
		limit := ex.s.Settings.Get().DailyAPILimit
		ex.w.Header().Set("Sforce-Limit-Info", limitInfo(limit, limit))
	}
	return refusal
}

// edgePage is what the edge of an org that is down shows instead of JSON.
const edgePage = `<!DOCTYPE html>
<html><head><title>We are down for maintenance</title></head>
<body><h1>We are down for maintenance.</h1><p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>
`

// down is the status that an org which is down answers everywhere.
func down(e fault.Effect) fault.Effect {
	e.Status = http.StatusServiceUnavailable
	if e.Body == "" && e.Format == "html" {
		e.Body = edgePage
	}
	return e
}

// faultStatus answers as a fault wants.
func (ex *exchange) faultStatus(e fault.Effect) {
	if e.Body != "" {
		contentType := e.ContentType
		if contentType == "" {
			contentType = "text/html; charset=UTF-8"
		}
		ex.w.Header().Set("Content-Type", contentType)
		ex.w.WriteHeader(e.Status)
		_, _ = io.WriteString(ex.w, e.Body)
		return
	}
	code, message := e.Code, e.Message
	if code == "" {
		code = usualCode(e.Status)
	}
	if message == "" {
		message = usualMessage(e.Status)
	}
	if ex.route.endpoint == fault.Token {
		ex.fail(&tokenError{Status: e.Status, Code: code, Description: message})
		return
	}
	ex.fail(&bulk.Error{Status: e.Status, Code: code, Message: message})
}

func usualCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "INVALID_SESSION_ID"
	case http.StatusForbidden:
		return "REQUEST_LIMIT_EXCEEDED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusServiceUnavailable:
		return "SERVER_UNAVAILABLE"
	default:
		if status >= 500 {
			return "UNKNOWN_EXCEPTION"
		}
		return "API_ERROR"
	}
}

func usualMessage(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return sessionExpired
	case http.StatusForbidden:
		return limitExceeded
	case http.StatusNotFound:
		return notFoundText
	default:
		return "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-1234 (-1234567890)"
	}
}
