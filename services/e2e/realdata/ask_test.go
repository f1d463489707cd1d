package realdata

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// get asks and hands the body of the answer to read.
func get(t *testing.T, url string, read func(io.Reader) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		t.Fatalf("%s: %s: %s", url, res.Status, body)
	}
	if err := read(res.Body); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// held is a row of the org.
type held struct {
	ID       string            `json:"id"`
	Versions int               `json:"version_count"`
	Fields   map[string]string `json:"fields"`
}

// rows returns what the org holds of an object, by a field.
func (s stack) rows(t *testing.T, object, key string) map[string]held {
	t.Helper()
	out := map[string]held{}
	get(t, s.control+"records/"+object, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var h held
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
				return err
			}
			if _, twice := out[h.Fields[key]]; twice {
				t.Errorf("%s: the org holds %s twice", object, h.Fields[key])
			}
			out[h.Fields[key]] = h
		}
		return lines.Err()
	})
	return out
}

// balance returns the terms of a pipeline that are not zero.
func (s stack) balance(t *testing.T, pipeline string) (terms map[string]int, repeats int) {
	t.Helper()
	var reply struct {
		Balance map[string]json.Number `json:"balance"`
		Repeats json.Number            `json:"repeats"`
	}
	get(t, s.ops+"/v1/balance?"+url.Values{"pipeline": {pipeline}}.Encode(), func(r io.Reader) error { return json.NewDecoder(r).Decode(&reply) })
	terms = map[string]int{}
	for name, n := range reply.Balance {
		if v, err := n.Int64(); err != nil {
			t.Errorf("balance of %s: %s is %q", pipeline, name, n)
		} else if v != 0 {
			terms[name] = int(v)
		}
	}
	n, _ := reply.Repeats.Int64()
	return terms, int(n)
}

// letter is an open dead letter.
type letter struct {
	ID      string `json:"id"`
	Key     string `json:"key"`
	Class   string `json:"class"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// letterCount is how many open letters of a pipeline ops knows.
func (s stack) letterCount(t *testing.T, pipeline string) int {
	t.Helper()
	var reply struct {
		Groups []struct{ Count json.Number }
	}
	get(t, s.ops+"/v1/dead-letter-groups?"+url.Values{"pipeline": {pipeline}}.Encode(), func(r io.Reader) error { return json.NewDecoder(r).Decode(&reply) })
	count := 0
	for _, g := range reply.Groups {
		n, err := g.Count.Int64()
		if err != nil {
			t.Fatalf("a group of %s counts %q", pipeline, g.Count)
		}
		count += int(n)
	}
	return count
}

// letters hands every open letter of a pipeline over.
func (s stack) letters(t *testing.T, pipeline string, each func(letter)) {
	t.Helper()
	q := url.Values{"pipeline": {pipeline}, "page_size": {"1000"}}
	for {
		var page struct {
			Letters []letter `json:"dead_letters"`
			Next    string   `json:"next_page_token"`
		}
		get(t, s.ops+"/v1/dead-letters?"+q.Encode(), func(r io.Reader) error { return json.NewDecoder(r).Decode(&page) })
		for _, l := range page.Letters {
			each(l)
		}
		if page.Next == "" {
			return
		}
		q.Set("page_token", page.Next)
	}
}
