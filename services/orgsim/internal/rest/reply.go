package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzip"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/soql"
	"bulkhead/services/orgsim/internal/wake"
)

const (
	jsonType = "application/json;charset=UTF-8"
	csvType  = "text/csv; charset=UTF-8"

	limitExceeded = "TotalRequests Limit exceeded."
	notFoundText  = "The requested resource does not exist"

	// gzipJSON is how large a JSON answer has to be that is compressed, in bytes: below that it is not worth it, and real
	// edges leave small ones alone too. CSV is always compressed.
	gzipJSON = 2 << 10
)

// reply is the writer that handlers answer through. It carries out the faults that concern the answer, on the bytes
// before they are compressed, and remembers what the handler said and what the caller saw.
type reply struct {
	to     http.ResponseWriter
	gzipOK bool
	large  bool // a JSON body that is worth compressing is to come
	zipped *gzip.Writer

	header http.Header
	status int   // as the handler said; 0 = nothing yet
	sent   int64 // body bytes let through

	silent bool          // nothing reaches the caller
	cut    bool          // the connection is to be cut at the end
	reset  bool          // and that by a reset
	room   int64         // body bytes that may still pass; -1 = no bound
	short  bool          // cut the connection when the room is used up (else end as if whole)
	delay  time.Duration // before the first byte
	rate   int           // bytes a second; 0 = no bound
	spoilt spoilt        // what is done to the whole answer
	ctx    context.Context
	began  bool // the status line went out
}

func newReply(w http.ResponseWriter, r *http.Request, compress bool) *reply {
	return &reply{
		to: w, header: http.Header{}, room: -1, ctx: r.Context(),
		gzipOK: compress && acceptsGzip(r.Header),
	}
}

// apply prepares a fault that strikes after the effect.
func (p *reply) apply(ctx context.Context, e fault.Effect) {
	p.ctx = ctx
	switch e.Kind {
	case fault.DropAfter:
		p.dropAs(e)
	case fault.Status:
		p.silent = true
	case fault.HalfReply:
		p.room, p.short = e.Bytes, true
	case fault.Truncate:
		p.room = e.Bytes
	case fault.Slow:
		p.rate = e.BytesPerSecond
	case fault.Latency:
		p.delay = time.Duration(e.Duration)
	default:
		p.spoil(e)
	}
}

// drop lets nothing reach the caller and cuts the connection.
func (p *reply) drop() { p.silent, p.cut = true, true }

// dropAs is drop in the way that a fault asks for.
func (p *reply) dropAs(e fault.Effect) {
	p.reset = e.Reset
	p.drop()
}

// replace takes back an answer of which nothing reached the caller.
func (p *reply) replace() {
	if !p.began {
		p.silent, p.large, p.status, p.header = false, false, 0, http.Header{}
	}
}

// visible is the status that the caller saw, 0 for none.
func (p *reply) visible() int {
	if !p.began {
		return 0
	}
	return p.status
}

// Header returns the header of the answer.
func (p *reply) Header() http.Header { return p.header }

// WriteHeader sends the status line and the header.
func (p *reply) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	p.status = status
	if p.silent {
		return
	}
	if p.delay > 0 && wake.Pause(p.ctx, p.delay) != nil {
		p.drop()
		return
	}
	h := p.to.Header()
	h.Set("Vary", "Accept-Encoding")
	for k, v := range p.header {
		h[k] = v
	}
	if p.spoilt.kind != "" {
		p.spoilHeader(h)
	} else if p.gzipOK && (h.Get("Content-Type") == csvType || p.large) {
		h.Set("Content-Encoding", "gzip")
		p.zipped, _ = gzip.NewWriterLevel(p.to, gzip.BestSpeed)
	}
	p.began = true
	p.to.WriteHeader(status)
}

// Write sends body bytes, as far as the faults let them.
func (p *reply) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.WriteHeader(http.StatusOK)
	}
	if p.silent {
		return len(b), nil
	}
	pass := b
	if p.room >= 0 && int64(len(pass)) > p.room {
		pass = pass[:p.room]
		p.cut = p.cut || p.short
	}
	if err := p.pass(pass); err != nil {
		return 0, err
	}
	if p.room >= 0 {
		p.room -= int64(len(pass))
	}
	return len(b), nil
}

