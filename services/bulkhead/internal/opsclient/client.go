// Package opsclient calls ops' HTTP API.
//
// Every call is bounded in time and in the size of the reply. A reply comes back twice: as the message of the API, and as the
// JSON text that ops sent, which is what --json prints. Errors are *Error where ops answered and *UnreachableError where it
// did not.
package opsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

const (
	// callTimeout bounds one call. Ops gives one up after a minute; what it says then, and who it was that did not answer, is to arrive.
	callTimeout = 75 * time.Second
	// orderTimeout bounds an order to replay or discard letters, which ops gives up after 15 minutes: a filter may match a million.
	orderTimeout = 16 * time.Minute
	// maxReply bounds a reply: a page of 1,000 letters without payloads stays far below.
	maxReply = 64 << 20
)

// Error is what ops answered instead of a result.
type Error struct {
	Code    codes.Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// UnreachableError says that nothing useful answered at the address.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach ops at %s: %v (is it running? name another with --ops or BULKHEAD_OPS)", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Client calls one ops instance. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
	// within bounds a call, orderWithin an order to replay or discard letters.
	within, orderWithin time.Duration
}

// New checks the address (http or https) and returns a client for it; token may be empty.
func New(address, token string) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("the address of ops %q is no URL: %w", address, err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("the address of ops %q must look like http://127.0.0.1:8080", address)
	}
	return &Client{base: base, token: token, http: &http.Client{}, within: callTimeout, orderWithin: orderTimeout}, nil
}

// Status asks for everything that a first look needs.
func (c *Client) Status(ctx context.Context) (*opsv1.GetStatusResponse, []byte, error) {
	out := &opsv1.GetStatusResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/status", nil, nil, out)
	return out, raw, err
}

// Diagnosis has ops look at what the installation stands on.
func (c *Client) Diagnosis(ctx context.Context) (*opsv1.DiagnoseResponse, error) {
	out := &opsv1.DiagnoseResponse{}
	_, err := c.call(ctx, http.MethodGet, "/v1/diagnosis", nil, nil, out)
	return out, err
}

// Balance asks for the balance of one pipeline and run; empty strings mean all.
func (c *Client) Balance(ctx context.Context, pipeline, run string) (*opsv1.GetBalanceResponse, []byte, error) {
	out := &opsv1.GetBalanceResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/balance", values("pipeline", pipeline, "run", run), nil, out)
	return out, raw, err
}

// Pipelines lists the current revision of every definition.
func (c *Client) Pipelines(ctx context.Context) (*opsv1.ListPipelinesResponse, []byte, error) {
	out := &opsv1.ListPipelinesResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/pipelines", nil, nil, out)
	return out, raw, err
}

// Pipeline returns one definition.
func (c *Client) Pipeline(ctx context.Context, name string) (*opsv1.GetPipelineResponse, []byte, error) {
	out := &opsv1.GetPipelineResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/pipelines/"+url.PathEscape(name), nil, nil, out)
	return out, raw, err
}

// PutPipeline applies a definition.
func (c *Client) PutPipeline(ctx context.Context, in *opsv1.PutPipelineRequest) (*opsv1.PutPipelineResponse, []byte, error) {
	out := &opsv1.PutPipelineResponse{}
	raw, err := c.call(ctx, http.MethodPut, "/v1/pipelines/"+url.PathEscape(in.GetName()), nil, in, out)
	return out, raw, err
}

// ResumePipeline lifts what pauses a pipeline.
func (c *Client) ResumePipeline(ctx context.Context, in *opsv1.ResumePipelineRequest) (*opsv1.ResumePipelineResponse, []byte, error) {
	out := &opsv1.ResumePipelineResponse{}
	raw, err := c.call(ctx, http.MethodPost, "/v1/pipelines/"+url.PathEscape(in.GetName())+":resume", nil, in, out)
	return out, raw, err
}

// Revisions lists the revisions of a definition, the newest first.
func (c *Client) Revisions(ctx context.Context, name string) (*opsv1.ListRevisionsResponse, []byte, error) {
	out := &opsv1.ListRevisionsResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/pipelines/"+url.PathEscape(name)+"/revisions", nil, nil, out)
	return out, raw, err
}

// Diff compares two revisions of a definition; to 0 = the current one, from 0 = the one before to.
func (c *Client) Diff(ctx context.Context, name string, from, to int) (*opsv1.DiffRevisionsResponse, []byte, error) {
	q := url.Values{}
	for key, n := range map[string]int{"from": from, "to": to} {
		if n > 0 {
			q.Set(key, strconv.Itoa(n))
		}
	}
	out := &opsv1.DiffRevisionsResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/pipelines/"+url.PathEscape(name)+":diff", q, nil, out)
	return out, raw, err
}

// RollbackPipeline applies the text of an earlier revision as a new one.
func (c *Client) RollbackPipeline(ctx context.Context, in *opsv1.RollbackPipelineRequest) (*opsv1.RollbackPipelineResponse, []byte, error) {
	out := &opsv1.RollbackPipelineResponse{}
	raw, err := c.call(ctx, http.MethodPost, "/v1/pipelines/"+url.PathEscape(in.GetName())+":rollback", nil, in, out)
	return out, raw, err
}

// Resolve decides unresolved letters.
func (c *Client) Resolve(ctx context.Context, in *opsv1.ResolveRecordsRequest) (*opsv1.ResolveRecordsResponse, []byte, error) {
	out := &opsv1.ResolveRecordsResponse{}
	raw, err := c.call(ctx, http.MethodPost, "/v1/dead-letters:resolve", nil, in, out)
	return out, raw, err
}

