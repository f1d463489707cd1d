// Package floor is the least that loading by Bulk API 2.0 takes: files of CSV that are there already are streamed into jobs, one after the other, and
// their result files are read and thrown away. Nothing is validated, remembered, sent again or accounted for. What the product takes is measured
// against it, on the same simulator and with the same rows.
package floor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/services/e2e/bench/internal/people"
)

const (
	// maxUpload is what a job takes, in bytes of CSV: Salesforce takes 150 MB base64-encoded, 100 MB raw.
	maxUpload = 100_000_000
	apiPath   = "/services/data/v66.0/jobs/ingest"
	// looking is the pause between two looks at a job.
	looking = 50 * time.Millisecond
	maxInfo = 1 << 20
	callFor = 10 * time.Minute
)

// Write writes records 0 to n-1 as CSV into files of a directory, each with its header and of a size that one job takes. It returns their names in
// order and their bytes in all.
func Write(dir string, n int64) (files []string, total int64, err error) {
	for i := int64(0); i < n; {
		name := filepath.Join(dir, fmt.Sprintf("records-%02d.csv", len(files)+1))
		next, size, err := writeOne(name, i, n)
		if err != nil {
			return nil, 0, fmt.Errorf("write CSV: %w", err)
		}
		files, total, i = append(files, name), total+size, next
	}
	return files, total, nil
}

func writeOne(name string, from, n int64) (next, size int64, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // a directory of the caller's
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	row := []byte(people.Header)
	for i := from; ; i++ {
		if size+int64(len(row)) > maxUpload {
			return i - 1, size, w.Flush()
		}
		if _, err := w.Write(row); err != nil {
			return 0, 0, err
		}
		size += int64(len(row))
		if i == n {
			return n, size, w.Flush()
		}
		row = people.AppendCSV(row[:0], i)
	}
}

// Result is what a load took. Every client that is measured prints one as its last line.
type Result struct {
	Seconds    float64 `json:"seconds"`
	Jobs       int     `json:"jobs"`
	Landed     int64   `json:"landed"`
	Failed     int64   `json:"failed"`
	Downloaded int64   `json:"downloaded"`
}

type client struct {
	base, token string
	http        *http.Client
}

// Run loads the files into the org at base.
func Run(ctx context.Context, base, clientID, secret string, files []string) (Result, error) {
	c := &client{base: base, http: &http.Client{Timeout: callFor, Transport: &http.Transport{DisableCompression: true}}}
	started := time.Now()
	if err := c.login(ctx, clientID, secret); err != nil {
		return Result{}, err
	}
	var out Result
	for _, f := range files {
		if err := c.load(ctx, f, &out); err != nil {
			return out, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
	}
	out.Seconds = time.Since(started).Seconds()
	return out, nil
}

func (c *client) login(ctx context.Context, id, secret string) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}.Encode()
	var said struct {
		Token string `json:"access_token"`
	}
	err := c.call(ctx, http.MethodPost, "/services/oauth2/token", "application/x-www-form-urlencoded", strings.NewReader(form), int64(len(form)), &said)
	c.token = said.Token
	return err
}

// job is what the org says of one.
type job struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Rows   int64  `json:"numberRecordsProcessed"`
	Failed int64  `json:"numberRecordsFailed"`
	Error  string `json:"errorMessage"`
}

func (c *client) load(ctx context.Context, file string, out *Result) error {
	var j job
	err := c.json(ctx, http.MethodPost, apiPath, map[string]string{
		"object": people.Object, "operation": "upsert", "externalIdFieldName": people.KeyField, "contentType": "CSV", "lineEnding": "LF",
	}, &j)
	if err != nil {
		return err
	}
	at := apiPath + "/" + url.PathEscape(j.ID)
	f, err := os.Open(file) //nolint:gosec // the caller's own file
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPut, at+"/batches", "text/csv", f, info.Size(), nil); err != nil {
		return err
	}
	if err := c.json(ctx, http.MethodPatch, at, map[string]string{"state": "UploadComplete"}, nil); err != nil {
		return err
	}
	for j.State != "JobComplete" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(looking):
		}
		if err := c.json(ctx, http.MethodGet, at, nil, &j); err != nil {
			return err
		}
		if j.State == "Failed" || j.State == "Aborted" {
			return fmt.Errorf("job %s is %s: %s", j.ID, j.State, j.Error)
		}
	}
	for _, results := range []string{"successfulResults", "failedResults"} {
		n, err := c.drop(ctx, at+"/"+results)
		if err != nil {
			return err
		}
		out.Downloaded += n
	}
	out.Jobs++
	out.Landed += j.Rows - j.Failed
	out.Failed += j.Failed
	return nil
}

func (c *client) json(ctx context.Context, method, path string, body, into any) error {
	if body == nil {
		return c.call(ctx, method, path, "", http.NoBody, 0, into)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, "application/json", bytes.NewReader(text), int64(len(text)), into)
}

func (c *client) send(ctx context.Context, method, path, contentType string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status is enough
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s answers %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp, nil
}

func (c *client) call(ctx context.Context, method, path, contentType string, body io.Reader, size int64, into any) error {
	resp, err := c.send(ctx, method, path, contentType, body, size)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxInfo))
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// drop reads an answer to its end.
func (c *client) drop(ctx context.Context, path string) (int64, error) {
	resp, err := c.send(ctx, http.MethodGet, path, "", http.NoBody, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.Copy(io.Discard, resp.Body)
}