// pass sends bytes at the speed of the answer.
func (p *reply) pass(b []byte) error {
	for len(b) > 0 {
		piece := b
		if p.rate > 0 {
			piece = b[:min(len(b), max(p.rate/10, 1))]
		}
		var err error
		if p.zipped != nil {
			_, err = p.zipped.Write(piece)
		} else {
			_, err = p.to.Write(piece)
		}
		p.sent += int64(len(piece))
		b = b[len(piece):]
		if err == nil && p.rate > 0 {
			p.flush()
			err = wake.Pause(p.ctx, time.Duration(len(piece))*time.Second/time.Duration(p.rate))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *reply) flush() {
	if p.zipped != nil {
		_ = p.zipped.Flush()
	}
	_ = http.NewResponseController(p.to).Flush()
}

// finish ends the answer. One that is to be cut is flushed first, so that the caller really sees its first part, but a
// compressed one never gets its trailer.
func (p *reply) finish() {
	if p.short && p.room >= 0 {
		p.cut = true // also when the answer was shorter than the bytes it might have
	}
	switch {
	case p.silent && !p.began:
	case p.cut:
		p.flush()
	case p.spoilt.kind != "":
		p.spoilEnd()
	case p.zipped != nil:
		_ = p.zipped.Close()
	}
}

// json answers with a JSON body.
func (ex *exchange) json(status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // Salesforce writes < and > as they are
	if err := enc.Encode(v); err != nil {
		return err
	}
	body := bytes.TrimRight(b.Bytes(), "\n")
	if p, ok := ex.w.(*reply); ok {
		p.large = len(body) >= gzipJSON
	}
	ex.w.Header().Set("Content-Type", jsonType)
	ex.w.WriteHeader(status)
	_, _ = ex.w.Write(body)
	return nil
}

// restError and bulkError are the same error body; Bulk API 2.0 names the code first.
type restError struct {
	Message   string   `json:"message"`
	ErrorCode string   `json:"errorCode"`
	Fields    []string `json:"fields,omitempty"`
}

type bulkError struct {
	ErrorCode string `json:"errorCode"`
	Message   string `json:"message"`
}

// tokenError is a refusal of the token endpoint.
type tokenError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *tokenError) Error() string { return e.Code + ": " + e.Description }

// fail turns an error into the body that the endpoint uses.
func (ex *exchange) fail(err error) {
	var token *tokenError
	var refusal *bulk.Error
	var query *soql.Error
	var envelope *soapError
	switch {
	case ex.failRecord(err):
		return
	case errors.As(err, &envelope):
		ex.soapFault(http.StatusInternalServerError, envelope)
		return
	case errors.As(err, &token):
		ex.w.Header().Set("Cache-Control", "no-store")
		_ = ex.json(token.Status, token)
		return
	case errors.As(err, &refusal):
	case errors.As(err, &query):
		refusal = &bulk.Error{Status: http.StatusBadRequest, Code: query.Code, Message: query.Message}
	default:
		ex.s.Logger.Error("request failed", "path", ex.r.URL.Path, "error", err)
		refusal = &bulk.Error{Status: http.StatusInternalServerError, Code: "UNKNOWN_EXCEPTION", Message: usualMessage(500)}
	}
	if refusal.HTML != "" {
		ex.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		ex.w.WriteHeader(refusal.Status)
		_, _ = io.WriteString(ex.w, refusal.HTML)
		return
	}
	if ex.route.endpoint == fault.Token { // whose errors have a form of their own
		ex.fail(&tokenError{Status: refusal.Status, Code: "invalid_request", Description: refusal.Message})
		return
	}
	if ex.route.soap {
		ex.soapFault(refusal.Status, &soapError{refusal.Code, refusal.Message})
		return
	}
	if ex.route.bulk {
		_ = ex.json(refusal.Status, []bulkError{{ErrorCode: refusal.Code, Message: refusal.Message}})
		return
	}
	_ = ex.json(refusal.Status, []restError{{Message: refusal.Message, ErrorCode: refusal.Code}})
}
