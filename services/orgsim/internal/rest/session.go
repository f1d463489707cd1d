package rest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/sfid"
)

// tokens are the sessions of the org.
type tokens struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (t *tokens) add(token string, now, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until == nil {
		t.until = map[string]time.Time{}
	}
	for old, end := range t.until {
		if !now.Before(end) {
			delete(t.until, old)
		}
	}
	t.until[token] = until
}

func (t *tokens) remove(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.until, token)
}

func (t *tokens) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.until)
}

// check says whether an Authorization header names a session that is still good.
func (t *tokens) check(header string, now time.Time) error {
	scheme, token, ok := strings.Cut(header, " ")
	if header != "" && (!ok || (!strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth"))) {
		return &bulk.Error{Status: http.StatusUnauthorized, Code: "INVALID_AUTH_HEADER", Message: "INVALID_HEADER_TYPE"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if until, known := t.until[strings.TrimSpace(token)]; known && now.Before(until) {
		return nil
	}
	return &bulk.Error{Status: http.StatusUnauthorized, Code: "INVALID_SESSION_ID", Message: sessionExpired}
}

// tokenReply is the success body of the client credentials flow. It has no expires_in.
type tokenReply struct {
	AccessToken    string `json:"access_token"`
	Signature      string `json:"signature"`
	Scope          string `json:"scope"`
	InstanceURL    string `json:"instance_url"`
	ID             string `json:"id"`
	TokenType      string `json:"token_type"`
	IssuedAt       string `json:"issued_at"` // milliseconds since 1970
	APIInstanceURL string `json:"api_instance_url"`
}

func refuseToken(code, description string) error {
	return &tokenError{Status: http.StatusBadRequest, Code: code, Description: description}
}

// token serves the token endpoint.
func (ex *exchange) token() error {
	form, err := url.ParseQuery(string(ex.body))
	if err != nil {
		return refuseToken("invalid_request", "the body is not form-urlencoded")
	}
	if form.Get("grant_type") != "client_credentials" {
		return refuseToken("unsupported_grant_type", "grant type not supported")
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := ex.r.BasicAuth(); ok {
		id, secret = user, password
		// RFC 6749 has both halves form-encoded; not every client does that.
		if plainID, err := url.QueryUnescape(user); err == nil && plainID == ex.s.ClientID {
			id = plainID
			if plain, err := url.QueryUnescape(password); err == nil && plain == ex.s.ClientSecret {
				secret = plain
			}
		}
	}
	if id != ex.s.ClientID {
		return refuseToken("invalid_client_id", "client identifier invalid")
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(ex.s.ClientSecret)) != 1 {
		return refuseToken("invalid_client", "invalid client credentials")
	}
	ex.w.Header().Set("Cache-Control", "no-store")
	return ex.json(http.StatusOK, ex.issue())
}

func (ex *exchange) issue() tokenReply {
	now := ex.s.Clock.Now()
	who := ex.s.Store.Identity()
	base := ex.baseURL()
	opaque := make([]byte, 66)
	_, _ = rand.Read(opaque) // never fails on the platforms that Go supports
	token := who.OrgID[:sfid.Len15] + "!AQ" + strings.NewReplacer("-", ".", "_", ".").Replace(base64.RawURLEncoding.EncodeToString(opaque))
	ex.s.tokens.add(token, now, now.Add(time.Duration(ex.s.Settings.Get().TokenTTL)))
	issued := strconv.FormatInt(now.UnixMilli(), 10)
	id := base + "/id/" + who.OrgID + "/" + who.UserID
	mac := hmac.New(sha256.New, []byte(ex.s.ClientSecret))
	mac.Write([]byte(id + issued))
	return tokenReply{
		AccessToken: token, Signature: base64.StdEncoding.EncodeToString(mac.Sum(nil)), Scope: "api id",
		InstanceURL: base, ID: id, TokenType: "Bearer", IssuedAt: issued, APIInstanceURL: base,
	}
}

// baseURL is the org's own URL, as the caller can reach it.
func (ex *exchange) baseURL() string {
	if ex.s.PublicURL != "" {
		return ex.s.PublicURL
	}
	if ex.r.TLS != nil {
		return "https://" + ex.r.Host
	}
	return "http://" + ex.r.Host
}

// revoke ends one session.
func (ex *exchange) revoke() error {
	form, err := url.ParseQuery(string(ex.body))
	if err != nil || form.Get("token") == "" {
		return refuseToken("unsupported_token_type", "this token type is not supported")
	}
	ex.s.tokens.remove(form.Get("token"))
	ex.w.WriteHeader(http.StatusOK)
	return nil
}

// userInfo says who the caller is.
func (ex *exchange) userInfo() error {
	who := ex.s.Store.Identity()
	return ex.json(http.StatusOK, map[string]any{
		"sub": ex.baseURL() + "/id/" + who.OrgID + "/" + who.UserID, "user_id": who.UserID, "organization_id": who.OrgID,
		"preferred_username": who.Username, "email": who.Username, "name": "Integration User", "active": true, "user_type": "STANDARD",
	})
}

// usage counts API calls over a rolling day, in portions of a minute.
type usage struct {
	mu      sync.Mutex
	minutes map[int64]int
	total   int
}

const dayMinutes = 24 * 60

// count takes one call into account unless the limit is reached, and returns the calls of the day.
func (u *usage) count(now time.Time, limit int) (int, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expire(now)
	if u.total >= limit {
		return u.total, false
	}
	if u.minutes == nil {
		u.minutes = map[int64]int{}
	}
	u.minutes[now.Unix()/60]++
	u.total++
	return u.total, true
}

// expire drops what is older than a day; the caller holds mu. The map has at most a day's minutes, and is walked only
// when it may hold more.
func (u *usage) expire(now time.Time) {
	oldest := now.Unix()/60 - dayMinutes
	for minute, n := range u.minutes {
		if minute <= oldest {
			delete(u.minutes, minute)
			u.total -= n
		}
	}
}

func (u *usage) used(now time.Time) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expire(now)
	return u.total
}

func (u *usage) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.minutes, u.total = nil, 0
}

func limitInfo(used, limit int) string { return fmt.Sprintf("api-usage=%d/%d", used, limit) }
