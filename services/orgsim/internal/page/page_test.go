package page_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// browser asks for pages as a browser does.
type browser struct {
	t    testing.TB
	sim  *simtest.Sim
	http *http.Client
}

func open(t testing.TB, options ...simtest.Option) *browser {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, simtest.Start(t, options...), &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) send(method, path string, form url.Values, change func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.sim.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(req)
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(body)
}

// page returns a page that must be there.
func (b *browser) page(path string) string {
	b.t.Helper()
	res, body := b.send("GET", path, nil, nil)
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, res.StatusCode, body)
	}
	return body
}

// post sends a form and follows it to the page that it leads to.
func (b *browser) post(path string, form url.Values) string {
	b.t.Helper()
	res, body := b.send("POST", "/sim/page/"+path, form, nil)
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("%s: %d %s", path, res.StatusCode, body)
	}
	return b.page(res.Header.Get("Location"))
}

func contains(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(body, part) {
			t.Errorf("%q is missing in\n%s", part, mainOf(body))
		}
	}
}

func mainOf(body string) string {
	_, body, _ = strings.Cut(body, "<main>")
	body, _, _ = strings.Cut(body, "</main>")
	return body
}

// api sends a call to the org itself, not to its pages.
func (b *browser) api(method, path, kind, token, body string) string {
	b.t.Helper()
	res, text := b.send(method, path, nil, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+token)
	})
	if res.StatusCode >= 300 {
		b.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return text
}

func member(text, name string) string {
	return regexp.MustCompile(`"` + name + `":"([^"]+)"`).FindStringSubmatch(text)[1]
}

func (b *browser) token() string {
	b.t.Helper()
	return member(b.api("POST", "/services/oauth2/token", "application/x-www-form-urlencoded", "", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {b.sim.ClientID}, "client_secret": {b.sim.Secret},
	}.Encode()), "access_token")
}

// run carries a job to its end.
func (b *browser) run(csv string) string {
	b.t.Helper()
	const jobs = "/services/data/v66.0/jobs/ingest"
	token := b.token()
	id := member(b.api("POST", jobs, "application/json", token, `{"object":"Contact","operation":"upsert","externalIdFieldName":"External_Id__c"}`), "id")
	b.api("PUT", jobs+"/"+id+"/batches", "text/csv", token, csv)
	b.api("PATCH", jobs+"/"+id, "application/json", token, `{"state":"UploadComplete"}`)
	b.sim.AwaitJob(id, "finished")
	if _, calls := b.send("GET", "/sim/page/calls", nil, nil); strings.Contains(calls, token) {
		b.t.Error("the calls show a token")
	}
	return id
}

const nasty = `<script>alert(1)</script>"'&`

