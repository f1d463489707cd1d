package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

// orgLimit is an entry of the limits resource.
type orgLimit struct{ Max, Remaining int }

func (l orgLimit) used() int { return l.Max - l.Remaining }

func (o *org) limit(name string) orgLimit {
	o.t.Helper()
	all := decode[map[string]orgLimit](o.t, o.want(o.call("GET", data+"/limits", ""), http.StatusOK))
	l, known := all[name]
	if !known {
		o.t.Fatalf("there is no limit %s", name)
	}
	return l
}

// later moves the org's clock and opens a session that is good then.
func (o *org) later(d time.Duration) {
	o.t.Helper()
	o.sim.Advance(d)
	o.signIn()
}

func TestDailyBatches(t *testing.T) {
	o := aSim(t)
	if got := o.limit("DailyBulkApiBatches"); got != (orgLimit{15_000, 15_000}) {
		t.Errorf("got %+v", got)
	}
	o.sim.Set(map[string]any{"daily_batch_limit": 2, "batch_rows": 200})
	t.Run("batches above the limit are not begun: the job fails, and their rows are unprocessed", func(t *testing.T) {
		id, job := o.process(upsertAccount, o.numbered("q", 600))
		if message, _ := job["errorMessage"].(string); job["state"] != "Failed" || !strings.HasPrefix(message, "ExceededQuota : ") || o.outcomes(id) != [3]int{400, 0, 200} {
			t.Errorf("got %v", job)
		}
		if got := o.limit("DailyBulkApiBatches"); got != (orgLimit{2, 0}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("too many batches in 24 hours refuse a create", func(t *testing.T) {
		o.refused(o.call("POST", ingest, text(insertAccount)), 400, "EXCEEDEDQUOTA")
	})
	t.Run("the 24 hours roll on", func(t *testing.T) {
		o.later(24*time.Hour - time.Minute)
		o.refused(o.call("POST", ingest, text(insertAccount)), 400, "EXCEEDEDQUOTA")
		o.later(time.Minute)
		if _, job := o.process(upsertAccount, o.numbered("r", 400)); job["state"] != "JobComplete" {
			t.Errorf("got %v", job)
		}
	})
}

func TestDailyRows(t *testing.T) {
	o := aSim(t)
	o.sim.Set(map[string]any{"daily_row_limit": 500, "batch_rows": 200})
	t.Run("a job that goes over the rows of 24 hours fails, and the rest is unprocessed", func(t *testing.T) {
		id, job := o.process(upsertAccount, o.numbered("q", 600))
		if message, _ := job["errorMessage"].(string); job["state"] != "Failed" || !strings.HasPrefix(message, "ExceededQuota : ") || o.outcomes(id) != [3]int{400, 0, 200} {
			t.Errorf("got %v", job)
		}
	})
	t.Run("the 24 hours roll on", func(t *testing.T) {
		o.later(24 * time.Hour)
		if _, job := o.process(upsertAccount, o.numbered("r", 500)); job["state"] != "JobComplete" {
			t.Errorf("got %v", job)
		}
	})
}

func TestCallsOfAJob(t *testing.T) {
	o := aSim(t)
	if got := o.limit("DailyApiRequests").Max; got != 100_000 {
		t.Errorf("the limit is %d", got)
	}
	before := o.sim.APICalls()
	id, _ := o.process(insertAccount, "Name\nN\n")
	o.outcomes(id)
	if got := o.sim.APICalls() - before; got != 7 {
		t.Errorf("create, upload, close, one look and three files took %d calls", got)
	}
}

func TestQueryText(t *testing.T) {
	o := theOrg(t)
	ask := func(length int) answer {
		return o.call("GET", data+"/query?q="+url.QueryEscape("SELECT Id FROM Account WHERE Name = '"+strings.Repeat("x", length)+"'"), "")
	}
	t.Run("a text in a condition has 4,000 characters at most", func(t *testing.T) {
		o.want(ask(4_000), http.StatusOK)
		o.want(ask(4_001), http.StatusBadRequest)
	})
}

func TestDailyCalls(t *testing.T) {
	o := aSim(t)
	o.sim.Set(map[string]any{"daily_api_limit": 3})
	t.Run("every call counts, a poll and a result file too, and above the limit all are refused", func(t *testing.T) {
		id := o.create(insertAccount)
		o.info(id)
		o.want(o.patch(id, "Aborted"), 200)
		for _, a := range []answer{o.call("GET", ingest+"/"+id, ""), o.call("GET", ingest+"/"+id+"/failedResults", ""), o.call("POST", ingest, text(insertAccount))} {
			if got := o.refused(a, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED"); got != "TotalRequests Limit exceeded." {
				t.Errorf("got %s", got)
			}
			if a.header.Get("Retry-After") != "" || a.header.Get("Sforce-Limit-Info") != "api-usage=3/3" {
				t.Errorf("got %v", a.header)
			}
		}
	})
	t.Run("the 24 hours roll on", func(t *testing.T) {
		o.later(24*time.Hour + time.Minute)
		o.create(insertAccount)
	})
}

func TestJobAges(t *testing.T) {
	// The org's time stands still, so that an age is exact.
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	still := simtest.Clock(func() time.Time { return at })
	t.Run("a job that is Open for more than 24 hours is Aborted, or stays listed and takes nothing", func(t *testing.T) {
		for _, position := range []simtest.Position{switches.JobAborted, switches.StaysOpen} {
			o := aSim(t, still)
			o.sim.Move(switches.OpenTooLong, position)
			id := o.create(insertAccount)
			o.later(24 * time.Hour)
			if got := o.info(id)["state"]; got != "Open" {
				t.Errorf("after 24 hours it is %v", got)
			}
			o.later(time.Second)
			want := map[simtest.Position]string{switches.JobAborted: "Aborted", switches.StaysOpen: "Open"}[position]
			if _, body := o.list(ingest); o.info(id)["state"] != want || !strings.Contains(body, `"state":"`+want+`"`) {
				t.Errorf("it is %v, and the list shows %s", o.info(id)["state"], body)
			}
			o.refused(o.call("PUT", ingest+"/"+id+"/batches", "Name\nN\n", csvBody), 400, "INVALIDJOBSTATE")
			o.refused(o.patch(id, "UploadComplete"), 400, "INVALIDJOBSTATE")
			if position == switches.StaysOpen {
				o.want(o.patch(id, "Aborted"), 200)
			}
		}
	})
	t.Run("an Open job that was Aborted for its age is gone 7 days after that, whenever somebody looks", func(t *testing.T) {
		o := aSim(t, still)
		id := o.create(insertAccount)
		o.later(8 * 24 * time.Hour)
		if got := o.info(id)["state"]; got != "Aborted" {
			t.Errorf("it is %v", got)
		}
		other := o.create(insertAccount)
		o.later(8*24*time.Hour + time.Second)
		o.refused(o.call("GET", ingest+"/"+other, ""), 404, "NOT_FOUND")
	})
	t.Run("a finished job and its results are gone 7 days after its end", func(t *testing.T) {
		o := aSim(t, still)
		id, _ := o.process(insertAccount, "Name\nN\n")
		o.later(7 * 24 * time.Hour)
		if len(o.rows(id, successful)) != 1 {
			t.Error("the results are gone")
		}
		o.later(time.Second)
		for _, path := range []string{"", "/successfulResults", "/failedResults", "/unprocessedrecords"} {
			o.refused(o.call("GET", ingest+"/"+id+path, ""), 404, "NOT_FOUND")
		}
		if page, _ := o.list(ingest); len(page.Records) != 0 {
			t.Errorf("%d jobs are listed", len(page.Records))
		}
	})
	t.Run("a job that never ended is cleaned up after 7 days", func(t *testing.T) {
		o := aSim(t, still, simtest.Speed(30*24*time.Hour, -1))
		o.sim.Move(switches.OpenTooLong, switches.StaysOpen)
		open, queued := o.create(insertAccount), o.create(insertAccount)
		o.upload(queued, "Name\nN\n")
		o.want(o.patch(queued, "UploadComplete"), 200)
		o.later(7*24*time.Hour + time.Second)
		for _, id := range []string{open, queued} {
			o.refused(o.call("GET", ingest+"/"+id, ""), 404, "NOT_FOUND")
		}
		if n := o.sim.Counts()["Account"].Rows; n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}