// Reread orders a part of a pipeline's stream to be read again.
func (c *Client) Reread(ctx context.Context, in *opsv1.RereadRecordsRequest) (*opsv1.RereadRecordsResponse, []byte, error) {
	out := &opsv1.RereadRecordsResponse{}
	raw, err := c.call(ctx, http.MethodPost, "/v1/pipelines/"+url.PathEscape(in.GetPipeline())+":reread", nil, in, out)
	return out, raw, err
}

// GetReread says how far an order to read again has come.
func (c *Client) GetReread(ctx context.Context, id string) (*opsv1.GetRereadResponse, []byte, error) {
	out := &opsv1.GetRereadResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/rereads/"+url.PathEscape(id), nil, nil, out)
	return out, raw, err
}

// DeadLetters returns one page of letters.
func (c *Client) DeadLetters(ctx context.Context, in *opsv1.ListDeadLettersRequest) (*opsv1.ListDeadLettersResponse, []byte, error) {
	q := values("pipeline", in.GetPipeline(), "class", in.GetClass(), "code", in.GetCode(), "group", in.GetGroup(),
		"run", in.GetRun(), "state", in.GetState(), "page_token", in.GetPageToken())
	if in.GetPageSize() > 0 {
		q.Set("page_size", strconv.Itoa(int(in.GetPageSize())))
	}
	out := &opsv1.ListDeadLettersResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/dead-letters", q, nil, out)
	return out, raw, err
}

// DeadLetter returns one letter with its payload and attempts.
func (c *Client) DeadLetter(ctx context.Context, id string) (*opsv1.GetDeadLetterResponse, []byte, error) {
	out := &opsv1.GetDeadLetterResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/dead-letters/"+url.PathEscape(id), nil, nil, out)
	return out, raw, err
}

// DeadLetterGroups returns the open letters grouped by cause: the largest groups, and how many there are beyond.
func (c *Client) DeadLetterGroups(ctx context.Context, in *opsv1.ListDeadLetterGroupsRequest) (*opsv1.ListDeadLetterGroupsResponse, []byte, error) {
	q := values("pipeline", in.GetPipeline(), "class", in.GetClass(), "code", in.GetCode(), "group", in.GetGroup(), "run", in.GetRun())
	out := &opsv1.ListDeadLetterGroupsResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/dead-letter-groups", q, nil, out)
	return out, raw, err
}

// Replay orders letters to be sent again.
func (c *Client) Replay(ctx context.Context, in *opsv1.ReplayDeadLettersRequest) (*opsv1.ReplayDeadLettersResponse, []byte, error) {
	out := &opsv1.ReplayDeadLettersResponse{}
	raw, err := c.order(ctx, "/v1/dead-letters:replay", in, out)
	return out, raw, err
}

// Discard gives letters up.
func (c *Client) Discard(ctx context.Context, in *opsv1.DiscardDeadLettersRequest) (*opsv1.DiscardDeadLettersResponse, []byte, error) {
	out := &opsv1.DiscardDeadLettersResponse{}
	raw, err := c.order(ctx, "/v1/dead-letters:discard", in, out)
	return out, raw, err
}

// Records returns the histories that a key (or an entity) has, in one pipeline or in all.
func (c *Client) Records(ctx context.Context, pipeline, key, entity string) (*opsv1.ListRecordsResponse, []byte, error) {
	out := &opsv1.ListRecordsResponse{}
	raw, err := c.call(ctx, http.MethodGet, "/v1/records", values("pipeline", pipeline, "key", key, "entity", entity), nil, out)
	return out, raw, err
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out proto.Message) ([]byte, error) {
	return c.callWithin(ctx, c.within, method, path, query, in, out)
}

// order is a call that moves as many letters as a filter matches.
func (c *Client) order(ctx context.Context, path string, in, out proto.Message) ([]byte, error) {
	return c.callWithin(ctx, c.orderWithin, http.MethodPost, path, nil, in, out)
}

func (c *Client) callWithin(caller context.Context, within time.Duration, method, path string, query url.Values, in, out proto.Message) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(caller, within, fmt.Errorf("no reply within %s", within))
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("request of %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	target := c.base.String() + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("request of %s: %w", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(caller, ctx, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, c.unreachable(caller, ctx, err)
	case len(raw) > maxReply:
		return nil, fmt.Errorf("ops at %s answered %s with more than %d bytes", c.base, path, maxReply)
	case resp.StatusCode/100 != 2:
		return nil, c.failure(resp.StatusCode, raw)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, out); err != nil {
		return nil, &UnreachableError{Address: c.base.String(), Err: fmt.Errorf("what answers there is not ops: %w", err)}
	}
	return raw, nil
}

// unreachable says why there is no whole reply: the caller does not wait any more, the call's own time is over, or what net/http says.
func (c *Client) unreachable(caller, call context.Context, err error) error {
	switch {
	case caller.Err() != nil:
		return caller.Err()
	case call.Err() != nil:
		err = context.Cause(call)
	}
	return &UnreachableError{Address: c.base.String(), Err: withoutURL(err)}
}

// withoutURL takes the URL out of an error of net/http: the address is said already, and a query may hold a key.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// failure reads the gateway's error body {code, message}; anything else came from something between us and ops.
func (c *Client) failure(status int, raw []byte) error {
	var body struct {
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}
	if json.Unmarshal(raw, &body) != nil || body.Message == "" {
		return &UnreachableError{Address: c.base.String(), Err: fmt.Errorf("status %d without ops' words", status)}
	}
	if body.Code == codes.Unauthenticated {
		body.Message += " (bulkhead reads it from the file that --token-file or BULKHEAD_TOKEN_FILE names)"
	}
	return &Error{Code: body.Code, Message: body.Message}
}
