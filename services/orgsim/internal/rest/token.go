package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sfid"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// tokenReply is the success body of every flow; a flow leaves empty what its body has not. None has expires_in: a
// client learns by a 401 that its session has ended.
type tokenReply struct {
	AccessToken    string `json:"access_token"`
	Signature      string `json:"signature,omitempty"`
	Scope          string `json:"scope"`
	InstanceURL    string `json:"instance_url"`
	ID             string `json:"id"`
	TokenType      string `json:"token_type"`
	IssuedAt       string `json:"issued_at,omitempty"` // milliseconds since 1970
	APIInstanceURL string `json:"api_instance_url,omitempty"`
}

func refuseToken(code, description string) error {
	return &tokenError{Status: http.StatusBadRequest, Code: code, Description: description}
}

func refuseGrant(description string) error { return refuseToken("invalid_grant", description) }

// token serves the token endpoint.
func (ex *exchange) token() error {
	form, err := url.ParseQuery(string(ex.body))
	if err != nil {
		return refuseToken("invalid_request", "the body is not form-urlencoded")
	}
	var reply tokenReply
	switch form.Get("grant_type") {
	case "client_credentials":
		reply, err = ex.clientCredentials(form)
	case jwtBearer:
		reply, err = ex.assertion(form.Get("assertion"))
	case "refresh_token":
		reply, err = ex.refresh(form)
	case "password":
		reply, err = ex.password(form)
	default:
		err = refuseToken("unsupported_grant_type", "grant type not supported")
	}
	if err != nil {
		return err
	}
	ex.w.Header().Set("Cache-Control", "no-store")
	return ex.json(http.StatusOK, reply)
}

// client checks who the application is; secretNeeded says whether it must prove it.
func (ex *exchange) client(form url.Values, secretNeeded bool) error {
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
	if secret == "" && !secretNeeded {
		return nil
	}
	if !equal(secret, ex.s.ClientSecret) {
		return refuseToken("invalid_client", "invalid client credentials")
	}
	return nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// clientCredentials lets the application in as the integration user. The hosts that all orgs share cannot tell whose
// integration user that would be.
func (ex *exchange) clientCredentials(form url.Values) (tokenReply, error) {
	host := ex.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "login.salesforce.com" || host == "test.salesforce.com" {
		return tokenReply{}, refuseGrant("request not supported on this domain")
	}
	if err := ex.client(form, true); err != nil {
		return tokenReply{}, err
	}
	who, _ := ex.s.Store.User(ex.s.Store.Identity().UserID) // every org has it
	switch {
	case !who.Active:
		return tokenReply{}, refuseGrant("user is inactive")
	case who.Approval != org.Approved:
		return tokenReply{}, refuseGrant("no client credentials user enabled")
	}
	reply := ex.issue(who, "")
	reply.APIInstanceURL = reply.InstanceURL
	return reply, nil
}

// password lets in a user who has told the application the password.
func (ex *exchange) password(form url.Values) (tokenReply, error) {
	if err := ex.client(form, true); err != nil {
		return tokenReply{}, err
	}
	who, known := ex.s.Store.User(form.Get("username"))
	switch {
	case !known || sfid.Valid(form.Get("username")) || !equal(form.Get("password"), ex.s.Password):
		return tokenReply{}, refuseGrant("authentication failure")
	case !who.Active:
		return tokenReply{}, refuseGrant("user is inactive")
	}
	return ex.issue(who, ""), nil
}

// refresh opens a new session; the refresh token stays good and is not told again.
func (ex *exchange) refresh(form url.Values) (tokenReply, error) {
	if err := ex.client(form, false); err != nil {
		return tokenReply{}, err
	}
	grant := form.Get("refresh_token")
	user, ok := ex.s.tokens.granted(grant)
	who, known := ex.s.Store.User(user)
	switch {
	case !ok || !known:
		return tokenReply{}, refuseGrant("expired access/refresh token")
	case !who.Active:
		return tokenReply{}, refuseGrant("user is inactive")
	}
	return ex.issue(who, grant), nil
}

// newSession opens a session for as long as sessions last, and returns its access token, which begins with the org's
// short id.
func (ex *exchange) newSession(opened session) string {
	now := ex.s.Clock.Now()
	token := ex.s.Store.Identity().OrgID[:sfid.Len15] + "!AQ" + opaque(66)
	opened.until = now.Add(time.Duration(ex.s.Settings.Get().TokenTTL))
	ex.s.tokens.open(token, opened, now)
	return token
}

// issue opens a session and returns the members that most flows tell.
func (ex *exchange) issue(who org.User, grant string) tokenReply {
	base, issued := ex.baseURL(), strconv.FormatInt(ex.s.Clock.Now().UnixMilli(), 10)
	id := ex.identityURL(who.ID)
	mac := hmac.New(sha256.New, []byte(ex.s.ClientSecret))
	mac.Write([]byte(id + issued))
	return tokenReply{
		AccessToken: ex.newSession(session{user: who.ID, grant: grant}), Signature: base64.StdEncoding.EncodeToString(mac.Sum(nil)), Scope: "api id",
		InstanceURL: base, ID: id, TokenType: "Bearer", IssuedAt: issued,
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

// revoke ends one session, or a refresh token and what came from it. The token stands in the body or in the query.
func (ex *exchange) revoke() error {
	ex.w.Header().Set("Cache-Control", "no-store")
	form, err := url.ParseQuery(string(ex.body))
	token := form.Get("token")
	if token == "" {
		token = ex.r.URL.Query().Get("token")
	}
	if err != nil || strings.TrimSpace(token) == "" {
		return refuseToken("unsupported_token_type", "this token type is not supported")
	}
	ex.s.tokens.remove(token)
	ex.w.WriteHeader(http.StatusOK)
	return nil
}
