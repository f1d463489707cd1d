package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// path is a path of a version, such as "50.0".
func path(version, rest string) string { return "/services/data/v" + version + rest }

// query asks for the rows of a query.
func (o *org) query(version, q string) answer {
	o.t.Helper()
	return o.call("GET", path(version, "/query?")+url.Values{"q": {q}}.Encode(), "")
}

type versionEntry struct{ Label, URL, Version string }

func TestVersions(t *testing.T) {
	o := theOrg(t)
	list := decode[[]versionEntry](t, o.want(o.call("GET", "/services/data", ""), http.StatusOK))
	t.Run("the list goes up by version, and each entry has the form of the others", func(t *testing.T) {
		last := 0.0
		for _, e := range list {
			n, err := strconv.ParseFloat(e.Version, 64)
			if err != nil || n <= last || !regexp.MustCompile(`^\d+\.0$`).MatchString(e.Version) || e.URL != "/services/data/v"+e.Version || e.Label == "" {
				t.Errorf("got %+v", e)
			}
			last = n
		}
	})
	t.Run("it begins at 31.0 and has nothing but versions", func(t *testing.T) {
		if len(list) == 0 || list[0].Version != "31.0" {
			t.Fatalf("got %+v", list)
		}
	})
	t.Run("it names the releases up to 68.0", func(t *testing.T) {
		for version, label := range map[string]string{"66.0": "Spring '26", "67.0": "Summer '26", "68.0": "Winter '27"} {
			if !slices.Contains(list, versionEntry{label, "/services/data/v" + version, version}) {
				t.Errorf("there is no %s, %s", version, label)
			}
		}
	})
	t.Run("every version of the list answers, those that clients ask for by name too", func(t *testing.T) {
		asked := []string{"50.0", "51.0", "59.0", "63.0"}
		for _, e := range list {
			asked = append(asked, e.Version)
		}
		for _, v := range asked {
			o.want(o.call("GET", path(v, "/limits"), ""), http.StatusOK)
		}
	})
	t.Run("retired versions are gone", func(t *testing.T) {
		for _, v := range []string{"7.0", "20.0", "30.0"} {
			o.want(o.call("GET", path(v, "/limits"), ""), http.StatusGone)
		}
	})
	t.Run("versions to come are not found", func(t *testing.T) {
		o.refused(o.call("GET", path("400.0", "/limits"), ""), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("ingest jobs are there from 41.0 on", func(t *testing.T) {
		o.want(o.call("GET", path("41.0", "/jobs/ingest"), ""), http.StatusOK)
		o.refused(o.call("GET", path("40.0", "/jobs/ingest"), ""), http.StatusNotFound, "NOT_FOUND")
	})
	t.Run("a version has a map of its resources", func(t *testing.T) {
		got := decode[map[string]string](t, o.want(o.call("GET", data, ""), http.StatusOK))
		for _, name := range []string{"sobjects", "query", "limits", "jobs"} {
			if got[name] != data+"/"+name {
				t.Errorf("%s is at %q", name, got[name])
			}
		}
		if old := decode[map[string]string](t, o.want(o.call("GET", path("40.0", ""), ""), http.StatusOK)); old["jobs"] != "" || old["sobjects"] == "" {
			t.Errorf("before there were jobs it has %v", old)
		}
	})
}

func TestErrors(t *testing.T) {
	o := theOrg(t)
	t.Run("an error is a list of objects, and only one on data has fields", func(t *testing.T) {
		a := o.want(o.call("GET", data+"/nothing", ""), http.StatusNotFound)
		list := decode[[]map[string]any](t, a)
		_, fields := list[0]["fields"]
		if message, _ := list[0]["message"].(string); len(list) != 1 || fields || message == "" || list[0]["errorCode"] != "NOT_FOUND" {
			t.Errorf("got %s", a.body)
		}
		a = o.want(o.call("POST", data+"/sobjects/Contact", `{"FirstName":"x"}`), http.StatusBadRequest)
		if fields := decode[[]refusal](t, a)[0].Fields; len(fields) != 1 || fields[0] != "LastName" {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("jobs name the code first", func(t *testing.T) {
		a := o.want(o.call("GET", ingest+"/750000000000000AAA", ""), http.StatusNotFound)
		if !strings.HasPrefix(a.body, `[{"errorCode":"NOT_FOUND","message":`) {
			t.Errorf("got %s", a.body)
		}
	})
	for _, tc := range []struct {
		does, method, path, body string
		status                   int
		change                   func(*http.Request)
	}{
		{"405 is for a method that the resource has not", "DELETE", data + "/limits", "", http.StatusMethodNotAllowed, nil},
		{"414 is for a URI above 16,384 bytes", "GET", data + "/query?q=" + strings.Repeat("x", 17_000), "", http.StatusRequestURITooLong, nil},
		{"415 is for a body in another form", "POST", ingest, `<a/>`, http.StatusUnsupportedMediaType, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		{"431 is for header lines that are too long", "GET", data + "/limits", "", http.StatusRequestHeaderFieldsTooLarge, func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 17_000)) }},
	} {
		t.Run(tc.does, func(t *testing.T) {
			change := tc.change
			if change == nil {
				change = func(*http.Request) {}
			}
			o.want(o.call(tc.method, tc.path, tc.body, change), tc.status)
		})
	}
}

func TestStatusesFromTheEdge(t *testing.T) {
	o := aSim(t)
	for _, status := range []int{420, 500, 502, 503} {
		t.Run("a fault brings about a "+strconv.Itoa(status)+", as JSON and as a page", func(t *testing.T) {
			o.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: "limits"}, Effect: simtest.Effect{Kind: "status", Status: status}})
			a := o.want(o.call("GET", data+"/limits", ""), status)
			if list := decode[[]refusal](t, a); list[0].ErrorCode == "" || list[0].Message == "" {
				t.Errorf("got %s", a.body)
			}
			o.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: "limits"}, Effect: simtest.Effect{Kind: "status", Status: status, Body: "<html>down</html>"}})
			a = o.want(o.call("GET", data+"/limits", ""), status)
			if a.body != "<html>down</html>" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("got %s, %v", a.body, a.header)
			}
		})
	}
}

