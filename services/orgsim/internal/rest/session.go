package rest

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/fault"
)

const (
	sessionExpired = "Session expired or invalid"
	// sessionUnfit answers a session that is alive but not for this API. A new login would get another such session.
	sessionUnfit = "This session is not valid for use with the REST API"
)

// session is what an access token opens.
type session struct {
	user  string // 18 characters
	until time.Time
	grant string // the refresh token that it came from, if any
	unfit bool   // not for the REST API
}

// tokens are the sessions of the org and the refresh tokens that lead to new ones.
type tokens struct {
	mu       sync.Mutex
	sessions map[string]session
	grants   map[string]string // refresh token → user
}

// open adds a session; ended ones are forgotten meanwhile.
func (t *tokens) open(token string, s session, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions == nil {
		t.sessions = map[string]session{}
	}
	for old, o := range t.sessions {
		if !now.Before(o.until) {
			delete(t.sessions, old)
		}
	}
	t.sessions[token] = s
}

// find returns the session of an access token that is still good.
func (t *tokens) find(token string, now time.Time) (session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, known := t.sessions[token]
	return s, known && now.Before(s.until)
}

// remove ends a session, or a refresh token with all the sessions that came from it.
func (t *tokens) remove(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, token)
	if _, known := t.grants[token]; !known {
		return
	}
	delete(t.grants, token)
	for access, s := range t.sessions {
		if s.grant == token {
			delete(t.sessions, access)
		}
	}
}

// grant returns a new refresh token for a user.
func (t *tokens) grant(user string) string {
	refresh := "5Aep861" + opaque(60)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grants == nil {
		t.grants = map[string]string{}
	}
	t.grants[refresh] = user
	return refresh
}

// granted says whose refresh token this is.
func (t *tokens) granted(refresh string) (user string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	user, ok = t.grants[refresh]
	return user, ok
}

// expire ends every session; refresh tokens stay good.
func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.sessions)
}

// restrict makes every session unfit for the REST API.
func (t *tokens) restrict() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for token, s := range t.sessions {
		s.unfit = true
		t.sessions[token] = s
	}
}

// opaque is text without meaning, of n random bytes.
func opaque(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails on the platforms that Go supports
	return strings.NewReplacer("-", ".", "_", ".").Replace(base64.RawURLEncoding.EncodeToString(b))
}

// ExpireTokens ends every session. Refresh tokens stay good.
func (s *Server) ExpireTokens() { s.tokens.expire() }

// RestrictTokens makes every session one that is not valid for use with the REST API; later ones are good again.
func (s *Server) RestrictTokens() { s.tokens.restrict() }

// GrantRefresh returns a refresh token for a user, by id: what a browser would have got by the web server flow.
func (s *Server) GrantRefresh(user string) string { return s.tokens.grant(user) }

func unauthorized(code, message string) error {
	return &bulk.Error{Status: http.StatusUnauthorized, Code: code, Message: message}
}

// bearer is the access token that a request carries: in its header, or for an identity URL in the query.
func (ex *exchange) bearer() (string, error) {
	header := ex.r.Header.Get("Authorization")
	scheme, token, ok := strings.Cut(header, " ")
	switch {
	case header != "" && (!ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth")):
		return "", unauthorized("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
	case header == "" && ex.route.endpoint == fault.Identity:
		q := ex.r.URL.Query()
		if token = q.Get("oauth_token"); token == "" {
			token = q.Get("access_token")
		}
	}
	return strings.TrimSpace(token), nil
}

// caller finds out who calls. A session is good as long as its user is active.
func (ex *exchange) caller(now time.Time) (user string, err error) {
	token, err := ex.bearer()
	if err != nil {
		return "", err
	}
	found, ok := ex.s.tokens.find(token, now)
	if !ok {
		return "", unauthorized("INVALID_SESSION_ID", sessionExpired)
	}
	if who, known := ex.s.Store.User(found.user); !known || !who.Active {
		return "", unauthorized("INVALID_SESSION_ID", sessionExpired)
	}
	if found.unfit {
		return "", unauthorized("INVALID_SESSION_ID", sessionUnfit)
	}
	return found.user, nil
}
