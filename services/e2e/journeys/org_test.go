package journeys

import (
	"bufio"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// org asks the simulator's control API what the org holds and was sent, and makes it misbehave.
type org struct {
	url string // ends in /sim
}

type orgCount struct {
	Rows   int64 `json:"rows"`
	Seeded int64 `json:"seeded"`
}

type orgVersion struct {
	Job    string            `json:"job"`
	Fields map[string]string `json:"fields"`
}

type orgRow struct {
	ID       string            `json:"id"`
	Seeded   bool              `json:"seeded"`
	Fields   map[string]string `json:"fields"`
	Versions []orgVersion      `json:"versions"`
}

type orgCall struct {
	N        int64  `json:"n"`
	Endpoint string `json:"endpoint"`
	Job      string `json:"job_id"`
	Done     bool   `json:"done"`
	Status   int    `json:"status"`
	Applied  bool   `json:"applied"`
}

type orgJob struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	State   string `json:"state"`
	Gone    string `json:"gone"`
	Closed  bool   `json:"closed"`
	History []struct {
		State string    `json:"state"`
		At    time.Time `json:"at"`
	} `json:"history"`
}

// closedAt is when the close had its effect.
func (j orgJob) closedAt() time.Time {
	for _, h := range j.History {
		if h.State == "UploadComplete" {
			return h.At
		}
	}
	return time.Time{}
}

// jobRow is the truth about one row of a job, whatever the result files said.
type jobRow struct {
	Key     string `json:"key"`
	Outcome string `json:"outcome"` // created, updated, deleted, failed, unprocessed
	Error   string `json:"error"`
	Lost    bool   `json:"lost"`
}

func (r jobRow) landed() bool {
	return r.Outcome == "created" || r.Outcome == "updated" || r.Outcome == "deleted"
}

