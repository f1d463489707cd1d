package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Bounds of a call of ops or of the org.
const (
	callTime  = 3 * time.Second
	maxAnswer = 64 << 20
)

// seed puts the seeded rows into the org. It returns the Ids of those that records name by them, by Ext__c.
func (l *Load) seed(ctx context.Context, t history.Target) (map[string]string, error) {
	for _, object := range l.objects() {
		body := map[string]any{"object": object, "records": l.Seeds[object]}
		status, answer, err := call(ctx, t, http.MethodPost, t.ControlURL+"/seed", "", body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %.500s", status, answer)
		}
		if err != nil {
			return nil, fmt.Errorf("seed rows of %s: %w", object, err)
		}
	}
	ids := map[string]string{}
	for _, p := range all() {
		if p.Field != "Id" {
			continue
		}
		status, answer, err := call(ctx, t, http.MethodGet, t.ControlURL+"/records/"+p.Object, "", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %.500s", status, answer)
		}
		if err != nil {
			return nil, fmt.Errorf("ids of the rows of %s: %w", p.Object, err)
		}
		lines := bufio.NewScanner(bytes.NewReader(answer))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var row struct {
				ID     string            `json:"id"`
				Fields map[string]string `json:"fields"`
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				return nil, fmt.Errorf("a row of %s: %w", p.Object, err)
			}
			ids[row.Fields[extField]] = row.ID
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("rows of %s: %w", p.Object, err)
		}
	}
	return ids, nil
}

// overNetwork keeps no connection: what it speaks to is killed at any moment.
var overNetwork = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: callTime}}

// call makes one HTTP call, by way of the target's HTTP. in is sent as JSON; nil = no body. token "" = none. An error is one of the way there.
func call(ctx context.Context, t history.Target, method, url, token string, in any) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = strings.NewReader(string(text))
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := overNetwork
	if t.HTTP != nil {
		client = &http.Client{Transport: t.HTTP}
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}
