package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

const (
	// maxURI is the longest request target in bytes (Salesforce: 414 above it).
	maxURI = 16_384
	// maxBody bounds every request body but an upload, in bytes.
	maxBody = 1 << 20
	// smallRead bounds how long a small body may take to arrive, callTime how long an upload may (Salesforce: calls time
	// out after 10 minutes).
	smallRead = 30 * time.Second
	callTime  = 10 * time.Minute
)

// Config is what a Server works with; PublicURL may be empty, all else is needed.
type Config struct {
	Store        *org.Store
	Jobs         *bulk.Manager
	Clock        *clock.Clock
	Settings     *settings.Store
	Switches *switches.Store
	Faults       *fault.Set
	Calls        *calls.Log
	Logger       *slog.Logger
	ClientID     string
	ClientSecret string
	// PublicURL is the org's own base URL without a trailing slash; empty means whatever host the caller used.
	PublicURL string
}

// Server answers for the org. It is safe for concurrent use.
type Server struct {
	Config
	tokens  tokens
	usage   usage
	cursors cursors
}

// New returns a server for an org.
func New(c Config) *Server { return &Server{Config: c} }

// Reset forgets cursors and used-up limits. Sessions live on: they belong to the callers.
func (s *Server) Reset() {
	s.usage.reset()
	s.cursors.reset()
}

// ExpireTokens ends every session.
func (s *Server) ExpireTokens() { s.tokens.clear() }

// APICalls is the number of calls counted in the last 24 hours.
func (s *Server) APICalls() int { return s.usage.used(s.Clock.Now()) }

// exchange is one request on its way.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	route   route
	body    []byte // of small requests
	user    string // who calls, 18 characters; set by admit
	rows    int    // of an upload
	applied bool
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ex := &exchange{s: s, r: r, route: s.findRoute(r)}
	early := ex.readBody(w)
	ex.refineRoute()
	sub := fault.Subject{Endpoint: ex.route.endpoint, Object: ex.route.object, Operation: ex.route.operation, Job: ex.route.job}
	if sub.Job != "" {
		sub.Object, sub.Operation, sub.Job = s.Jobs.Describe(sub.Job)
	}
	n := s.Calls.Begin(calls.Call{
		At: s.Clock.Now(), Method: r.Method, Path: r.URL.Path, Endpoint: string(sub.Endpoint), Object: sub.Object, Job: sub.Job,
	})
	hits := s.Faults.Request(sub)
	reply := newReply(w, r, s.Settings.Get().GzipReplies)
	ex.w = reply
	ex.serve(reply, hits, early)
	reply.finish()
	s.Calls.End(n, func(c *calls.Call) {
		c.Status, c.Applied, c.Rows, c.Sent = reply.visible(), ex.applied, ex.rows, reply.sent
		if c.Job == "" {
			c.Job = ex.route.job // a create knows its job only now
		}
		for _, h := range hits {
			c.Faults = append(c.Faults, h.ID)
		}
	})
	if reply.cut {
		// The server closes the connection without a word; this is the documented way to ask for that.
		panic(http.ErrAbortHandler)
	}
}

// serve answers under the faults that strike. early is an error from reading the request.
func (ex *exchange) serve(reply *reply, hits []fault.Hit, early error) {
	after := []fault.Effect{}
	for _, h := range hits {
		e := h.Effect
		switch {
		case e.Kind == fault.DropMid:
			_, _ = io.CopyN(io.Discard, ex.r.Body, e.Bytes)
			reply.drop()
			return
		case e.Kind == fault.DropBefore:
			reply.drop()
			return
		case e.Kind == fault.Latency && e.When != "after":
			if wait(ex.r.Context(), time.Duration(e.Duration)) != nil {
				reply.drop()
				return
			}
		case e.Kind == fault.Status && e.When != "after":
			ex.faultStatus(e)
			return
		default:
			after = append(after, e)
			reply.apply(ex.r.Context(), e)
		}
	}
	err := early
	if err == nil {
		err = ex.admit()
	}
	if err == nil {
		err = ex.route.handle(ex)
	}
	if err != nil {
		ex.fail(err)
	}
	ex.applied = reply.status < 400
	for _, e := range after {
		if e.Kind == fault.Status {
			reply.replace()
			ex.faultStatus(e)
		}
	}
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

// admit checks method, session and daily limit, in this order of what a caller learns.
func (ex *exchange) admit() error {
	s, now := ex.s, ex.s.Clock.Now()
	if ex.route.err != nil && ex.route.open {
		return ex.route.err
	}
	if !ex.route.open {
		if err := s.tokens.check(ex.r.Header.Get("Authorization"), now); err != nil {
			return err
		}
		ex.user = s.Store.Identity().UserID
		limit := s.Settings.Get().DailyAPILimit
		used, ok := s.usage.count(now, limit)
		ex.w.Header().Set("Sforce-Limit-Info", limitInfo(used, limit))
		if !ok {
			return &bulk.Error{Status: http.StatusForbidden, Code: "REQUEST_LIMIT_EXCEEDED", Message: limitExceeded}
		}
	}
	if ex.route.err != nil {
		return ex.route.err
	}
	if !slices.Contains(ex.route.methods, ex.r.Method) {
		return &bulk.Error{
			Status: http.StatusMethodNotAllowed, Code: "METHOD_NOT_ALLOWED",
			Message: "HTTP Method '" + ex.r.Method + "' not allowed. Allowed are " + strings.Join(ex.route.methods, ","),
		}
	}
	return nil
}

// readBody takes in the body of every request but an upload, unpacked if it is compressed.
func (ex *exchange) readBody(w http.ResponseWriter) error {
	limit := smallRead
	if ex.route.endpoint == fault.Upload {
		limit = callTime
	}
	// Not every writer can (a test's recorder cannot); the deadline only guards against callers that stall.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
	if strings.EqualFold(ex.r.Header.Get("Content-Encoding"), "gzip") {
		packed := ex.r.Body
		ex.r.Body = struct {
			io.Reader
			io.Closer
		}{&lazyGzip{from: packed}, packed}
	}
	if ex.route.endpoint == fault.Upload {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(ex.r.Body, maxBody+1))
	if err != nil {
		return &bulk.Error{Status: http.StatusBadRequest, Code: "CLIENTINPUTERROR", Message: "ClientInputError : the request body could not be read: " + err.Error()}
	}
	if len(body) > maxBody {
		return &bulk.Error{Status: http.StatusRequestEntityTooLarge, Code: "API_ERROR", Message: "The request body is too large"}
	}
	ex.body = body
	ex.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// lazyGzip opens a compressed body when it is first read, so that a bad one fails there.
type lazyGzip struct {
	from io.Reader
	to   *gzip.Reader
}

func (l *lazyGzip) Read(p []byte) (int, error) {
	if l.to == nil {
		z, err := gzip.NewReader(l.from)
		if errors.Is(err, io.EOF) {
			return 0, io.ErrUnexpectedEOF // an empty body is no gzip stream
		}
		if err != nil {
			return 0, err
		}
		l.to = z
	}
	return l.to.Read(p)
}

// wait waits for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
