package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The members of job replies in wire order; those that depend on the job are named at the places where they stand.
const (
	shortMembers = "id operation object createdById createdDate systemModstamp state concurrencyMode contentType apiVersion"
	timeMembers  = "retries totalProcessingTime apiActiveProcessingTime apexProcessingTime"
	countMembers = "numberRecordsProcessed numberRecordsFailed"
)

var (
	insertAccount = spec{"object": "Account", "operation": "insert"}
	upsertAccount = spec{"object": "Account", "operation": "upsert", "externalIdFieldName": "Conf_Key__c"}
	jobIDForm     = regexp.MustCompile(`^750[A-Za-z0-9]{15}$`)
	stampForm     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$`)
)

// members are the names of the members of a JSON object as they stand in the text, joined by blanks.
func members(t testing.TB, body string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		t.Fatalf("no object: %q", body)
	}
	var names []string
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		names = append(names, fmt.Sprint(name))
	}
	return strings.Join(names, " ")
}

// numbered is a CSV of n rows with keys of this run.
func (o *org) numbered(prefix string, n int) string {
	var b strings.Builder
	b.WriteString("Conf_Key__c,Name\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,N\n", o.key(fmt.Sprintf("%s%d", prefix, i)))
	}
	return b.String()
}

// until looks at a job until seen says that it is enough.
func (o *org) until(id string, seen func(a answer, job map[string]any) bool) {
	o.t.Helper()
	late := time.After(30 * time.Second)
	for {
		a := o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK)
		if seen(a, decode[map[string]any](o.t, a)) {
			return
		}
		select {
		case <-late:
			o.t.Fatalf("not seen in time; at last %s", a.body)
		default:
		}
	}
}

// untilProcessed looks at a job until its counter has moved to n or above.
func (o *org) untilProcessed(id string, n int) {
	o.t.Helper()
	o.until(id, func(_ answer, job map[string]any) bool {
		processed, _ := job["numberRecordsProcessed"].(float64)
		return int(processed) >= n
	})
}

// user is the same org, called by another user.
func (o *org) user(username string) *org {
	o.t.Helper()
	return o.as(o.tokens(o.tokenRequest(o.clientForm("refresh_token", "refresh_token", o.sim.RefreshToken(username)))))
}

// part is one part of a multipart request.
type part struct{ header, body string }

// multipartBody is a request body in parts, and the change that says so.
func multipartBody(parts ...part) (string, func(*http.Request)) {
	const boundary = "conformance"
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n" + p.header + "\r\n\r\n" + p.body + "\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.String(), func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary) }
}

func jobPart(s spec) part {
	return part{"Content-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"", text(s)}
}

func contentPart(csv string) part {
	return part{"Content-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"", csv}
}

// createWithData makes a job by a request in parts.
func (o *org) createWithData(s spec, csv string) answer {
	o.t.Helper()
	body, change := multipartBody(jobPart(s), contentPart(csv))
	return o.call("POST", ingest, body, change)
}

func TestJobCreate(t *testing.T) {
	o := theOrg(t)
	t.Run("a new job is Open and shows its members in their order", func(t *testing.T) {
		a := o.want(o.call("POST", ingest, text(insertAccount)), http.StatusOK)
		if got := members(t, a.body); got != shortMembers+" contentUrl lineEnding columnDelimiter" {
			t.Errorf("got %s", got)
		}
		job := decode[map[string]any](t, a)
		if id := job["id"].(string); !jobIDForm.MatchString(id) || job["state"] != "Open" ||
			job["contentUrl"] != "services/data/"+version+"/jobs/ingest/"+id+"/batches" {
			t.Errorf("got %s", a.body)
		}
		if !stampForm.MatchString(job["createdDate"].(string)) || !stampForm.MatchString(job["systemModstamp"].(string)) {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("an upsert names its external id between state and concurrencyMode", func(t *testing.T) {
		a := o.want(o.call("POST", ingest, text(upsertAccount)), http.StatusOK)
		if got := members(t, a.body); !strings.Contains(got, "state externalIdFieldName concurrencyMode") {
			t.Errorf("got %s", got)
		}
		if got := decode[map[string]any](t, a)["externalIdFieldName"]; got != "Conf_Key__c" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("what is left out has its default", func(t *testing.T) {
		job := decode[map[string]any](t, o.want(o.call("POST", ingest, text(insertAccount)), http.StatusOK))
		for name, want := range map[string]string{"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF", "concurrencyMode": "Parallel"} {
			if job[name] != want {
				t.Errorf("%s is %v, want %s", name, job[name], want)
			}
		}
	})
	t.Run("every delimiter and line ending that is documented is taken", func(t *testing.T) {
		for _, delimiter := range []string{"COMMA", "TAB", "PIPE", "SEMICOLON", "CARET", "BACKQUOTE"} {
			for _, ending := range []string{"LF", "CRLF"} {
				id := o.create(spec{"object": "Account", "operation": "insert", "columnDelimiter": delimiter, "lineEnding": ending, "contentType": "CSV"})
				if job := o.info(id); job["columnDelimiter"] != delimiter || job["lineEnding"] != ending {
					t.Errorf("got %v", job)
				}
			}
		}
	})
	t.Run("an upsert may go by Id", func(t *testing.T) {
		o.create(spec{"object": "Account", "operation": "upsert", "externalIdFieldName": "Id"})
	})
	t.Run("the external id must also be a column of the upload", func(t *testing.T) {
		_, job := o.process(upsertAccount, "Name\nN\n")
		if job["state"] != "Failed" || job["errorMessage"] != "InvalidBatch : Field name not found : Conf_Key__c" {
			t.Errorf("got %v", job)
		}
	})
	t.Run("there is no serial mode: concurrencyMode cannot be chosen", func(t *testing.T) {
		id := o.create(spec{"object": "Account", "operation": "insert", "concurrencyMode": "Serial"})
		if got := o.info(id)["concurrencyMode"]; got != "Parallel" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the version comes from the path, and apiVersion is a number", func(t *testing.T) {
		a := o.want(o.call("POST", "/services/data/v59.0/jobs/ingest", text(spec{"object": "Account", "operation": "insert", "apiVersion": 40.0})), http.StatusOK)
		if !strings.Contains(a.body, `"apiVersion":59.0,`) || !strings.Contains(a.body, `"contentUrl":"services/data/v59.0/jobs/ingest/750`) {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("call options and empty or unknown members do no harm", func(t *testing.T) {
		o.want(o.call("POST", ingest, text(spec{"object": "Account", "operation": "insert", "externalIdFieldName": "", "nonsense": 1}), func(r *http.Request) {
			r.Header.Set("Sforce-Call-Options", "client=conformance, defaultNamespace=none")
		}), http.StatusOK)
	})
	t.Run("an assignment rule is kept for a lead, and for nothing else", func(t *testing.T) {
		o := aSim(t) // no other org has this rule
		const rule = "01Q000000000001AAA"
		a := o.want(o.call("POST", ingest, text(spec{"object": "Lead", "operation": "insert", "assignmentRuleId": rule})), http.StatusOK)
		if got := decode[map[string]any](t, a)["assignmentRuleId"]; got != rule || !strings.HasSuffix(members(t, a.body), "columnDelimiter assignmentRuleId") {
			t.Errorf("got %s", a.body)
		}
		a = o.want(o.call("POST", ingest, text(spec{"object": "Account", "operation": "insert", "assignmentRuleId": rule})), http.StatusOK)
		if got := members(t, a.body); strings.Contains(got, "assignmentRuleId") {
			t.Errorf("got %s", got)
		}
		a = o.want(o.call("POST", path("48.0", "/jobs/ingest"), text(spec{"object": "Lead", "operation": "insert", "assignmentRuleId": rule})), http.StatusOK)
		if got := members(t, a.body); strings.Contains(got, "assignmentRuleId") {
			t.Errorf("before 49.0 got %s", got)
		}
	})
}

