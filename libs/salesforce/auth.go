package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"bulkhead/libs/record"
)

const (
	orgIDPrefix  = "00D"
	userIDPrefix = "005"
	tokenPath    = "/services/oauth2/token"
	tokenRoute   = "oauth2/token"

	// retryYourRequest is the token endpoint's own failure, with that text; it comes with 400 all the same.
	retryYourRequest = "unknown_error"

	// maxUploadSessionAge is the age from which a session is renewed before an upload, which a 401 in its middle would waste. A
	// reply to the client credentials flow names no lifetime; the shortest session setting of an org is 15 minutes.
	maxUploadSessionAge = 10 * time.Minute
)

// session is one login: where to call, with which token, and who we are there.
type session struct {
	token    secret
	instance string // scheme and host
	org      string // 18 characters
	user     string // 18 characters
	at       time.Time
}

// Identity is who the client is in the org.
type Identity struct {
	// OrgID and UserID have 18 characters.
	OrgID, UserID string
	// InstanceURL is where calls go, scheme and host.
	InstanceURL string
}

// Identity logs in if there is no session yet, and says who we are. A login may be sent again.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	s, err := c.session(ctx)
	if err != nil {
		return Identity{}, err
	}
	return Identity{OrgID: s.org, UserID: s.user, InstanceURL: s.instance}, nil
}

// OrgID is the 18-character id of the org that the login leads to; an [*OrgMismatchError] if that is not the pinned one.
func (c *Client) OrgID(ctx context.Context) (string, error) {
	id, err := c.Identity(ctx)
	return id.OrgID, err
}

// CheckOrg logs in anew, so that credentials which meanwhile lead elsewhere are noticed, and returns the org's id. A login may be sent again.
func (c *Client) CheckOrg(ctx context.Context) (string, error) {
	s, err := c.renew(ctx, c.current.Load())
	if err != nil {
		return "", err
	}
	return s.org, nil
}

func (c *Client) session(ctx context.Context) (*session, error) {
	if s := c.current.Load(); s != nil {
		return s, nil
	}
	return c.renew(ctx, nil)
}

// uploadSession is a session young enough to outlive an upload.
func (c *Client) uploadSession(ctx context.Context) (*session, error) {
	s, err := c.session(ctx)
	if err != nil || c.cfg.Now().Sub(s.at) < maxUploadSessionAge {
		return s, err
	}
	return c.renew(ctx, s)
}

// refusal is a login that failed, for the callers that were waiting for it.
type refusal struct{ err error }

// renew replaces the session old (nil: none yet) by a new login. Of callers that come with the same old session one logs in, the
// others wait and take its result, its failure too: a wrong secret must not be sent once for each of them. Only when the login ended
// with its caller's own context does the next one try.
func (c *Client) renew(ctx context.Context, old *session) (*session, error) {
	before := c.refused.Load()
	select {
	case <-c.loginTurn:
		defer func() { c.loginTurn <- struct{}{} }()
	case <-ctx.Done():
		return nil, &TransportError{Endpoint: "POST " + tokenRoute, Err: fmt.Errorf("waiting for another login: %w", context.Cause(ctx))}
	}
	if s := c.current.Load(); s != nil && s != old {
		return s, nil
	}
	if r := c.refused.Load(); r != before {
		return nil, r.err
	}
	s, err := c.replaceSession(ctx)
	if err != nil && ctx.Err() == nil {
		c.refused.Store(&refusal{err: err})
	}
	return s, err
}

// replaceSession logs in and keeps the session, if it is of the right org; the caller has the turn.
func (c *Client) replaceSession(ctx context.Context) (*session, error) {
	s, err := c.logIn(ctx)
	if err != nil {
		return nil, err
	}
	if c.org == "" {
		c.org = s.org
	}
	if s.org != c.org {
		c.current.Store(nil) // the old session leads to an org that these credentials no longer name
		return nil, &OrgMismatchError{Want: c.org, Got: s.org}
	}
	c.current.Store(s)
	return s, nil
}

