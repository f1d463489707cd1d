package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bulkhead/libs/record"
)

// bearer stands before the access token in its header.
const bearer = "Bearer "

var errCallTimeout = errors.New("no reply within the call's timeout")

// request is one call below /services/data/vXX.0/.
type request struct {
	method string
	path   string     // what is really called
	route  string     // path with {id} for ids: a closed set, for Observe
	query  url.Values // never shown in errors, it may hold keys of records
	body   []byte     // JSON, nil without one
	repeat bool       // sending it again does no harm
}

func (r request) endpoint() string { return r.method + " " + r.path }

// call sends r, after a login if there is no session, and decodes the reply into out; nil for a reply that has no content.
func (c *Client) call(ctx context.Context, r request, out any) error {
	return c.withSession(ctx, r, func(ctx context.Context, s *session) error {
		ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeouts.Call, errCallTimeout)
		defer cancel()
		var body io.Reader
		if r.body != nil {
			body = bytes.NewReader(r.body)
		}
		hr, err := c.newRequest(ctx, s, r, body)
		if err != nil {
			return err
		}
		resp, err := c.send(hr, r)
		if err != nil {
			return err
		}
		defer drainAndClose(resp.Body)
		if out == nil {
			return c.refusePage(r, resp)
		}
		return c.decode(ctx, r, resp, out)
	})
}

// withSession runs do with the current session: again after one new login when the session is lost, and again by the retry policy
// when r may be repeated. Logins have their own repetition and are not multiplied with this one.
func (c *Client) withSession(ctx context.Context, r request, do func(context.Context, *session) error) error {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	renewed, tried := false, tries{retry: c.cfg.Retry}
	for {
		failed := c.exchange(ctx, false, func() error { return do(ctx, s) })
		if failed == nil {
			return nil
		}
		if !renewed && sessionLost(failed, r.repeat) {
			renewed = true
			if s, err = c.renew(ctx, s); err != nil {
				return fmt.Errorf("%s: new login: %w", r.endpoint(), err)
			}
			continue
		}
		wait, again := tried.next(failed, r.repeat, c.cfg.Random())
		if !again {
			return tried.ended(failed)
		}
		if err := pause(ctx, wait, tried.ended(failed)); err != nil {
			return err
		}
	}
}

// sessionLost says whether a new login can help. A 401 is given before the request is looked at, so that any request
// may be repeated after it; of a redirect to a login page that is not so sure.
func sessionLost(err error, repeatable bool) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	if e.Status == http.StatusUnauthorized {
		return e.Code == "INVALID_SESSION_ID" && !strings.Contains(e.Message, restrictedSession)
	}
	return repeatable && e.Class == record.ClassAuth && e.Status >= 300 && e.Status < 400
}

func (c *Client) newRequest(ctx context.Context, s *session, r request, body io.Reader) (*http.Request, error) {
	target := s.instance + "/services/data/v" + c.cfg.APIVersion + "/" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	if len(target) > MaxURIBytes {
		return nil, &RequestError{Endpoint: r.endpoint(), Problem: fmt.Sprintf("the URI has %d bytes, Salesforce takes %d: ask for fewer values at once", len(target), MaxURIBytes)}
	}
	hr, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, &RequestError{Endpoint: r.endpoint(), Problem: "not a valid URL"}
	}
	hr.Header.Set("Authorization", bearer+s.token.value())
	hr.Header.Set("Accept", "application/json")
	hr.Header.Set("User-Agent", c.cfg.UserAgent)
	if r.body != nil {
		hr.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	return hr, nil
}

// send does one exchange and returns a reply of 2xx, or the error that it was. It notes the usage that the reply tells.
func (c *Client) send(hr *http.Request, r request) (*http.Response, error) {
	start := time.Now() // a duration for metrics; the injected clock is for moments that decide something
	// Not the client's Do: even where it follows no redirect, it opens an upload's content anew for one, and never closes it.
	resp, err := c.http.Transport.RoundTrip(hr)
	seen := Call{Method: r.method, Route: r.route, Took: time.Since(start)}
	if err != nil {
		c.cfg.Observe(seen)
		return nil, transportError(hr.Context(), r.endpoint(), err, bearerOf(hr))
	}
	unpack(hr, resp)
	seen.Status = resp.StatusCode
	c.cfg.Observe(seen)
	c.noteUsage(resp.Header)
	c.noteDate(resp.Header)
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		if resp.StatusCode == http.StatusPartialContent {
			// A part that ends where a record ends would pass for the whole.
			drainAndClose(resp.Body)
			return nil, &Error{Status: resp.StatusCode, Endpoint: r.endpoint(), Class: record.ClassTransient, Message: "a part of the reply came, which was not asked for"}
		}
		if packed := resp.Header.Get("Content-Encoding"); packed != "" && !strings.EqualFold(packed, "identity") {
			// What was asked for has been taken off. Anything else never was.
			drainAndClose(resp.Body)
			return nil, &Error{
				Status: resp.StatusCode, Endpoint: r.endpoint(), Class: record.ClassTransient,
				Message: fmt.Sprintf("the reply is packed as %q, which was not asked for", clip(packed, maxNameRunes)),
			}
		}
		return resp, nil
	}
	defer drainAndClose(resp.Body)
	failed := c.newError(r.endpoint(), resp)
	if strings.HasPrefix(r.route, "query") {
		failed.Message = withoutLiterals(failed.Message)
	}
	return nil, failed
}

// transportError keeps the cause and drops the URL that net/http puts around it: a query's URL holds keys of records. Where the cause repeats a reply
// that repeats one of the secrets, its text alone is kept, without them.
func transportError(ctx context.Context, endpoint string, err error, secrets ...string) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = cause // our own timeouts must not look like the caller's cancellation
	}
	if text := err.Error(); withoutSecrets(text, secrets) != text {
		err = errors.New(withoutSecrets(text, secrets))
	}
	return &TransportError{Endpoint: endpoint, Err: err}
}

// decode reads a reply as JSON into out. A reply that is a page, an error array or no JSON is an *Error with the status it came with.
func (c *Client) decode(ctx context.Context, r request, resp *http.Response, out any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJSONBytes+1))
	if err != nil {
		return transportError(ctx, r.endpoint(), fmt.Errorf("the reply broke off: %w", err))
	}
	if len(body) > maxJSONBytes {
		return fmt.Errorf("salesforce %s: reply above %d bytes: %w", r.endpoint(), maxJSONBytes, ErrTooLarge)
	}
	if first := bytes.TrimSpace(body); len(first) > 0 && first[0] == '[' {
		// Every success asked for here is an object; an array is how Salesforce writes errors.
		return c.errorFromBody(r.endpoint(), resp, body)
	}
	if json.Unmarshal(body, out) != nil {
		// The decoder's own text may repeat what the reply holds.
		failed := c.errorFromBody(r.endpoint(), resp, body)
		failed.Code, failed.Class = "", record.ClassTransient
		return failed
	}
	return nil
}

// refusePage turns a 2xx reply that should have no content into an error when a page stands in it: something on the way answered instead of
// Salesforce, with an unknown effect. Other content is left alone.
func (c *Client) refusePage(r request, resp *http.Response) error {
	start, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	if !looksLikeHTML(start) {
		return nil
	}
	return c.errorFromBody(r.endpoint(), resp, start)
}

// drainAndClose reads a little of what is left, so that the connection can be used again.
func drainAndClose(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxDrainedBytes)
	_ = body.Close()
}
