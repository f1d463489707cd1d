package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// stubborn repeats each step of a job until it is known to have happened, which every right client does in some way.
type stubborn struct {
	*client
	calls int
}

// try sends a request until an answer can be understood; it is false when the step was refused for good.
func (s *stubborn) try(method, path, body string, good ...int) (answer, bool) {
	s.t.Helper()
	for range 100 {
		s.calls++
		a := s.send(method, path, body, func(r *http.Request) {
			if method == http.MethodPut {
				r.Header.Set("Content-Type", "text/csv")
			}
		})
		readable := a.err == nil && a.header.Get("Content-Encoding") == "" && !strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
		switch {
		case readable && slices.Contains(good, a.status):
			return a, true
		case readable && a.status == http.StatusUnauthorized:
			s.signIn()
		case readable && a.status == http.StatusBadRequest && !strings.Contains(a.body, "UNKNOWN_EXCEPTION"):
			return a, false // the reply of an earlier try was lost
		}
	}
	s.t.Fatalf("%s %s never got through", method, path)
	return answer{}, false
}

func (s *stubborn) signIn() {
	s.t.Helper()
	for range 20 {
		s.calls++
		a := s.tokenRequest(url.Values{"grant_type": {"client_credentials"}, "client_id": {s.sim.ClientID}, "client_secret": {s.sim.Secret}}, nil)
		var reply struct {
			AccessToken string `json:"access_token"`
		}
		if a.err == nil && a.status == 200 && json.Unmarshal([]byte(a.body), &reply) == nil {
			s.token = reply.AccessToken
			return
		}
	}
	s.t.Fatal("no session was to be had")
}

// load carries rows into the org, in as many jobs as that takes.
func (s *stubborn) load(csv string) {
	s.t.Helper()
	for range 20 {
		made, _ := s.try("POST", jobsPath, upsertContacts, 200)
		var job struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(made.body), &job); err != nil {
			s.t.Fatalf("%s: %v", made.body, err)
		}
		s.try("PUT", jobsPath+"/"+job.ID+"/batches", csv, 201)
		s.try("PATCH", jobsPath+"/"+job.ID, `{"state":"UploadComplete"}`, 200)
		s.sim.AwaitJob(job.ID, "finished")
		for range 5 { // looks that a job which goes backwards may spoil
			s.try("GET", jobsPath+"/"+job.ID, "", 200)
		}
		if failed, ok := s.try("GET", jobsPath+"/"+job.ID+"/failedResults", "", 200); ok && len(lines(failed.body)) == 1 {
			return
		}
	}
	s.t.Fatal("the rows never landed")
}

// weather is a run of three loads under the faults of a seed; it returns what the org was sent and did.
func weather(t *testing.T, seed int64, profile simtest.Profile) (*stubborn, []string) {
	t.Helper()
	// The org's time stands still, so no window of a rule begins at a moment that the machine chooses.
	frozen := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s := &stubborn{client: newClient(t, simtest.Clock(func() time.Time { return frozen }))}
	s.sim.Draw(seed, profile, 60)
	for i := range 3 {
		s.load("External_Id__c,LastName\n" + rows(250, func(row int) string { return fmt.Sprintf("k%d-%d,N", i, row) }))
	}
	var log []string
	for _, c := range s.sim.Calls(0, "") {
		log = append(log, fmt.Sprintf("%d %s %s %d applied=%v faults=%v", c.N, c.Method, c.Endpoint, c.Status, c.Applied, c.Faults))
	}
	return s, log
}

func TestFaultsOfASeed(t *testing.T) {
	for _, profile := range []simtest.Profile{simtest.Calm, simtest.Rough} {
		for seed := range int64(3) {
			t.Run(fmt.Sprintf("%s weather %d loses nothing that is tried again, and is the same each time", profile, seed), func(t *testing.T) {
				t.Parallel()
				s, log := weather(t, seed, profile)
				if got := s.sim.Counts()["Contact"].Rows; got != 750 {
					t.Errorf("%d rows are in the org", got)
				}
				struck := 0
				for _, f := range s.sim.Faults() {
					struck += f.Hits
				}
				if struck == 0 {
					t.Error("no fault struck")
				}
				_, again := weather(t, seed, profile)
				if !slices.Equal(log, again) {
					t.Errorf("the runs differ:\n%s\n\n%s", strings.Join(log, "\n"), strings.Join(again, "\n"))
				}
			})
		}
	}
}