func (c *Client) logIn(ctx context.Context) (*session, error) {
	corrected, tried := false, tries{retry: c.cfg.Retry}
	for {
		reckoned, _ := c.Skew()
		var s *session
		failed := c.exchange(ctx, true, func() (err error) {
			s, err = c.tryLogin(ctx)
			return err
		})
		if failed == nil {
			return s, nil
		}
		if told, _ := c.Skew(); !corrected && c.outlived(failed, told-reckoned) {
			corrected = true
			continue // with what the refusal told of the time
		}
		wait, again := tried.next(failed, true, c.cfg.Random())
		if !again {
			return nil, tried.ended(failed)
		}
		if err := pause(ctx, wait, tried.ended(failed)); err != nil {
			return nil, err
		}
	}
}

// outlived says whether an assertion was refused that had ended already, or ended too far ahead, by the org's clock, which differs by so much from
// what it was made with.
func (c *Client) outlived(err error, by time.Duration) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && c.cfg.byKey() && e.Code == "invalid_grant" && by.Abs() > assertionAge/2
}

func (c *Client) tryLogin(ctx context.Context) (*session, error) {
	flow, err := c.grant()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeouts.Login, errCallTimeout)
	defer cancel()
	seen := &observedTransport{client: c}
	hc := *c.http
	seen.next, hc.Transport = c.http.Transport, seen
	token, err := flow.Token(context.WithValue(ctx, oauth2.HTTPClient, &hc))
	sent := []string{flow.ClientSecret, flow.EndpointParams.Get("assertion")}
	if err != nil {
		return nil, c.loginError(ctx, err, seen, sent)
	}
	s, err := newSession(token, c.login, c.cfg.Now())
	if err != nil {
		return nil, &Error{
			Status: http.StatusOK, Endpoint: "POST " + tokenRoute, Class: record.ClassAuth, Code: "UNUSABLE_LOGIN",
			Message: withoutSecrets(err.Error(), append(sent, token.AccessToken)),
		}
	}
	return s, nil
}

// loginError turns the library's errors into this package's. They may hold the reply's body, which is not passed on; what is read from it
// repeats nothing of what was sent.
func (c *Client) loginError(ctx context.Context, err error, seen *observedTransport, sent []string) error {
	const endpoint = "POST " + tokenRoute
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		e := c.errorFromBody(endpoint, refused.Response, refused.Body, sent...)
		switch {
		case e.Code == retryYourRequest:
			e.Class = record.ClassTransient
		case e.Status < 500 && e.Code != "" && e.Class == record.ClassUnclassified:
			e.Class = record.ClassAuth // whatever else the token endpoint refuses concerns the credentials
		}
		return e
	}
	if seen.status != 0 && seen.broke == nil {
		// It answered 2xx, and the library could not read a token from it: a page of the edge, most likely.
		return &Error{Status: seen.status, Endpoint: endpoint, Class: record.ClassTransient, Message: "the login reply holds no token"}
	}
	return transportError(ctx, endpoint, err, sent...)
}

// newSession reads a token reply: where calls go, and from the id URL {login}/id/{org}/{user} who we are.
func newSession(token *oauth2.Token, login *url.URL, now time.Time) (*session, error) {
	text := func(member string) string { s, _ := token.Extra(member).(string); return s }
	instance, err := parseInstanceURL(text("instance_url"), login)
	if err != nil {
		return nil, err
	}
	if token.TokenType != "" && !strings.EqualFold(token.TokenType, "Bearer") {
		return nil, fmt.Errorf("the login reply's token is of type %q, not Bearer", clip(token.TokenType, maxNameRunes))
	}
	org, user, err := parseIdentityURL(text("id"))
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(token.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("the login reply's token holds characters that fit no header")
	}
	return &session{token: newSecret(token.AccessToken), instance: instance, org: org, user: user, at: now}, nil
}

// parseIdentityURL reads org and user from the id of a token reply. Only its path counts: its host is the login host that
// the org prefers, not always the one that was called.
func parseIdentityURL(raw string) (org, user string, err error) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return "", "", errors.New("the login reply names no identity url")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "id" {
		return "", "", errors.New("the login reply's identity url is not of the form /id/{org}/{user}")
	}
	org, orgErr := ID18(parts[1])
	user, userErr := ID18(parts[2])
	if orgErr != nil || userErr != nil || !strings.HasPrefix(org, orgIDPrefix) || !strings.HasPrefix(user, userIDPrefix) {
		return "", "", errors.New("the login reply's identity url names no org and user")
	}
	return org, user, nil
}
