package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxReply bounds an answer of the simulator's control API to us.
	maxReply = 1 << 20
	// queueDelay is how long a closed job waits in the org: long enough that it is seen Queued at times.
	queueDelay = "20ms"
)

// setUpOrg gives the org its pace.
func (s *Stack) setUpOrg(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{"rows_per_second": s.o.Plan.RowsPerSecond, "queue_delay": queueDelay})
	if err != nil {
		return fmt.Errorf("settings of the org: %w", err)
	}
	return s.ask(ctx, http.MethodPost, "/settings", body, nil)
}

// Script gives the org rules for its own faults, in its own JSON, and returns their ids.
func (s *Stack) Script(ctx context.Context, script []byte) (ids []string, err error) {
	var out struct {
		IDs []string `json:"ids"`
	}
	err = s.ask(ctx, http.MethodPost, "/faults", script, &out)
	return out.IDs, err
}

// Hits is how often rules of the org with these ids had an effect.
func (s *Stack) Hits(ctx context.Context, ids ...string) (int, error) {
	var rules []struct {
		ID   string `json:"id"`
		Hits int    `json:"hits"`
	}
	if err := s.ask(ctx, http.MethodGet, "/faults", nil, &rules); err != nil {
		return 0, err
	}
	hits := 0
	for _, r := range rules {
		if slices.Contains(ids, r.ID) {
			hits += r.Hits
		}
	}
	return hits, nil
}

// Unscript takes rules of the org away: those with these ids, or all.
func (s *Stack) Unscript(ctx context.Context, ids ...string) error {
	return s.ask(ctx, http.MethodDelete, "/faults?"+url.Values{"id": ids}.Encode(), nil, nil)
}

// ask speaks with the control API.
func (s *Stack) ask(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.ControlURL()+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("org: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("org: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("org: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("org: %s %s answers %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("org: answer to %s %s: %w", method, path, err)
	}
	return nil
}
