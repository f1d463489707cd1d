package opsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// exportStall bounds how long an export may deliver nothing; a whole one lasts as long as it has to.
	exportStall = 2 * time.Minute
	// headerRecords announces the number of an export's records.
	headerRecords = "Bulkhead-Records"
	// maxRefusal bounds the body of a refusal.
	maxRefusal = 1 << 20
)

// BrokenExportError says that an export ended before its end.
type BrokenExportError struct {
	Address string
	Err     error
}

func (e *BrokenExportError) Error() string {
	return fmt.Sprintf("the export from ops at %s broke off: %v (ops' log says why)", e.Address, e.Err)
}

func (e *BrokenExportError) Unwrap() error { return e.Err }

// Export is a download under way. Read it to its end and close it.
type Export struct {
	// Records is how many records ops announced; whoever reads fewer has no whole export.
	Records int64

	address string
	body    io.ReadCloser
	cancel  context.CancelCauseFunc
	ctx     context.Context //nolint:containedctx // it is the download's own, and ends with Close
	timer   *time.Timer
}

var errStalled = errors.New("nothing came for " + exportStall.String())

// Export asks for the records of a kind (landed, failed) in a format (csv, ndjson); run "" = all runs.
func (c *Client) Export(ctx context.Context, kind, pipeline, run, format string) (*Export, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	e := &Export{address: c.base.String(), ctx: ctx, cancel: cancel, timer: time.AfterFunc(exportStall, func() { cancel(errStalled) })}
	target := c.base.String() + "/v1/exports/" + url.PathEscape(kind) + "?" + values("pipeline", pipeline, "run", run, "format", format).Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("request of an export: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req) // the stall bounds it
	if err != nil {
		defer e.stop()
		return nil, e.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer e.stop()
		defer resp.Body.Close()
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		if err != nil {
			return nil, e.unreachable(err)
		}
		return nil, c.failure(resp.StatusCode, raw)
	}
	e.body = resp.Body
	if e.Records, err = strconv.ParseInt(resp.Header.Get(headerRecords), 10, 64); err != nil || e.Records < 0 {
		return nil, errors.Join(&UnreachableError{Address: e.address, Err: errors.New("what answers there is not ops: it announces no number of records")}, e.Close())
	}
	return e, nil
}

func (e *Export) unreachable(err error) error {
	if cause := context.Cause(e.ctx); cause != nil && !errors.Is(cause, errStalled) {
		return cause
	}
	return &UnreachableError{Address: e.address, Err: withoutURL(err)}
}

// Read reads the export as ops sends it. An error other than io.EOF is a *BrokenExportError, or the end of the caller's context.
func (e *Export) Read(p []byte) (int, error) {
	n, err := e.body.Read(p)
	if n > 0 {
		e.timer.Reset(exportStall)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err //nolint:wrapcheck // io.EOF must stay as it is
	}
	switch cause := context.Cause(e.ctx); {
	case errors.Is(cause, errStalled):
		err = cause
	case cause != nil:
		return n, cause
	}
	return n, &BrokenExportError{Address: e.address, Err: err}
}

// Close ends the download.
func (e *Export) Close() error {
	defer e.stop()
	return e.body.Close()
}

func (e *Export) stop() {
	e.timer.Stop()
	e.cancel(nil)
}