func TestPagesShowTheOrg(t *testing.T) {
	b := open(t)
	b.sim.Script(`{"where":{"keys":["bad"]},"effect":{"kind":"row_error","error":"A_CODE:<b>no</b>:--"}}`)
	id := b.run("External_Id__c,LastName\ngood,\"" + strings.ReplaceAll(nasty, `"`, `""`) + "\"\nbad,B\n")
	b.run("External_Id__c,LastName\ngood,Later\n")
	rec, _ := b.sim.Record("Contact", "good")

	t.Run("the first one by counts, jobs and calls", func(t *testing.T) {
		contains(t, b.page("/sim/"), `<a href="/sim/page/records/Contact">Contact</a></td><td class="n">1</td>`, id, "JobComplete 2", "<td>close</td>", b.sim.OrgID())
	})
	t.Run("digests of the objects when they are asked for", func(t *testing.T) {
		contains(t, b.page("/sim/?digest=1"), b.sim.Counts()["Contact"].Digest)
	})
	t.Run("a job with its rows, what they became and its calls", func(t *testing.T) {
		body := b.page("/sim/page/jobs/" + id)
		contains(t, body, "upsert of Contact by External_Id__c", "UploadComplete", "2 processed, 1 failed", rec.ID, "A_CODE:&lt;b&gt;no&lt;/b&gt;:--",
			`href="/sim/jobs/`+id+`/upload"`, "<td>upload</td>")
		only := b.page("/sim/page/jobs/" + id + "?outcome=failed")
		contains(t, only, `<span class="id">bad</span></td>`)
		if strings.Contains(only, `<span class="id">good</span></td>`) {
			t.Error("the filter lets other rows through")
		}
	})
	t.Run("a query job with its query and the size of its result, and no rows of an upload", func(t *testing.T) {
		id := member(b.api("POST", "/services/data/v66.0/jobs/query", "application/json", b.token(), `{"operation":"query","query":"SELECT Id FROM Contact WHERE LastName != '<b>'"}`), "id")
		b.sim.AwaitJob(id, "finished")
		body := b.page("/sim/page/jobs/" + id)
		contains(t, body, "query of Contact", "SELECT Id FROM Contact WHERE LastName != &#39;&lt;b&gt;&#39;", "1 rows, 21 bytes", "JobComplete", "<td>create</td>")
		if strings.Contains(body, "<h2>Rows</h2>") || strings.Contains(body, "<dt>Upload</dt>") {
			t.Errorf("it shows an upload: %s", mainOf(body))
		}
		contains(t, b.page("/sim/page/jobs"), id)
	})
	t.Run("all jobs", func(t *testing.T) { contains(t, b.page("/sim/page/jobs"), id, "1 to 3 of 3") })
	t.Run("the records of an object, and one of them by key", func(t *testing.T) {
		contains(t, b.page("/sim/page/records/Contact"), rec.ID, "Later")
		contains(t, b.page("/sim/page/records/Contact?key=GOOD"), rec.ID)
		contains(t, b.page("/sim/page/records/Contact?key="+url.QueryEscape(nasty)), "No row has this key", "&lt;script&gt;")
	})
	t.Run("a record with every version and what it changed", func(t *testing.T) {
		body := b.page("/sim/page/records/Contact/" + rec.ID)
		contains(t, body, `&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;</span> → Later`, `<a href="/sim/page/jobs/`+id+`">`)
		if strings.Contains(body, "<script>alert") {
			t.Error("a value is not escaped")
		}
	})
	t.Run("calls, also those of one job or endpoint", func(t *testing.T) {
		contains(t, b.page("/sim/page/calls"), "<td>token</td>", "<td>upload</td>", "005")
		body := b.page("/sim/page/calls?endpoint=close&job=" + id)
		contains(t, body, "<td>close</td>")
		if strings.Contains(body, "<td>upload</td>") {
			t.Error("the filter lets other calls through")
		}
	})
	t.Run("what is not there by a page that says so", func(t *testing.T) {
		for _, path := range []string{"page/nowhere", "page/jobs/750000000000001", "page/records/Nope", "page/records/Contact/003x", "page/records/" + url.PathEscape(nasty)} {
			res, body := b.send("GET", "/sim/"+path, nil, nil)
			if res.StatusCode != http.StatusNotFound || !strings.Contains(body, `class="bad"`) || strings.Contains(body, "<script>alert") {
				t.Errorf("%s: %d %s", path, res.StatusCode, mainOf(body))
			}
		}
		for _, path := range []string{"jobs?from=x", "calls?before=-1", "records/Contact?from=x", "jobs/" + id + "?from=x"} {
			if res, _ := b.send("GET", "/sim/page/"+path, nil, nil); res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
	})
	t.Run("under a policy that lets nothing else run", func(t *testing.T) {
		res, body := b.send("GET", "/sim/", nil, nil)
		policy := res.Header.Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`script-src 'nonce-([A-Z2-7]+)'`).FindStringSubmatch(policy)
		if nonce == nil || !strings.Contains(policy, "default-src 'none'") || strings.Count(body, `<script nonce="`+nonce[1]+`">`) != 1 || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %s", policy)
		}
		if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("the type may be guessed: %q", got)
		}
		again, _ := b.send("GET", "/sim/", nil, nil)
		if again.Header.Get("Content-Security-Policy") == policy {
			t.Error("the nonce is used twice")
		}
	})
}

