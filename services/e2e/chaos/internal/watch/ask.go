package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Bounds of one question.
const (
	askTime   = 2 * time.Second
	maxAnswer = 64 << 20
)

// client keeps no connection: what it speaks to is killed at any moment.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get asks for a JSON value. token "" = none.
func get(ctx context.Context, url, token string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %d: %.300s", url, resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("GET %s: %w: %.300s", url, err, answer)
	}
	return nil
}

// Balances asks the instances of ops, one after the other, for the balance of every pipeline; first says which one is asked first.
func Balances(ctx context.Context, t history.Target, first int) (map[string]history.Balance, error) {
	return balances(ctx, t, first)
}

// balances asks one of the instances of ops for the balance of every pipeline; first says which one is asked first.
func balances(ctx context.Context, t history.Target, first int) (map[string]history.Balance, error) {
	var answer struct {
		AddsUp    bool `json:"adds_up"`
		Pipelines map[string]struct {
			Balance history.Balance `json:"balance"`
			Repeats int64           `json:"repeats"`
			Unread  struct {
				Messages int64 `json:"messages"`
			} `json:"unread"`
		} `json:"pipelines"`
	}
	var err error
	for i := range t.OpsURLs {
		if err = get(ctx, t.OpsURLs[(first+i)%len(t.OpsURLs)]+"/v1/balance", t.Token, &answer); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]history.Balance, len(answer.Pipelines))
	for name, p := range answer.Pipelines {
		b := p.Balance
		b.Repeats, b.Unread = p.Repeats, p.Unread.Messages
		out[name] = b
	}
	return out, nil
}

// job is one as the simulator tells of it.
type job struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Gone      string `json:"gone"`
	Processed int64  `json:"processed"`
}

func (j job) finished() bool {
	return j.Gone != "" || j.State == "JobComplete" || j.State == "Failed" || j.State == "Aborted"
}

func jobs(ctx context.Context, t history.Target) ([]job, error) {
	var out []job
	return out, get(ctx, t.ControlURL+"/jobs", "", &out)
}
