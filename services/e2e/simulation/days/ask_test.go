//go:build !race

package days_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

// ask asks one of the two doors, and reads the answer into out unless that is nil.
func (w *world) ask(door http.Handler, method, target string, in, out any) {
	w.t.Helper()
	body := &bytes.Buffer{}
	if in != nil {
		w.must(json.NewEncoder(body).Encode(in))
	}
	reply := httptest.NewRecorder()
	door.ServeHTTP(reply, w.request(method, target, body))
	if reply.Code/100 != 2 {
		w.t.Fatalf("%s %s: %d: %s", method, target, reply.Code, reply.Body)
	}
	if out != nil {
		if err := json.Unmarshal(reply.Body.Bytes(), out); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, target, err, reply.Body)
		}
	}
}

// balance is what ops says of a pipeline ("" = all); it must add up whenever it is asked for.
func (w *world) balance(pipeline string) record.Balance {
	w.t.Helper()
	var r struct {
		Balance record.Balance `json:"balance"`
		AddsUp  bool           `json:"adds_up"`
	}
	w.ask(w.door, http.MethodGet, "/v1/balance?"+url.Values{"pipeline": {pipeline}}.Encode(), nil, &r)
	if !r.AddsUp || !r.Balance.AddsUp() {
		w.t.Errorf("the balance of %q does not add up: %+v", pipeline, r.Balance)
	}
	return r.Balance
}

// failedAttempts are the failed attempts that records were charged with, by class.
func (w *world) failedAttempts() map[string]int {
	w.t.Helper()
	var r struct {
		FailedAttempts map[string]int `json:"failed_attempts"`
	}
	w.ask(w.door, http.MethodGet, "/v1/balance", nil, &r)
	return r.FailedAttempts
}

// letters is how many dead letters there are.
func (w *world) letters() int { return len(w.broker.Messages(bus.StreamDLQ)) }

// paused says why a pipeline is paused; "" = it is not.
func (w *world) paused(pipeline string) string {
	w.t.Helper()
	var r struct {
		Pipelines []struct {
			Name   string `json:"name"`
			Pauses []struct {
				Code    string `json:"code"`
				Reason  string `json:"reason"`
				Message string `json:"message"`
			} `json:"pauses"`
		} `json:"pipelines"`
	}
	w.ask(w.door, http.MethodGet, "/v1/pipelines", nil, &r)
	for _, p := range r.Pipelines {
		if p.Name == pipeline && len(p.Pauses) > 0 {
			return fmt.Sprintf("%+v", p.Pauses)
		}
	}
	return ""
}

// fault adds a rule to the org and gives its id.
func (w *world) fault(rule string) string {
	w.t.Helper()
	var r struct {
		IDs []string `json:"ids"`
	}
	w.ask(w.sim.Handler(), http.MethodPost, "/sim/faults", json.RawMessage(rule), &r)
	if len(r.IDs) != 1 {
		w.t.Fatalf("%d rules were made of %s", len(r.IDs), rule)
	}
	return r.IDs[0]
}

// call is a request as the org saw it.
type call struct {
	N        int64     `json:"n"`
	At       time.Time `json:"at"`
	Endpoint string    `json:"endpoint"`
	Job      string    `json:"job_id"`
	Status   int       `json:"status"`
	Applied  bool      `json:"applied"`
}

// calls are all the calls that the org got behind one; 0 = since it was made.
func (w *world) calls(since int64) []call {
	w.t.Helper()
	var out []call
	for {
		var r struct {
			Calls []call `json:"calls"`
			Lost  int    `json:"lost"`
		}
		w.ask(w.sim.Handler(), http.MethodGet, fmt.Sprintf("/sim/calls?since=%d&limit=1000", since), nil, &r)
		if r.Lost > 0 {
			w.t.Fatalf("the org does not know %d of its calls any more", r.Lost)
		}
		if len(r.Calls) == 0 {
			return out
		}
		out, since = append(out, r.Calls...), r.Calls[len(r.Calls)-1].N
	}
}

// lastCall is the number of the newest call.
func (w *world) lastCall() int64 {
	w.t.Helper()
	var r struct {
		Calls []call `json:"calls"`
	}
	w.ask(w.sim.Handler(), http.MethodGet, "/sim/calls?newest=1&limit=1", nil, &r)
	if len(r.Calls) == 0 {
		return 0
	}
	return r.Calls[0].N
}

// byEndpoint counts calls, for a person to read.
func byEndpoint(calls []call) map[string]int {
	out := map[string]int{}
	for _, c := range calls {
		out[fmt.Sprintf("%s %d", c.Endpoint, c.Status)]++
	}
	return out
}

// rows are the live rows of an object, as what a field of theirs holds.
func (w *world) rows(object, field string) []string {
	w.t.Helper()
	reply := httptest.NewRecorder()
	w.sim.Handler().ServeHTTP(reply, w.request(http.MethodGet, "/sim/records/"+object, http.NoBody))
	if reply.Code != http.StatusOK {
		w.t.Fatalf("rows of %s: %d: %s", object, reply.Code, reply.Body)
	}
	var out []string
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		var row struct {
			Fields map[string]any `json:"fields"`
		}
		w.must(json.Unmarshal(lines.Bytes(), &row))
		out = append(out, fmt.Sprint(row.Fields[field]))
	}
	w.must(lines.Err())
	return out
}

// once wants each of the rows once in the org, and no other.
func (w *world) once(object, field string, want ...string) {
	w.t.Helper()
	found := map[string]int{}
	for _, r := range w.rows(object, field) {
		found[r]++
	}
	for _, key := range want {
		if found[key] != 1 {
			w.t.Errorf("%s %s stands %d times in the org", object, key, found[key])
		}
		delete(found, key)
	}
	if len(found) > 0 {
		w.t.Errorf("nobody wanted these rows of %s: %v", object, found)
	}
}

// keys are so many of them under a name.
func keys(name string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%03d", name, i)
	}
	return out
}

// records are one of each key, by a template in which % stands for the key.
func records(template string, keys ...string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = strings.ReplaceAll(template, "%", k)
	}
	return out
}