func TestProgramsGetJSON(t *testing.T) {
	b := open(t)
	for _, accept := range []string{"", "*/*", "application/json"} {
		res, body := b.send("GET", "/sim/", nil, func(r *http.Request) { r.Header.Set("Accept", accept) })
		if res.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"routes"`) {
			t.Errorf("Accept %q: %s", accept, body)
		}
	}
}

func TestLongListsComeInPages(t *testing.T) {
	b := open(t)
	var csv strings.Builder
	csv.WriteString("External_Id__c,LastName\n")
	for i := range 250 {
		_, _ = fmt.Fprintf(&csv, "k%03d,N\n", i)
	}
	id := b.run(csv.String())
	// walk follows the links called name and counts what each page has of a pattern.
	walk := func(path, name, pattern string) (pages int, seen map[string]bool) {
		seen = map[string]bool{}
		link := regexp.MustCompile(`<a href="(\?[^"]+)">` + name + `</a>`)
		for at := path; pages < 20; pages++ {
			body := b.page(at)
			for _, m := range regexp.MustCompile(pattern).FindAllString(mainOf(body), -1) {
				if seen[m] {
					t.Errorf("%s stands on two pages", m)
				}
				seen[m] = true
			}
			next := link.FindStringSubmatch(body)
			if next == nil {
				return pages + 1, seen
			}
			at = path + strings.ReplaceAll(next[1], "&amp;", "&")
		}
		return pages, seen
	}
	if pages, seen := walk("/sim/page/jobs/"+id, "More", `>k\d{3}<`); pages != 3 || len(seen) != 250 {
		t.Errorf("rows: %d on %d pages", len(seen), pages)
	}
	if pages, seen := walk("/sim/page/records/Contact", "More", `>k\d{3}<`); pages != 5 || len(seen) != 250 {
		t.Errorf("records: %d on %d pages", len(seen), pages)
	}
	for range 120 {
		res, _ := b.send("GET", "/services/data", nil, nil)
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	if pages, seen := walk("/sim/page/calls", "Older", `<td class="n">\d+</td><td class="at">2`); pages != 2 || len(seen) != len(b.sim.Calls(0, "")) {
		t.Errorf("calls: %d on %d pages", len(seen), pages)
	}
}

