package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// simulator talks to the control API of the simulated org.
type simulator struct {
	url  string // ends in /sim
	http *http.Client
}

func newSimulator(controlURL string) *simulator {
	return &simulator{url: controlURL, http: &http.Client{Timeout: 2 * time.Minute}}
}

// orgCount is what the org holds of one object.
type orgCount struct {
	Rows   int `json:"rows"`
	Seeded int `json:"seeded"`
}

// orgRow is one row that the org holds.
type orgRow struct {
	ID     string            `json:"id"`
	Seeded bool              `json:"seeded"`
	Fields map[string]string `json:"fields"`
}

func (s *simulator) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("simulator %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("simulator %s: %w", path, err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("simulator %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, fmt.Errorf("simulator %s: %s: %s", path, resp.Status, text)
	}
	return resp, nil
}

// ask fills out with the JSON reply; nil = the reply does not matter.
func (s *simulator) ask(ctx context.Context, method, path string, in, out any) error {
	resp, err := s.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("simulator %s: %w", path, err)
	}
	return nil
}

// prepare gives the org the rows that the duplicates clash with, and the locks that a retry heals.
func (s *simulator) prepare(ctx context.Context, l Load) error {
	seeded := make([]map[string]string, 0, len(l.SeededLoyalty))
	for _, n := range l.SeededLoyalty {
		seeded = append(seeded, map[string]string{"LastName": "Seeded", "Loyalty_Number__c": n})
	}
	if err := s.ask(ctx, http.MethodPost, "/seed", map[string]any{"object": "Contact", "records": seeded}, nil); err != nil {
		return err
	}
	var locked []string
	for _, c := range l.Contacts {
		if c.Fate == FateLocked {
			locked = append(locked, c.ID)
		}
	}
	return s.ask(ctx, http.MethodPost, "/faults", []map[string]any{{
		"id":            "demo-locks",
		"match":         map[string]any{"object": "Contact"},
		"where":         map[string]any{"keys": locked},
		"times_per_key": 1,
		"effect":        map[string]any{"kind": "row_error", "error": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"},
	}}, nil)
}

func (s *simulator) counts(ctx context.Context) (map[string]orgCount, error) {
	out := map[string]orgCount{}
	return out, s.ask(ctx, http.MethodGet, "/counts", nil, &out)
}

// rows calls f with each live row of an object.
func (s *simulator) rows(ctx context.Context, object string, f func(orgRow) error) error {
	resp, err := s.do(ctx, http.MethodGet, "/records/"+object, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r orgRow
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("simulator row of %s: %w", object, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

// work says how many jobs were closed and how many requests count against the org's limit.
func (s *simulator) work(ctx context.Context) (jobs, calls int, err error) {
	var views []struct {
		Closed bool `json:"closed"`
	}
	if err := s.ask(ctx, http.MethodGet, "/jobs", nil, &views); err != nil {
		return 0, 0, err
	}
	for _, v := range views {
		if v.Closed {
			jobs++
		}
	}
	var index struct {
		APICalls int `json:"api_calls"`
	}
	if err := s.ask(ctx, http.MethodGet, "/", nil, &index); err != nil {
		return 0, 0, err
	}
	return jobs, index.APICalls, nil
}
