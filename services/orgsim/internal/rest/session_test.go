package rest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	c := newClient(t)
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"bulkhead"}, "client_secret": {"bulkhead-dev"}}
	t.Run("the success body has the members of the flow and no expires_in", func(t *testing.T) {
		a := c.tokenRequest(good, nil)
		body := c.want(a, http.StatusOK)
		form := regexp.MustCompile(`^\{"access_token":"(00D[A-Za-z0-9]{12})![A-Za-z0-9.]+","signature":"[^"]+","scope":"api id","instance_url":"([^"]+)",` +
			`"id":"([^"]+)/id/(00D[A-Za-z0-9]{15})/005[A-Za-z0-9]{15}","token_type":"Bearer","issued_at":"(\d{13})","api_instance_url":"[^"]+"\}$`)
		m := form.FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("got %s", body)
		}
		if m[2] != c.sim.URL || m[3] != c.sim.URL || m[4][:15] != m[1] || m[4] != c.sim.OrgID() {
			t.Errorf("instance %s, id %s, org %s", m[2], m[3], m[4])
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Sforce-Limit-Info") != "" {
			t.Errorf("header %v", a.header)
		}
	})
	t.Run("takes the client by HTTP Basic too", func(t *testing.T) {
		a := c.tokenRequest(url.Values{"grant_type": {"client_credentials"}}, func(r *http.Request) { r.SetBasicAuth("bulkhead", "bulkhead-dev") })
		c.want(a, http.StatusOK)
	})
	t.Run("takes a chunked body", func(t *testing.T) {
		c.want(c.tokenRequest(good, func(r *http.Request) { r.ContentLength = -1 }), http.StatusOK)
	})
	for _, tc := range []struct{ does, member, value, want string }{
		{"refuses an unknown client", "client_id", "x", `{"error":"invalid_client_id","error_description":"client identifier invalid"}`},
		{"refuses a wrong secret", "client_secret", "x", `{"error":"invalid_client","error_description":"invalid client credentials"}`},
		{"refuses another flow", "grant_type", "magic", `{"error":"unsupported_grant_type","error_description":"grant type not supported"}`},
	} {
		t.Run(tc.does, func(t *testing.T) {
			form := url.Values{tc.member: {tc.value}}
			for k, v := range good {
				if k != tc.member {
					form[k] = v
				}
			}
			a := c.tokenRequest(form, nil)
			if body := c.want(a, http.StatusBadRequest); body != tc.want || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %s %v", body, a.header)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	const expired = `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`
	c := newClient(t)
	limits := "/services/data/v66.0/limits"
	with := func(header string) answer {
		return c.send("GET", limits, "", func(r *http.Request) {
			r.Header.Del("Authorization")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
		})
	}
	t.Run("a token opens the API, in both schemes", func(t *testing.T) {
		c.want(with("Bearer "+c.token), http.StatusOK)
		c.want(with("OAuth "+c.token), http.StatusOK)
	})
	t.Run("without one the answer is 401", func(t *testing.T) {
		for _, header := range []string{"", "Bearer nonsense"} {
			if body := c.want(with(header), http.StatusUnauthorized); body != expired {
				t.Errorf("%q got %s", header, body)
			}
		}
	})
	t.Run("another scheme is a bad header", func(t *testing.T) {
		if body := c.want(with("Basic abc"), http.StatusUnauthorized); !strings.Contains(body, "INVALID_AUTH_HEADER") {
			t.Errorf("got %s", body)
		}
	})
	t.Run("a token is good for two hours", func(t *testing.T) {
		c.login()
		c.sim.Advance(2*time.Hour - time.Minute)
		c.want(c.get(limits), http.StatusOK)
		c.sim.Advance(time.Minute)
		c.want(c.get(limits), http.StatusUnauthorized)
		c.login()
		c.want(c.get(limits), http.StatusOK)
	})
	t.Run("the control API ends all of them", func(t *testing.T) {
		c.login()
		c.sim.ExpireTokens()
		c.want(c.get(limits), http.StatusUnauthorized)
	})
	t.Run("a client may end its own", func(t *testing.T) {
		c.login()
		c.want(c.send("POST", "/services/oauth2/revoke", "token="+url.QueryEscape(c.token), nil), http.StatusOK)
		c.want(c.get(limits), http.StatusUnauthorized)
	})
	t.Run("says who the caller is", func(t *testing.T) {
		c.login()
		var who map[string]any
		if err := json.Unmarshal([]byte(c.want(c.get("/services/oauth2/userinfo"), http.StatusOK)), &who); err != nil {
			t.Fatal(err)
		}
		if who["organization_id"] != c.sim.OrgID() || who["preferred_username"] != "integration@bulkhead.example" {
			t.Errorf("got %v", who)
		}
	})
}

func TestDailyLimit(t *testing.T) {
	c := newClient(t)
	c.sim.Set(map[string]any{"daily_api_limit": 3})
	path := "/services/data/v66.0/limits"
	for i := 1; i <= 3; i++ {
		a := c.get(path)
		c.want(a, http.StatusOK)
		if got, want := a.header.Get("Sforce-Limit-Info"), "api-usage="+strconv.Itoa(i)+"/3"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	a := c.get(path)
	if body := c.want(a, http.StatusForbidden); body != `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]` {
		t.Errorf("got %s", body)
	}
	if got := a.header.Get("Sforce-Limit-Info"); got != "api-usage=3/3" {
		t.Errorf("got %s", got)
	}
	t.Run("the version list is free and carries no limit", func(t *testing.T) {
		a := c.get("/services/data")
		c.want(a, http.StatusOK)
		if a.header.Get("Sforce-Limit-Info") != "" {
			t.Errorf("header %v", a.header)
		}
	})
	t.Run("the day rolls on", func(t *testing.T) {
		c.sim.Advance(24*time.Hour + time.Minute)
		c.login()
		var got map[string]struct{ Max, Remaining int }
		if err := json.Unmarshal([]byte(c.want(c.get(path), http.StatusOK)), &got); err != nil {
			t.Fatal(err)
		}
		if d := got["DailyApiRequests"]; d.Max != 3 || d.Remaining != 2 {
			t.Errorf("got %+v", d)
		}
		if d := got["DailyBulkApiBatches"]; d.Max != 15_000 || d.Remaining != 15_000 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestPaths(t *testing.T) {
	c := newClient(t)
	const notFound = `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`
	for _, tc := range []struct {
		does, method, path string
		status             int
		part               string
	}{
		{"lists the versions", "GET", "/services/data", 200, `{"label":"Spring '26","url":"/services/data/v66.0","version":"66.0"}`},
		{"names the newest version", "GET", "/services/data/", 200, `{"label":"Winter '27","url":"/services/data/v68.0","version":"68.0"}]`},
		{"names the oldest version", "GET", "/services/data", 200, `[{"label":"Summer '14","url":"/services/data/v31.0","version":"31.0"},`},
		{"lists the resources of a version", "GET", "/services/data/v50.0", 200, `"sobjects":"/services/data/v50.0/sobjects"`},
		{"collapses leading slashes", "GET", "//services/data/v66.0/limits", 200, "DailyApiRequests"},
		{"tolerates a trailing slash", "GET", "/services/data/v66.0/limits/", 200, "DailyApiRequests"},
		{"refuses an inner double slash", "GET", "/services/data/v66.0/jobs/ingest//750000000000000", 404, "NOT_FOUND"},
		{"serves the oldest and the newest version", "GET", "/services/data/v31.0/limits", 200, ""},
		{"has no version after the newest", "GET", "/services/data/v69.0/limits", 404, notFound},
		{"calls old versions gone", "GET", "/services/data/v30.0/limits", 410, "UNSUPPORTED_API_VERSION"},
		{"has ingest jobs from 41.0 on", "GET", "/services/data/v40.0/jobs/ingest", 404, "NOT_FOUND"},
		{"has no other paths", "GET", "/services/data/v66.0/nothing", 404, notFound},
		{"has no root", "GET", "/", 404, notFound},
		{"refuses a wrong method", "DELETE", "/services/data/v66.0/limits", 405, `[{"message":"HTTP Method 'DELETE' not allowed. Allowed are GET,HEAD","errorCode":"METHOD_NOT_ALLOWED"}]`},
		{"refuses a wrong method in the bulk form", "GET", jobsPath + "/750000000000000/batches", 405, `[{"errorCode":"METHOD_NOT_ALLOWED","message":"HTTP Method 'GET' not allowed. Allowed are PUT"}]`},
		{"refuses a path that is too long", "GET", "/services/data/v66.0/query?q=" + strings.Repeat("x", 17_000), 414, ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			a := c.send(tc.method, tc.path, "", func(r *http.Request) {
				r.Header.Set("Accept", "application/weird") // Accept is ignored
				r.URL.Opaque = ""
			})
			if body := c.want(a, tc.status); !strings.Contains(body, tc.part) {
				t.Errorf("got %s", body)
			}
		})
	}
}
