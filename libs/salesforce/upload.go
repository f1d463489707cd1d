package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
// unknown; body opens it, from its start each time: a transport that has to send anew, as HTTP/2 has when the server did not look at the request, gets
// the whole content again and never what the first attempt left of it. Any error means: leave this job and create a new one. Errors after the request began wrap
// [ErrUploadUnsure], also a 401, for which a new login was made so that the next job finds a good session.
//
// The content counts as uploaded only when the reply is 2xx, is no page of the edge, and all of it had been read. body's reader is closed in any case;
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
	told, err := c.allowed(ctx)
	if err != nil {
		return err
	}
	content := &uploadContent{open: body}
	if _, err := content.next(); err != nil {
		told(Verdict{})
		return fmt.Errorf("salesforce %s: content cannot be opened: %w", r.endpoint(), err)
	}

	putCtx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeouts.Upload, errCallTimeout)
	err = c.put(putCtx, s, r, size, content)
	cancel()
	content.awaitClosed(bodyCloseWait)
	told(verdictOf(ctx, err, false))
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

func (c *Client) put(ctx context.Context, s *session, r request, size int64, content *uploadContent) error {
	hr, err := c.newRequest(ctx, s, r, nil)
	if err != nil {
		content.close()
		return err
	}
	if size == 0 {
		content.close()
		hr.Body = http.NoBody // a zero ContentLength beside a body would mean "unknown"
	} else {
		hr.Body, hr.ContentLength, hr.GetBody = content.last(), size, content.next
	}
	hr.Header.Set("Content-Type", "text/csv; charset=UTF-8")
	if size < 0 || size >= expectContinueFrom {
		hr.Header.Set("Expect", "100-continue")
	}
	resp, err := c.send(hr, r)
	if err != nil {
		if contentErr := content.last().failure(); contentErr != nil {
			return fmt.Errorf("salesforce %s: content: %w", r.endpoint(), contentErr)
		}
		return err
	}
	defer drainAndClose(resp.Body)
	if err := c.refusePage(r, resp); err != nil {
		return err
	}
	// A server can answer before it has read everything. Such a 201 says nothing of the rest.
	if sent := content.last(); size != 0 && !sent.complete(size) {
		return fmt.Errorf("salesforce %s: answered %d after %d bytes, before the content was sent", r.endpoint(), resp.StatusCode, sent.read.Load())
	}
	return nil
}