func TestFormsAct(t *testing.T) {
	b := open(t)
	t.Run("faults are added, shown with their hits, and removed", func(t *testing.T) {
		body := b.post("faults/add", url.Values{"rules": {`[{"id":"mine","match":{"endpoint":"versions"},"effect":{"kind":"status","status":503,"body":"<i>"}},{"effect":{"kind":"drop_after"}}]`}})
		contains(t, body, `<span class="id">mine</span></td>`, "&lt;i&gt;", "Faults (2)")
		if res, _ := b.send("GET", "/services/data", nil, nil); res.StatusCode != 503 {
			t.Errorf("the fault does not act: %s", res.Status)
		}
		contains(t, b.page("/sim/page/faults"), `<td class="n">1</td><td class="n">1</td><td class="n">1</td>`, "Faults (1)")
		b.post("faults/remove", url.Values{"id": {"mine"}})
		if got := b.sim.Faults(); len(got) != 1 || got[0].ID == "mine" {
			t.Errorf("left are %+v", got)
		}
		contains(t, b.post("faults/remove", url.Values{"all": {"yes"}}), "the org behaves")
	})
	t.Run("faults are drawn from a seed", func(t *testing.T) {
		contains(t, b.post("faults/draw", url.Values{"seed": {"7"}, "profile": {"awful"}, "calls": {"50"}}), "awful-7-1", "job_vanish")
		drawn := b.sim.Faults()
		b.sim.ClearFaults()
		if again := b.sim.Draw(7, simtest.Awful, 50); len(again) != len(drawn) {
			t.Errorf("the page drew %d rules, the control API %d", len(drawn), len(again))
		}
		b.sim.ClearFaults()
	})
	t.Run("the clock moves by a step, by any duration and to a time", func(t *testing.T) {
		start := b.sim.Now()
		b.post("clock", url.Values{"by": {"25h"}})
		if moved := b.sim.Now().Sub(start); moved < 25*time.Hour || moved > 26*time.Hour {
			t.Errorf("moved by %s", moved)
		}
		contains(t, b.post("clock", url.Values{"to": {"2031-05-06T07:08"}}), "2031-05-06 07:08")
	})
	t.Run("switches move", func(t *testing.T) {
		contains(t, b.post("switches", url.Values{"close_twice": {"accepted"}}), `<option value="accepted" selected>`)
		if got := b.sim.Positions()["close_twice"]; got != "accepted" {
			t.Errorf("it stands at %s", got)
		}
	})
	t.Run("settings of every type change, and only those that differ", func(t *testing.T) {
		body := b.page("/sim/page/behaviour")
		form := url.Values{}
		for _, m := range regexp.MustCompile(`<input id="([a-z_]+)" name="[a-z_]+" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			form.Set(m[1], m[2])
		}
		before := b.sim.Settings()
		if len(form) != len(before) {
			t.Fatalf("the page has %d of %d settings", len(form), len(before))
		}
		b.post("settings", form)
		if after := b.sim.Settings(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("a form as it was changed\n%v to\n%v", before, after)
		}
		form.Set("queue_delay", "1m30s")
		form.Set("shuffle_results", "false")
		form.Set("rows_per_second", "500")
		b.post("settings", form)
		if s := b.sim.Settings(); s["queue_delay"] != "1m30s" || s["shuffle_results"] != false || s["rows_per_second"] != 500.0 {
			t.Errorf("got %v", s)
		}
	})
	t.Run("an old page puts nothing back that was moved since", func(t *testing.T) {
		form := url.Values{}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="(was\.([a-z_0-9]+))" value="([^"]*)"`).FindAllStringSubmatch(b.page("/sim/page/behaviour"), -1) {
			form.Set(m[1], m[3])
			form.Set(m[2], m[3])
		}
		b.sim.Set(map[string]any{"parallel_batches": 7})
		b.sim.Move("header_only", "failed")
		form.Set("batch_time", "7m")
		form.Set("blank_id", "refused")
		b.post("settings", form)
		b.post("switches", form)
		set, at := b.sim.Settings(), b.sim.Positions()
		if set["parallel_batches"] != 7.0 || set["batch_time"] != "7m0s" || at["header_only"] != "failed" || at["blank_id"] != "refused" {
			t.Errorf("%v, %v", set, at)
		}
	})
	t.Run("a reset empties the org when the box was ticked", func(t *testing.T) {
		b.sim.Seed("Account", map[string]string{"Name": "A"})
		if res, _ := b.send("POST", "/sim/page/reset", url.Values{}, nil); res.StatusCode != 400 || b.sim.Counts()["Account"].Rows != 1 {
			t.Errorf("without the tick: %s", res.Status)
		}
		b.post("reset", url.Values{"sure": {"yes"}})
		if b.sim.Counts()["Account"].Rows != 0 {
			t.Error("the row is still there")
		}
	})
	t.Run("what makes no sense changes nothing and says why", func(t *testing.T) {
		for _, tc := range []struct {
			path, name, value, part string
		}{
			{"faults/add", "rules", `{"efect":{}}`, "efect"},
			{"faults/add", "rules", `{"effect":{"kind":"<b>"}}`, "&lt;b&gt;"},
			{"faults/add", "rules", "", "no fault rule"},
			{"faults/draw", "seed", "x", "whole number"},
			{"faults/remove", "x", "y", "No fault was named"},
			{"clock", "by", "soon", "25h"},
			{"clock", "to", "tomorrow", "2027-01-31"},
			{"clock", "to", "2300-01-01T00:00", "1970 to 2200"},
			{"clock", "by", "-1000000h", "1970 to 2200"},
			{"switches", "close_twice", "perhaps", "perhaps"},
			{"settings", "parallel_batches", "0", "parallel_batches"},
			{"settings", "queue_delay", `"`, "duration"},
		} {
			res, body := b.send("POST", "/sim/page/"+tc.path, url.Values{tc.name: {tc.value}}, nil)
			if res.StatusCode != 400 || !strings.Contains(mainOf(body), tc.part) {
				t.Errorf("%s %s=%q: %d %s", tc.path, tc.name, tc.value, res.StatusCode, mainOf(body))
			}
		}
		if n := len(b.sim.Faults()); n != 0 {
			t.Errorf("%d faults were added", n)
		}
	})
}

func TestOtherSitesCannotAct(t *testing.T) {
	b := open(t)
	b.sim.Seed("Account", map[string]string{"Name": "A"})
	for _, path := range []string{"/sim/page/reset", "/sim/reset", "/sim/faults", "/sim/tokens/expire"} {
		for does, change := range map[string]func(*http.Request){
			"as browsers say today":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"as a sibling host":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"as older browsers said": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		} {
			t.Run(path+" "+does, func(t *testing.T) {
				if res, body := b.send("POST", path, url.Values{"sure": {"yes"}}, change); res.StatusCode != http.StatusForbidden {
					t.Errorf("got %d %s", res.StatusCode, body)
				}
			})
		}
	}
	if b.sim.Counts()["Account"].Rows != 1 {
		t.Error("the org was emptied")
	}
}
