package rest

import (
	"bytes"
	"compress/gzip"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
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
	// maxHeader is the most that all header lines may take together, in bytes (Salesforce: 431 above it).
	maxHeader = 16_384
	// maxBody bounds every request body but an upload, in bytes; the largest are collections of 200 records.
	maxBody = 16 << 20
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
	Switches     *switches.Store
	Faults       *fault.Set
	Calls        *calls.Log
	Logger       *slog.Logger
	ClientID     string
	ClientSecret string
	// Keys check the signatures of JWT assertions; Password opens the password flow and SOAP login for every user.
	Keys     []*rsa.PublicKey
	Password string
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
	n       int64  // the call's number; 0 = inside another one
	rows    int    // of an upload
	applied bool
	saver   org.Saver // of a request inside another one; nil = the store
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	received := &countedBody{ReadCloser: r.Body}
	r.Body = received
	ex := &exchange{s: s, r: r, route: s.findRoute(r)}
	early := ex.readBody(w)
	ex.refineRoute()
	sub := fault.Subject{Endpoint: ex.route.endpoint, Method: r.Method, Object: ex.route.object, Operation: ex.route.operation, Job: ex.route.job}
	if sub.Job != "" {
		sub.Object, sub.Operation, sub.Job = s.Jobs.Describe(sub.Job)
	}
	n := s.Calls.Begin(calls.Call{
		At: s.Clock.Now(), Method: r.Method, Path: r.URL.Path, Endpoint: string(sub.Endpoint), Object: sub.Object, Job: sub.Job,
	})
	hits := s.Faults.Request(sub)
	reply := newReply(w, r, s.Settings.Get().GzipReplies)
	ex.w, ex.n = reply, n
	ex.serve(reply, hits, early)
	reply.finish()
	s.Calls.End(n, func(c *calls.Call) {
		c.Status, c.Applied, c.Rows, c.Sent = reply.visible(), ex.applied, ex.rows, reply.sent
		c.User, c.Received, c.Took = ex.user, received.n, settings.Duration(time.Since(began))
		if c.Job == "" {
			c.Job = ex.route.job // a create knows its job only now
		}
		for _, h := range hits {
			c.Faults = append(c.Faults, h.ID)
		}
	})
	if reply.cut {
		if reply.reset {
			resetConnection(w)
		}
		// The server closes the connection without a word; this is the documented way to ask for that.
		panic(http.ErrAbortHandler)
	}
}

// resetConnection ends a caller's connection by a reset. One that cannot be taken over is left to its orderly end.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if secure, is := conn.(*tls.Conn); is {
		conn = secure.NetConn()
	}
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0) // what was not sent yet is thrown away, and the other side is told of a reset
	}
	_ = conn.Close()
}

// admit checks method, session and daily limit, in this order of what a caller learns.
func (ex *exchange) admit() error {
	s, now := ex.s, ex.s.Clock.Now()
	if ex.route.err != nil && ex.route.open {
		return ex.route.err
	}
	if !ex.route.open {
		// What a session gets to see is for nobody else to keep.
		ex.w.Header().Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
		user, err := ex.caller(now)
		if err != nil {
			return err
		}
		ex.user = user
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
	return ex.checkMedia()
}

// readBody takes in the body of every request but an upload, unpacked if it is compressed.
func (ex *exchange) readBody(w http.ResponseWriter) error {
	limit := smallRead
	if ex.route.endpoint == fault.Upload {
		limit = callTime
	}
	// Not every writer can (a test's recorder cannot); the deadline only guards against callers that stall.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
	if ex.unpacks() {
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

// countedBody counts the bytes of a request's body as they arrive.
type countedBody struct {
	io.ReadCloser
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
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
