package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Bounds of one question.
const (
	askTime  = 10 * time.Second
	maxReply = 256 << 20
	maxError = 2 << 10
	// tries and pause are for what may only be busy: an export that is one too many, an instance that has just come back.
	tries = 40
	pause = 50 * time.Millisecond
)

// overNetwork has connections of its own for the many small questions.
var overNetwork = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}

// errRefused is an answer that another try does not change, errNone the one of them that says that there is no such thing.
// errNotWhole is an answer that was begun and did not come to its end, or is not what it says it is.
var (
	errRefused  = errors.New("refused")
	errNone     = fmt.Errorf("%w: there is none", errRefused)
	errNotWhole = errors.New("not whole")
)

// read gives the answer to a GET, which take reads whole.
func read(ctx context.Context, t history.Target, url, token string, take func(http.Header, io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := overNetwork
	if t.HTTP != nil {
		client = &http.Client{Transport: t.HTTP}
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // what matters of it was read
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxError)) // the status says enough without it
		err := fmt.Errorf("ask %s: status %d: %s", url, res.StatusCode, text)
		if res.StatusCode == http.StatusNotFound {
			return fmt.Errorf("%w: %w", errNone, err)
		}
		if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	body := &io.LimitedReader{R: res.Body, N: maxReply}
	if err := take(res.Header, body); err != nil {
		return fmt.Errorf("answer of %s: %w: %w", url, errNotWhole, err)
	}
	if body.N == 0 {
		return fmt.Errorf("answer of %s is longer than %d bytes", url, maxReply)
	}
	return nil
}

// ask gives a JSON answer.
func ask[T any](ctx context.Context, t history.Target, url, token string) (T, error) {
	var v T
	err := read(ctx, t, url, token, func(_ http.Header, body io.Reader) error {
		var next T // what a broken answer left behind must not stay
		if err := json.NewDecoder(body).Decode(&next); err != nil {
			return err
		}
		v = next
		return nil
	})
	return v, err
}

// again asks until there is an answer, a refusal, or no time and no try left; n counts the tries from 0.
func again(ctx context.Context, ask func(n int) error) error {
	var last error
	for n := range tries {
		if last = ask(n); last == nil || errors.Is(last, errRefused) {
			return last
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), last)
		case <-timer.C:
		}
	}
	return last
}