func TestJobCreateWithData(t *testing.T) {
	o := theOrg(t)
	t.Run("a create that brings its data is closed already and runs by itself", func(t *testing.T) {
		a := o.want(o.createWithData(upsertAccount, "Conf_Key__c,Name\n"+o.key("inline")+",N\n"), http.StatusOK)
		if got := members(t, a.body); got != "id operation object createdById createdDate systemModstamp state externalIdFieldName concurrencyMode contentType apiVersion lineEnding columnDelimiter" {
			t.Errorf("got %s", got)
		}
		job := decode[map[string]any](t, a)
		if job["state"] != "UploadComplete" {
			t.Errorf("got %v", job)
		}
		id := job["id"].(string)
		if done := o.ended(id); done["state"] != "JobComplete" || done["numberRecordsProcessed"] != 1.0 || len(o.rows(id, successful)) != 1 {
			t.Errorf("got %v", done)
		}
	})
	t.Run("100,000 characters of data are the most that a create takes", func(t *testing.T) {
		full := "Name\n" + strings.Repeat(strings.Repeat("é", 99)+"\n", 999) + strings.Repeat("é", 95)
		o.want(o.createWithData(insertAccount, full), http.StatusOK)
		o.want(o.createWithData(insertAccount, full+"N"), http.StatusBadRequest)
	})
	t.Run("the parts have names, types and an order", func(t *testing.T) {
		job, content := jobPart(insertAccount), contentPart("Name\nN\n")
		unnamed := part{"Content-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"", content.body}
		untyped := part{"Content-Disposition: form-data; name=\"job\"", job.body}
		for _, parts := range [][]part{{content, job}, {job}, {}, {job, unnamed}, {untyped, content}, {job, content, content}} {
			body, change := multipartBody(parts...)
			o.want(o.call("POST", ingest, body, change), http.StatusBadRequest)
		}
	})
	t.Run("what is wrong with the job is said as for any create", func(t *testing.T) {
		if got := o.refused(o.createWithData(spec{"object": "Foo", "operation": "insert"}, "Name\nN\n"), 400, "INVALIDJOB"); got != "InvalidJob : Unable to find object: Foo" {
			t.Errorf("got %s", got)
		}
	})
}
