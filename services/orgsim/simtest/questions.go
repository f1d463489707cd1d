package simtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ControlURL is the base URL of the control API, with a trailing slash.
func (s *Sim) ControlURL() string { return s.URL + "/sim/" }

// OrgID is the 18-character id of the org.
func (s *Sim) OrgID() string {
	s.t.Helper()
	return get[struct {
		OrgID string `json:"org_id"`
	}](s, "").OrgID
}

// APICalls is the number of calls counted against the daily limit.
func (s *Sim) APICalls() int {
	s.t.Helper()
	return get[struct {
		APICalls int `json:"api_calls"`
	}](s, "").APICalls
}

// Counts returns the rows of every object that jobs may write, with digests.
func (s *Sim) Counts() map[string]Count {
	s.t.Helper()
	return get[map[string]Count](s, "counts?digest=1")
}

// Record returns a row by external id, unique value or Id with all its versions; it is false when the org does not hold it.
func (s *Sim) Record(object, key string) (Record, bool) {
	s.t.Helper()
	path := "records/" + url.PathEscape(object) + "/" + url.PathEscape(key)
	body, ok := s.ask(http.MethodGet, path, nil)
	if !ok {
		return Record{}, false
	}
	return decode[Record](s, path, body), true
}

// Records returns every row of an object, with its history if asked.
func (s *Sim) Records(object string, history bool) []Record {
	s.t.Helper()
	path := "records/" + url.PathEscape(object)
	if history {
		path += "?versions=all"
	}
	return lines[Record](s, path)
}

// Holding returns the rows that hold a value in a field, compared exactly, with their history; deleted rows too if asked.
func (s *Sim) Holding(object, field, value string, deleted bool) []Record {
	s.t.Helper()
	q := url.Values{"versions": {"all"}, "field": {field}, "value": {value}}
	if deleted {
		q.Set("deleted", "1")
	}
	return lines[Record](s, "records/"+url.PathEscape(object)+"?"+q.Encode())
}

// Groups returns how many rows hold the same values in these fields, or in all when none is named.
func (s *Sim) Groups(object string, fields ...string) []Group {
	s.t.Helper()
	return lines[Group](s, "groups/"+url.PathEscape(object)+"?"+url.Values{"fields": {strings.Join(fields, ",")}}.Encode())
}

// Calls returns the calls with numbers above since; an empty endpoint means all.
func (s *Sim) Calls(since int64, endpoint Endpoint) []Call {
	s.t.Helper()
	return s.callList(url.Values{"since": {strconv.FormatInt(since, 10)}, "endpoint": {string(endpoint)}})
}

// AwaitCall waits for a call with a number above since to begin (or, with done, to end) and returns it.
func (s *Sim) AwaitCall(since int64, endpoint Endpoint, done bool) Call {
	s.t.Helper()
	list := s.callList(url.Values{
		"since": {strconv.FormatInt(since, 10)}, "endpoint": {string(endpoint)}, "wait": {patience.String()},
		"done": {strconv.FormatBool(done)}, "limit": {"1"},
	})
	if len(list) == 0 {
		s.t.Fatalf("simulator: no %s call after number %d within %s", endpoint, since, patience)
	}
	return list[0]
}

func (s *Sim) callList(q url.Values) []Call {
	s.t.Helper()
	return get[struct {
		Calls []Call `json:"calls"`
	}](s, "calls?"+q.Encode()).Calls
}

// Collections returns what calls of collections did to each of their rows, in the order in which they did it.
func (s *Sim) Collections() []Saved {
	s.t.Helper()
	return lines[Saved](s, "collections")
}

// Jobs returns every job there was, oldest first, deleted ones too.
func (s *Sim) Jobs() []Job {
	s.t.Helper()
	return get[[]Job](s, "jobs")
}

// AwaitJob waits until a job is finished, closed, uploaded or in a state (or past it) and returns it.
func (s *Sim) AwaitJob(id, until string) Job {
	s.t.Helper()
	return get[Job](s, "jobs/"+url.PathEscape(id)+"?"+url.Values{"wait": {until}, "timeout": {patience.String()}}.Encode())
}

// UploadOf returns the CSV that a job was sent, byte for byte.
func (s *Sim) UploadOf(id string) []byte {
	s.t.Helper()
	body, ok := s.ask(http.MethodGet, "jobs/"+url.PathEscape(id)+"/upload", nil)
	if !ok {
		s.t.Fatalf("simulator: upload of %s: %s", id, body)
	}
	return body
}