// all returns the live rows of an object with their histories, seeded ones too.
func (o org) all(t *testing.T, object string) []orgRow {
	t.Helper()
	list, err := lines[orgRow](t.Context(), o.url+"/records/"+object+"?versions=all")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rows returns the live rows of an object by external id, but not the seeded ones; a key that stands twice fails the test.
func (o org) rows(t *testing.T, object string) map[string]orgRow {
	t.Helper()
	out := map[string]orgRow{}
	for _, r := range o.all(t, object) {
		if r.Seeded {
			continue
		}
		key := r.Fields["External_Id__c"]
		if _, twice := out[key]; twice {
			t.Errorf("the org holds %s %q twice", object, key)
		}
		out[key] = r
	}
	return out
}

// row returns one row with its history; false = the org never had it.
func (o org) row(ctx context.Context, object, key string) (orgRow, bool, error) {
	var r orgRow
	err := ask(ctx, http.MethodGet, o.url+"/records/"+object+"/"+url.PathEscape(key), nil, &r)
	if isStatus(err, http.StatusNotFound) {
		return r, false, nil
	}
	return r, err == nil, err
}

// calls returns the requests after number since; wait (such as 5s) waits for the first.
func (o org) calls(ctx context.Context, since int64, endpoint, job, wait string) ([]orgCall, error) {
	q := url.Values{"since": {itoa(since)}, "endpoint": {endpoint}, "job": {job}}
	if wait != "" {
		q.Set("wait", wait)
	}
	var out struct {
		Calls []orgCall `json:"calls"`
	}
	err := ask(ctx, http.MethodGet, o.url+"/calls?"+q.Encode(), nil, &out)
	return out.Calls, err
}

// lastCall is the number of the newest request.
func (o org) lastCall(t *testing.T) int64 {
	t.Helper()
	calls, err := o.calls(t.Context(), 0, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) == 0 {
		return 0
	}
	return calls[len(calls)-1].N
}

// awaitCall waits for the first request at an endpoint after number since; it returns it as soon as it has begun.
func (o org) awaitCall(t *testing.T, since int64, endpoint string) orgCall {
	t.Helper()
	var first orgCall
	eventually(t, "a call of "+endpoint, func(ctx context.Context) (bool, error) {
		calls, err := o.calls(ctx, since, endpoint, "", "20s")
		if err != nil || len(calls) == 0 {
			return false, err
		}
		first = calls[0]
		return true, nil
	})
	return first
}

func (o org) jobs(t *testing.T) []orgJob {
	t.Helper()
	var out []orgJob
	if err := ask(t.Context(), http.MethodGet, o.url+"/jobs", nil, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// closedJobs are the jobs that may have touched the org, in the order in which they were closed.
func (o org) closedJobs(t *testing.T) []orgJob {
	t.Helper()
	out := slices.DeleteFunc(o.jobs(t), func(j orgJob) bool { return !j.Closed })
	slices.SortStableFunc(out, func(a, b orgJob) int { return cmp.Compare(a.closedAt().UnixNano(), b.closedAt().UnixNano()) })
	return out
}

func (o org) jobRows(t *testing.T, id string) []jobRow {
	t.Helper()
	rows, err := lines[jobRow](t.Context(), o.url+"/jobs/"+id+"/rows")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// uploadHeader is the first line of the CSV that a job was sent.
func (o org) uploadHeader(t *testing.T, id string) string {
	t.Helper()
	resp, err := send(t.Context(), http.MethodGet, o.url+"/jobs/"+id+"/upload", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// sendings returns, for each key of an object, what each closed job that carried it made of it.
func (o org) sendings(t *testing.T, object string) map[string][]jobRow {
	t.Helper()
	out := map[string][]jobRow{}
	for _, j := range o.closedJobs(t) {
		if j.Object != object {
			continue
		}
		for _, r := range o.jobRows(t, j.ID) {
			if j.Gone == "vanished" {
				r.Lost = true // no result file can be had
			}
			out[r.Key] = append(out[r.Key], r)
		}
	}
	return out
}

// checkSentAgain is for loads in which every entity is published once: a key may stand in a second closed job only if the one
// before left it failed, unprocessed or missing.
func (o org) checkSentAgain(t *testing.T, object string) {
	t.Helper()
	for key, rows := range o.sendings(t, object) {
		for i, r := range rows[:len(rows)-1] {
			if r.landed() && !r.Lost {
				t.Errorf("%s %q landed in closed job %d of %d and was sent again: %+v", object, key, i+1, len(rows), rows)
			}
		}
	}
}

// fault adds a rule and returns its id.
func (o org) fault(t *testing.T, rule map[string]any) string {
	t.Helper()
	var out struct {
		IDs []string `json:"ids"`
	}
	if err := ask(t.Context(), http.MethodPost, o.url+"/faults", rule, &out); err != nil {
		t.Fatal(err)
	}
	return out.IDs[0]
}

// heal removes rules, all when none is named.
func (o org) heal(t *testing.T, ids ...string) {
	t.Helper()
	if err := ask(t.Context(), http.MethodDelete, o.url+"/faults?"+url.Values{"id": ids}.Encode(), nil, nil); err != nil {
		t.Fatal(err)
	}
}

// hits says how often a rule took effect: a fault that never struck proves nothing.
func (o org) hits(t *testing.T, id string) int {
	t.Helper()
	var out []struct {
		ID   string `json:"id"`
		Hits int    `json:"hits"`
	}
	if err := ask(t.Context(), http.MethodGet, o.url+"/faults", nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, r := range out {
		if r.ID == id {
			return r.Hits
		}
	}
	t.Fatalf("there is no fault %s", id)
	return 0
}

// seed makes rows that were always there.
func (o org) seed(t *testing.T, object string, records []map[string]any) {
	t.Helper()
	if err := ask(t.Context(), http.MethodPost, o.url+"/seed", map[string]any{"object": object, "records": records}, nil); err != nil {
		t.Fatal(err)
	}
}

// set changes settings of the simulator.
func (o org) set(t *testing.T, settings map[string]any) {
	t.Helper()
	if err := ask(t.Context(), http.MethodPost, o.url+"/settings", settings, nil); err != nil {
		t.Fatal(err)
	}
}

// failRows is a rule by which rows with these keys fail; more narrows it down or bounds it.
func failRows(text string, keys []string, more map[string]any) map[string]any {
	rule := map[string]any{"where": map[string]any{"keys": keys}, "effect": map[string]any{"kind": "row_error", "error": text}}
	for k, v := range more {
		rule[k] = v
	}
	return rule
}

const (
	lockedRow  = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
	noLastName = "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
)
