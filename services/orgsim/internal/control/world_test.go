package control_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

func TestFaultsOfASeed(t *testing.T) {
	s := simtest.Start(t)
	drawn := s.Draw(7, simtest.Rough, 200)
	listed := s.Faults()
	if len(drawn) == 0 || len(drawn) != len(listed) {
		t.Fatalf("%d drawn, %d listed", len(drawn), len(listed))
	}
	for i := range drawn {
		if drawn[i].ID != listed[i].ID || !reflect.DeepEqual(drawn[i].Effect, listed[i].Effect) {
			t.Errorf("rule %d is %+v, listed as %+v", i, drawn[i], listed[i])
		}
	}
	t.Run("cannot be added twice", func(t *testing.T) {
		if status, body := ask(t, s, "POST", "faults/seeded", `{"seed":7,"profile":"rough","calls":200}`); status != 409 || !strings.Contains(body, "rough-7-1") {
			t.Errorf("got %d %s", status, body)
		}
	})
	t.Run("are the same for another org", func(t *testing.T) {
		if again := simtest.Start(t, simtest.Seed(99)).Draw(7, simtest.Rough, 200); !reflect.DeepEqual(again, drawn) {
			t.Error("they differ")
		}
	})
	t.Run("have a profile and a number of calls by default", func(t *testing.T) {
		if status, body := ask(t, s, "POST", "faults/seeded", `{"seed":8}`); status != 200 || !strings.Contains(body, `"rough-8-1"`) {
			t.Errorf("got %d %s", status, body)
		}
	})
	t.Run("are refused for a profile that there is not", func(t *testing.T) {
		if status, body := ask(t, s, "POST", "faults/seeded", `{"profile":"x"}`); status != 400 || !strings.Contains(body, "calm") {
			t.Errorf("got %d %s", status, body)
		}
	})
}

func TestTheClock(t *testing.T) {
	s := simtest.Start(t)
	to := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	s.SetTime(to)
	if late := s.Now().Sub(to); late < 0 || late > time.Minute {
		t.Errorf("it is %s", s.Now())
	}
	s.Advance(24 * time.Hour)
	if late := s.Now().Sub(to.AddDate(0, 0, 1)); late < 0 || late > time.Minute {
		t.Errorf("it is %s a day later", s.Now())
	}
	for body, part := range map[string]string{
		`{"advance":"1h","set":"2031-05-06T07:08:09Z"}`: "not both",
		`{"set":"0001-01-01T00:00:00Z"}`:                "1970 to 2200",
		`{"set":"2300-01-01T00:00:00Z"}`:                "1970 to 2200",
		`{"advance":"2000000h"}`:                        "1970 to 2200",
		`{"set":"tomorrow"}`:                            "takes",
	} {
		if status, answer := ask(t, s, "POST", "clock", body); status != 400 || !strings.Contains(answer, part) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	t.Run("wakes who waits for a job that time alone ends", func(t *testing.T) {
		id := openJob(t, s)
		ended := make(chan simtest.Job)
		go func() { ended <- s.AwaitJob(id, "finished") }()
		// The wait may begin before or after the move: both have to end.
		s.Advance(8 * 24 * time.Hour)
		if j := <-ended; j.State != "Aborted" && j.Gone == "" {
			t.Errorf("got %+v", j)
		}
	})
	s.Reset()
	if off := time.Since(s.Now()).Abs(); off > time.Minute {
		t.Errorf("after a reset it is %s off", off)
	}
}

func TestCallsCanBeReadBackwards(t *testing.T) {
	s := simtest.Start(t)
	for range 5 {
		if status, body := ask(t, s, "GET", "../services/data", ""); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	_, newest := ask(t, s, "GET", "calls?newest=1&limit=2", "")
	if i, j := strings.Index(newest, `"n":5`), strings.Index(newest, `"n":4`); i < 0 || j < i || strings.Contains(newest, `"n":3`) {
		t.Errorf("got %s", newest)
	}
	_, before := ask(t, s, "GET", "calls?newest=1&limit=2&before=4", "")
	if i, j := strings.Index(before, `"n":3`), strings.Index(before, `"n":2`); i < 0 || j < i || strings.Contains(before, `"n":4`) {
		t.Errorf("got %s", before)
	}
	if status, _ := ask(t, s, "GET", "calls?before=x", ""); status != 400 {
		t.Errorf("got %d", status)
	}
}

// openJob makes a job and leaves it.
func openJob(t *testing.T, s *simtest.Sim) string {
	t.Helper()
	send := func(path, kind, token, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var reply struct {
			Token string `json:"access_token"`
			ID    string `json:"id"`
		}
		if err := json.NewDecoder(res.Body).Decode(&reply); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, res.Status, err)
		}
		if reply.Token != "" {
			return reply.Token
		}
		return reply.ID
	}
	token := send("/services/oauth2/token", "application/x-www-form-urlencoded", "", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {s.Secret},
	}.Encode())
	return send("/services/data/v66.0/jobs/ingest", "application/json", token, `{"object":"Contact","operation":"insert"}`)
}
