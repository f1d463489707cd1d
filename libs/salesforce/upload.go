package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// expectContinueFrom is the size from which the server is asked before the body is sent: a refused session then costs a
	// header, not an upload.
	expectContinueFrom = 64 << 10
	// bodyCloseWait is how long an upload that ended waits for the transport to let go of the body.
	bodyCloseWait = 5 * time.Second
)

// Upload sends a job's one and only content: one PUT, never repeated here. size is the content's length in bytes, -1 if
// unknown; body opens it. Any error means: leave this job and create a new one. Errors after the request began wrap
// [ErrUploadUnsure], also a 401, for which a new login was made so that the next job finds a good session.
//
// The content counts as uploaded only when the reply is 2xx and all of it had been read. body's reader is closed in any case;
// after an error it may be read for up to five seconds more while the connection is torn down, not longer unless its Read blocks.
func (c *Client) Upload(ctx context.Context, jobID string, size int64, body func() (io.ReadCloser, error)) error {
	r := request{method: http.MethodPut, path: jobsPath + "/" + jobID + "/batches", route: jobRoute + "/batches"}
	if problem := jobIDProblem(jobID); problem != "" {
		return &RequestError{Endpoint: r.method + " " + r.route, Problem: problem}
	}
	if size > MaxUploadBytes {
		return &RequestError{Endpoint: r.endpoint(), Problem: fmt.Sprintf("%d bytes are more than the %d that one job takes: cut smaller chunks", size, MaxUploadBytes)}
	}
	s, err := c.uploadSession(ctx)
	if err != nil {
		return err
	}
	content, err := body()
	if err != nil {
		return fmt.Errorf("salesforce %s: content cannot be opened: %w", r.endpoint(), err)
	}
	metered := newMeteredBody(content)

	putCtx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeouts.Upload, errCallTimeout)
	err = c.put(putCtx, s, r, size, metered)
	cancel()
	metered.awaitClosed(bodyCloseWait)
	if err == nil {
		return nil
	}
	if sessionLost(err, false) {
		if _, renewErr := c.renew(ctx, s); renewErr != nil {
			err = errors.Join(err, renewErr)
		}
	}
	return fmt.Errorf("%w: %w", ErrUploadUnsure, err)
}

func (c *Client) put(ctx context.Context, s *session, r request, size int64, content *meteredBody) error {
	hr, err := c.newRequest(ctx, s, r, nil)
	if err != nil {
		_ = content.Close()
		return err
	}
	if size == 0 {
		_ = content.Close()
		hr.Body = http.NoBody // a zero ContentLength beside a body would mean "unknown"
	} else {
		hr.Body, hr.ContentLength = content, size
	}
	hr.Header.Set("Content-Type", "text/csv; charset=UTF-8")
	if size < 0 || size >= expectContinueFrom {
		hr.Header.Set("Expect", "100-continue")
	}
	resp, err := c.send(hr, r)
	if err != nil {
		if contentErr := content.failure(); contentErr != nil {
			return fmt.Errorf("salesforce %s: content: %w", r.endpoint(), contentErr)
		}
		return err
	}
	drainAndClose(resp.Body)
	// A server can answer before it has read everything. Such a 201 says nothing of the rest.
	if size != 0 && !content.complete(size) {
		return fmt.Errorf("salesforce %s: answered %d after %d bytes, before the content was sent", r.endpoint(), resp.StatusCode, content.read.Load())
	}
	return nil
}

// meteredBody counts what the transport reads, refuses more than an upload may hold, and says when the transport has let go of it.
type meteredBody struct {
	content io.ReadCloser
	read    atomic.Int64
	ended   atomic.Bool
	failed  atomic.Pointer[error]
	closed  chan struct{}
	close   func() error
}

func newMeteredBody(content io.ReadCloser) *meteredBody {
	b := &meteredBody{content: content, closed: make(chan struct{})}
	b.close = sync.OnceValue(func() error {
		defer close(b.closed)
		return content.Close()
	})
	return b
}

// Read reads on.
func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.content.Read(p)
	if b.read.Add(int64(n)) > MaxUploadBytes {
		err = fmt.Errorf("content above %d bytes: %w", MaxUploadBytes, ErrTooLarge)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
	default:
		b.failed.Store(&err)
	}
	return n, err
}

// Close closes the content once.
func (b *meteredBody) Close() error { return b.close() }

// complete says whether all of the content was read. With a known size the bytes decide: the transport may stop before it sees the end.
func (b *meteredBody) complete(size int64) bool {
	if size > 0 {
		return b.read.Load() == size
	}
	return b.ended.Load()
}

func (b *meteredBody) failure() error {
	if p := b.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (b *meteredBody) awaitClosed(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-b.closed:
	case <-timer.C:
	}
}
