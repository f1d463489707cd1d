package conformance

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var usageForm = regexp.MustCompile(`^api-usage=(\d+)/(\d+)(; .+)?$`)

// usage is what a reply says about the calls of the day; ok is false for one that says nothing.
func usage(a answer) (used, limit int, ok bool) {
	m := usageForm.FindStringSubmatch(a.header.Get("Sforce-Limit-Info"))
	if m == nil {
		return 0, 0, false
	}
	used, _ = strconv.Atoi(m[1]) // digits, by the form
	limit, _ = strconv.Atoi(m[2])
	return used, limit, true
}

func TestLimitInfo(t *testing.T) {
	o := theOrg(t)
	id := o.create(spec{"object": "Account", "operation": "insert"})
	t.Run("every reply says how many calls of the day are used, refusals too", func(t *testing.T) {
		own := o.create(spec{"object": "Account", "operation": "insert"})
		for _, tc := range []struct {
			method, path string
			status       int
			body         string
			change       func(*http.Request)
		}{
			{"GET", data + "/limits", 200, "", nil},
			{"GET", data, 200, "", nil},
			{"GET", data + "/sobjects", 200, "", nil},
			{"GET", data + "/sobjects/Account/describe", 200, "", nil},
			{"GET", ingest, 200, "", nil},
			{"GET", ingest + "/" + id, 200, "", nil},
			{"GET", ingest + "/750000000000000AAA", 404, "", nil},
			{"GET", data + "/nothing", 404, "", nil},
			{"DELETE", data + "/limits", 405, "", nil},
			{"GET", data + "/query?q=nonsense", 400, "", nil},
			{"POST", ingest, 200, `{"object":"Account","operation":"insert"}`, nil},
			{"POST", ingest, 400, "no gzip", gzipBody},
			{"PUT", ingest + "/" + own + "/batches", 201, "Name\nN\n", csvBody},
			{"PATCH", ingest + "/" + own, 200, `{"state":"Aborted"}`, nil},
			{"DELETE", ingest + "/" + own, 204, "", nil},
		} {
			change := tc.change
			if change == nil {
				change = func(*http.Request) {}
			}
			a := o.want(o.call(tc.method, tc.path, tc.body, change), tc.status)
			if used, limit, ok := usage(a); !ok || used < 1 || limit < used {
				t.Errorf("%s %s: %q", tc.method, tc.path, a.header.Get("Sforce-Limit-Info"))
			}
		}
	})
	t.Run("the version list says nothing on it", func(t *testing.T) {
		if a := o.want(o.call("GET", "/services/data", ""), http.StatusOK); a.header.Get("Sforce-Limit-Info") != "" {
			t.Errorf("got %v", a.header)
		}
	})
	t.Run("nothing says when to try again, or how much is left, in another way", func(t *testing.T) {
		for _, p := range []string{data + "/limits", data + "/nothing", ingest + "/" + id} {
			for name := range o.call("GET", p, "").header {
				if name == "Retry-After" || strings.HasPrefix(name, "X-Ratelimit") {
					t.Errorf("%s: %s", p, name)
				}
			}
		}
	})
	t.Run("JSON is sent as UTF-8, and times have milliseconds and a numeric zone", func(t *testing.T) {
		a := o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK)
		if got := a.header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
			t.Errorf("got %s", got)
		}
		created := decode[map[string]any](t, a)["createdDate"].(string)
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$`).MatchString(created) {
			t.Errorf("got %s", created)
		}
	})
	t.Run("the id of a job begins with 750 and has 18 characters", func(t *testing.T) {
		if len(id) != 18 || !strings.HasPrefix(id, "750") {
			t.Errorf("got %s", id)
		}
	})
}

func TestTheDayOfCalls(t *testing.T) {
	o := aSim(t)
	t.Run("every call but the version list counts one", func(t *testing.T) {
		id := o.create(spec{"object": "Account", "operation": "insert"})
		before, _, _ := usage(o.call("GET", data+"/limits", ""))
		o.call("GET", "/services/data", "")
		o.call("GET", ingest+"/"+id, "")
		o.call("GET", ingest+"/"+id, "")
		o.call("GET", data+"/nothing", "")
		after, _, _ := usage(o.call("GET", ingest+"/"+id+"/"+successful, ""))
		if after != before+4 {
			t.Errorf("%d became %d", before, after)
		}
	})
	t.Run("a used-up day is 403, not 429, and says nothing on when to try again", func(t *testing.T) {
		used, _, _ := usage(o.call("GET", data+"/limits", ""))
		o.sim.Set(map[string]any{"daily_api_limit": used})
		a := o.call("GET", data+"/limits", "")
		if got := o.refused(a, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED"); got != "TotalRequests Limit exceeded." || a.header.Get("Retry-After") != "" {
			t.Errorf("got %s %v", got, a.header)
		}
	})
}

func TestLimits(t *testing.T) {
	o := theOrg(t)
	got := decode[map[string]map[string]any](t, o.want(o.call("GET", data+"/limits", ""), http.StatusOK))
	t.Run("each limit says how much there is and how much is left", func(t *testing.T) {
		for _, name := range []string{
			"DailyApiRequests", "DailyBulkApiBatches", "DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB",
			"DataStorageMB", "FileStorageMB", "DailyAsyncApexExecutions", "HourlyPublishedPlatformEvents",
		} {
			most, ok := got[name]["Max"].(float64)
			left, has := got[name]["Remaining"].(float64)
			if !ok || !has || left > most {
				t.Errorf("%s: %v", name, got[name])
			}
		}
	})
	t.Run("those whose size is known have it", func(t *testing.T) {
		for name, most := range map[string]float64{"DailyBulkApiBatches": 15_000, "DailyBulkV2QueryJobs": 10_000, "DailyBulkV2QueryFileStorageMB": 976_562, "DailyAsyncApexExecutions": 250_000} {
			if got[name]["Max"] != most {
				t.Errorf("%s: %v", name, got[name])
			}
		}
	})
	t.Run("the old name of the batches is not there", func(t *testing.T) {
		if _, has := got["DailyBulkApiRequests"]; has {
			t.Error("it is there")
		}
	})
}

func TestLimitsOfApplications(t *testing.T) {
	o := aSim(t)
	got := decode[map[string]map[string]any](t, o.want(o.call("GET", data+"/limits", ""), http.StatusOK))
	t.Run("an entry may hold entries of applications", func(t *testing.T) {
		for name, v := range got["DailyApiRequests"] {
			if sub, ok := v.(map[string]any); ok && sub["Max"] != nil && sub["Remaining"] != nil {
				return
			} else if ok {
				t.Errorf("%s: %v", name, v)
			}
		}
		t.Errorf("got %v", got["DailyApiRequests"])
	})
}