// TestFirstCallsOfACommandLine makes the calls that a command line tool makes before it does anything.
func TestFirstCallsOfACommandLine(t *testing.T) {
	o := theOrg(t)
	who := decode[map[string]any](t, o.want(o.call("GET", "/services/oauth2/userinfo", ""), http.StatusOK))
	t.Run("the user info leads to the row of the user", func(t *testing.T) {
		row := decode[map[string]any](t, o.want(o.call("GET", path("51.0", "/sobjects/User/"+who["user_id"].(string)), ""), http.StatusOK))
		if row["Username"] != who["preferred_username"] {
			t.Errorf("got %v, want %v", row["Username"], who["preferred_username"])
		}
	})
	t.Run("an org that is no dev hub has no scratch orgs to ask for", func(t *testing.T) {
		if a := o.query("51.0", "SELECT Id FROM ScratchOrgInfo limit 1"); o.sim != nil && (a.status < 400 || a.status > 499) {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("the org tells what it is", func(t *testing.T) {
		a := o.call("GET", "//services/data/v68.0/query?"+url.Values{
			"q": {"SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization"},
		}.Encode(), "")
		got := decode[struct{ Records []map[string]any }](t, o.want(a, http.StatusOK))
		if len(got.Records) != 1 {
			t.Fatalf("got %s", a.body)
		}
		for name, full := range map[string]bool{"Name": true, "InstanceName": true, "IsSandbox": true, "TrialExpirationDate": false, "NamespacePrefix": false, "OrganizationType": true} {
			if v, has := got.Records[0][name]; !has || full && (v == nil || v == "") {
				t.Errorf("%s in %s", name, a.body)
			}
		}
	})
	t.Run("the tooling API has no sandboxes to ask for", func(t *testing.T) {
		q := url.Values{"q": {"SELECT Id FROM SandboxProcess WHERE SandboxOrganization='" + who["organization_id"].(string)[:15] + "'"}}
		if a := o.call("GET", path("68.0", "/tooling/query?")+q.Encode(), ""); o.sim != nil && (a.status < 400 || a.status > 499) {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("display, describe and limits answer", func(t *testing.T) {
		for _, p := range []string{data, data + "/sobjects/Account/describe", data + "/limits"} {
			o.want(o.call("GET", p, ""), http.StatusOK)
		}
	})
}

// TestBulkCallsOfACommandLine makes the calls of a bulk import as a command line tool makes them: jobs under one slash, all
// else under two, the upload in chunks.
func TestBulkCallsOfACommandLine(t *testing.T) {
	o := theOrg(t)
	id := o.create(spec{"object": "Account", "operation": "upsert", "lineEnding": "CRLF", "columnDelimiter": "COMMA", "externalIdFieldName": "Conf_Key__c"})
	t.Run("an import, its looks and its results are answered in their order", func(t *testing.T) {
		o.want(o.call("PUT", ingest+"/"+id+"/batches", "Conf_Key__c,Name\r\n"+o.key("tool")+",T\r\n"+o.key("nameless")+",\r\n", csvBody, func(r *http.Request) {
			r.ContentLength = -1
		}), http.StatusCreated)
		o.want(o.patch(id, "UploadComplete"), http.StatusOK)
		o.want(o.call("GET", "/"+data, ""), http.StatusOK)
		if job := o.ended(id); job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 2.0 || job["numberRecordsFailed"] != 1.0 {
			t.Errorf("got %v", job)
		}
		if ok, bad, left := len(o.rows(id, successful)), len(o.rows(id, failed)), len(o.rows(id, unprocessed)); ok != 1 || bad != 1 || left != 0 {
			t.Errorf("%d rows are successful, %d failed, %d unprocessed", ok, bad, left)
		}
	})
	t.Run("a record is created, read, updated and deleted", func(t *testing.T) {
		record := o.put("Account", spec{"Name": "By hand"})
		o.none(o.call("PATCH", "/"+objects+"Account/"+record, text(spec{"Name": "Again"})), http.StatusNoContent)
		if got := o.fields("Account", record, "Name")["Name"]; got != "Again" {
			t.Errorf("got %v", got)
		}
		o.none(o.call("DELETE", "/"+objects+"Account/"+record, ""), http.StatusNoContent)
	})
}

func TestHardDeletePermission(t *testing.T) {
	o := aSim(t)
	t.Run("without the permission the code is FEATURENOTENABLED", func(t *testing.T) {
		o.refused(o.call("POST", ingest, text(spec{"object": "Account", "operation": "hardDelete"})), http.StatusBadRequest, "FEATURENOTENABLED")
	})
}
