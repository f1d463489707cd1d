// Package org speaks with the simulated org by its control API, which is not counted among the org's calls. Every question is bounded in time and in
// the size of its answer.
package org

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	askFor = 30 * time.Second
	// maxReply bounds an answer: the list of calls is the longest one, some 300 bytes for each of at most 220,000.
	maxReply = 128 << 20
	// maxLines bounds an answer that is read line by line and not kept, and readFor how long that takes: of ten million records each row is some 500
	// bytes, and half a million rows go by collections, some 500 bytes each.
	maxLines, readFor = 16 << 30, 15 * time.Minute
)

// Org is one simulated org. Its client is its own, so that connections of measured runs are not shared with it.
type Org struct {
	base string
	http *http.Client
}

// New returns the org whose simulator serves at url.
func New(url string) *Org {
	return &Org{base: strings.TrimRight(url, "/") + "/sim/", http: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

// errNone says that the org has none such.
var errNone = errors.New("not found")

// fetch returns the body of an answer, which the caller closes, and what its header says is lost.
func (o *Org) fetch(ctx context.Context, method, path string, body []byte) (answer io.ReadCloser, lost string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, o.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("org: %w", err)
	}
	resp, err := o.http.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("org: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, resp.Header.Get("Lost"), nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return nil, "", fmt.Errorf("org: %s %s: %w", method, path, errNone)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // the status is enough
	return nil, "", fmt.Errorf("org: %s %s answers %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
}

func (o *Org) ask(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answer, _, err := o.fetch(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer, maxReply))
	if err != nil {
		return fmt.Errorf("org: %s %s: %w", method, path, err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("org: answer to %s %s: %w", method, path, err)
	}
	return nil
}

// AtOnce makes the org answer and save without any wait of its own.
func (o *Org) AtOnce(ctx context.Context) error {
	return o.ask(ctx, http.MethodPost, "settings", []byte(`{"queue_delay":"0s","rows_per_second":0}`), nil)
}

// Script gives the org rules for its faults, in its own JSON.
func (o *Org) Script(ctx context.Context, rules []byte) error {
	return o.ask(ctx, http.MethodPost, "faults", rules, nil)
}

// Hits is how often the org's rules had an effect.
func (o *Org) Hits(ctx context.Context) (n int64, err error) {
	var rules []struct {
		Hits int64 `json:"hits"`
	}
	err = o.ask(ctx, http.MethodGet, "faults", nil, &rules)
	for _, r := range rules {
		n += r.Hits
	}
	return n, err
}

// Rows is how many rows of an object it holds.
func (o *Org) Rows(ctx context.Context, object string) (int64, error) {
	var counts map[string]struct {
		Rows int64 `json:"rows"`
	}
	err := o.ask(ctx, http.MethodGet, "counts", nil, &counts)
	return counts[object].Rows, err
}

// Worked is how many rows the org worked on, a row each time that it did.
type Worked struct {
	// Saved are those that it saved, Refused those that it did not.
	Saved, Refused int64
}

// Job is one that the org was ever asked to make.
type Job struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Gone      string `json:"gone"`   // deleted, expired or vanished; "" = none of them
	Closed    bool   `json:"closed"` // a close had its effect, so rows may have been saved
	Rows      int64  `json:"upload_rows"`
	Processed int64  `json:"processed"`
	Failed    int64  `json:"failed"`
}

// Jobs are all that there ever were.
func (o *Org) Jobs(ctx context.Context) (out []Job, err error) {
	err = o.ask(ctx, http.MethodGet, "jobs", nil, &out)
	return out, err
}

// Worked sums up every job there was and every call of collections: what the org really did, whatever it answered.
func (o *Org) Worked(ctx context.Context) (out Worked, err error) {
	jobs, err := o.Jobs(ctx)
	if err != nil {
		return out, err
	}
	for _, j := range jobs {
		out.Saved += j.Processed - j.Failed
		out.Refused += j.Failed
	}
	type call struct {
		Rows []struct {
			Outcome string `json:"outcome"`
		} `json:"rows"`
	}
	err = Lines(ctx, o, "collections", func(c call) error {
		for _, row := range c.Rows {
			if row.Outcome == "failed" {
				out.Refused++
			} else {
				out.Saved++
			}
		}
		return nil
	})
	return out, err
}

// Lines gives each line of the answer to a path of the control API to a function, until that returns an error. What the org does not remember any more is
// an error.
func Lines[T any](ctx context.Context, o *Org, path string, each func(T) error) error {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	answer, lost, err := o.fetch(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	if lost != "" && lost != "0" {
		return fmt.Errorf("org: %s of %s are forgotten already", lost, path)
	}
	for in := json.NewDecoder(io.LimitReader(answer, maxLines)); ; {
		var line T
		err := in.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("org: %s: %w", path, err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// Record is a row of the org.
type Record struct {
	ID       string            `json:"id"`
	Fields   map[string]string `json:"fields"`
	Versions []Version         `json:"versions"` // oldest first
}

// Version is what a row held from one save to the next.
type Version struct {
	At     time.Time         `json:"at"`
	Job    string            `json:"job"` // "" = a call of collections saved it
	Fields map[string]string `json:"fields"`
}

// Record returns a row by its external id; ok is false when the org does not hold it.
func (o *Org) Record(ctx context.Context, object, key string) (rec Record, ok bool, err error) {
	err = o.ask(ctx, http.MethodGet, "records/"+url.PathEscape(object)+"/"+url.PathEscape(key), nil, &rec)
	if errors.Is(err, errNone) {
		return Record{}, false, nil
	}
	return rec, err == nil, err
}

// Records gives every row of an object with its versions to a function, until that returns an error.
func (o *Org) Records(ctx context.Context, object string, each func(Record) error) error {
	return Lines(ctx, o, "records/"+url.PathEscape(object)+"?versions=all", each)
}

// Call is one call that the org was sent.
type Call struct {
	Endpoint string `json:"endpoint"`
	Method   string `json:"method"`
	Path     string `json:"path"`
	Job      string `json:"job_id"`
	Status   int    `json:"status"`
	// Received and Sent are the bytes of the bodies of request and answer.
	Received int64 `json:"bytes_received"`
	Sent     int64 `json:"bytes_sent"`
}

// Counted says that the call is one of the org's REST API, which counts against its daily limit; a login does not.
func (c Call) Counted() bool { return strings.HasPrefix(c.Path, "/services/data/v") }

// Calls are those that the org was sent so far. It is an error when it does not remember them all.
func (o *Org) Calls(ctx context.Context) ([]Call, error) {
	var out struct {
		Calls []Call `json:"calls"`
		Lost  int64  `json:"lost"`
	}
	if err := o.ask(ctx, http.MethodGet, "calls", nil, &out); err != nil {
		return nil, err
	}
	if out.Lost > 0 {
		return nil, fmt.Errorf("org: %d calls are forgotten already", out.Lost)
	}
	return out.Calls, nil
}