// Rows returns the truth about every row of a job, in upload order.
func (s *Sim) Rows(id string) []Row {
	s.t.Helper()
	return lines[Row](s, "jobs/"+url.PathEscape(id)+"/rows")
}

// Seed puts records into the org as if they had always been there.
func (s *Sim) Seed(object string, records ...map[string]string) {
	s.t.Helper()
	s.ask(http.MethodPost, "seed", map[string]any{"object": object, "records": records})
}

// AddFault adds a rule and returns its id.
func (s *Sim) AddFault(rule Fault) string {
	s.t.Helper()
	body, _ := s.ask(http.MethodPost, "faults", []Fault{rule})
	return decode[struct {
		IDs []string `json:"ids"`
	}](s, "faults", body).IDs[0]
}

// Script adds rules written as JSON: a list, or one rule.
func (s *Sim) Script(rules string) []string {
	s.t.Helper()
	body, _ := s.ask(http.MethodPost, "faults", json.RawMessage(rules))
	return decode[struct {
		IDs []string `json:"ids"`
	}](s, "faults", body).IDs
}

// Draw adds the rules of a seed for the next calls calls and returns them; equal arguments always give equal rules.
func (s *Sim) Draw(seed int64, profile Profile, calls int) []Fault {
	s.t.Helper()
	body, _ := s.ask(http.MethodPost, "faults/seeded", map[string]any{"seed": seed, "profile": profile, "calls": calls})
	return decode[[]Fault](s, "faults/seeded", body)
}

// Faults returns the rules with their hits.
func (s *Sim) Faults() []Fault {
	s.t.Helper()
	return get[[]Fault](s, "faults")
}

// Hits is how often a rule took effect.
func (s *Sim) Hits(id string) int {
	s.t.Helper()
	for _, f := range s.Faults() {
		if f.ID == id {
			return f.Hits
		}
	}
	s.t.Fatalf("simulator: there is no fault %q", id)
	return 0
}

// ClearFaults removes the rules with these ids, or all.
func (s *Sim) ClearFaults(ids ...string) {
	s.t.Helper()
	s.ask(http.MethodDelete, "faults?"+url.Values{"id": ids}.Encode(), nil)
}

// Set changes settings by their JSON names, such as "daily_api_limit".
func (s *Sim) Set(values map[string]any) {
	s.t.Helper()
	s.ask(http.MethodPost, "settings", values)
}

// Move puts a switch into a position.
func (s *Sim) Move(name Switch, to Position) {
	s.t.Helper()
	s.ask(http.MethodPost, "switches", map[Switch]Position{name: to})
}

// Advance moves the org's clock forward.
func (s *Sim) Advance(d time.Duration) {
	s.t.Helper()
	s.ask(http.MethodPost, "clock", map[string]string{"advance": d.String()})
}

// Now is the org's time.
func (s *Sim) Now() time.Time {
	s.t.Helper()
	return get[struct {
		Now time.Time `json:"now"`
	}](s, "clock").Now
}

// SetTime moves the org's clock to a time, from which it goes on.
func (s *Sim) SetTime(t time.Time) {
	s.t.Helper()
	s.ask(http.MethodPost, "clock", map[string]time.Time{"set": t})
}

// Settings are the settings in force, by their JSON names.
func (s *Sim) Settings() map[string]any {
	s.t.Helper()
	return get[map[string]any](s, "settings")
}

// Positions is where every switch stands.
func (s *Sim) Positions() map[Switch]Position {
	s.t.Helper()
	out := map[Switch]Position{}
	for _, v := range get[[]struct {
		Name     Switch   `json:"name"`
		Position Position `json:"position"`
	}](s, "switches") {
		out[v.Name] = v.Position
	}
	return out
}

// ExpireTokens ends every session, so that the next call of each client is answered 401.
func (s *Sim) ExpireTokens() {
	s.t.Helper()
	s.ask(http.MethodPost, "tokens/expire", nil)
}

// Reset empties the org.
func (s *Sim) Reset() {
	s.t.Helper()
	s.ask(http.MethodPost, "reset", nil)
}

// Times is for Fault.Times: n effects, 0 = for ever.
func Times(n int) *int { return &n }

// AfterRows is for Effect.Rows.
func AfterRows(n int) *int { return &n }

// String names the org in failure messages.
func (s *Sim) String() string { return fmt.Sprintf("simulated org at %s", s.URL) }
