package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// retryWait decides whether a call that can be repeated without harm is sent again after its try number attempt (from 1) failed with err,
// and after what wait. draw is a random number in [0, 1).
func retryWait(policy Retry, attempt int, err error, draw float64) (time.Duration, bool) {
	if attempt >= policy.Tries || !worthRepeating(err) {
		return 0, false
	}
	wait := policy.jittered(attempt, draw)
	if hint, ok := RetryAfterHint(err); ok {
		if hint > policy.Max {
			return 0, false // such a wait is the caller's to plan, not to be slept through here
		}
		wait = max(wait, hint)
	}
	return wait, true
}

// jittered is the wait after a number of tries (from 1), nearly fully jittered: callers that failed together must not come back together, and none comes
// back at once.
func (r Retry) jittered(attempt int, draw float64) time.Duration {
	ceiling := r.Max
	if shift := max(attempt-1, 0); shift < 30 && r.Base<<shift < r.Max {
		ceiling = r.Base << shift
	}
	return ceiling/10 + time.Duration(draw*float64(ceiling-ceiling/10))
}

// worthRepeating says whether the failure may be gone in a moment.
func worthRepeating(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false // it will be as bad the next time, and hammering hides it
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case statusEdgeNoRoute, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusOK, http.StatusPartialContent:
		return e.Code == "" // a page or half a reply instead of the answer
	}
	return false
}

// pause waits, or says why it could not. The error keeps both what failed and what ended the wait.
func pause(ctx context.Context, wait time.Duration, failed error) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w; not tried again: %w", failed, context.Cause(ctx))
	}
}
