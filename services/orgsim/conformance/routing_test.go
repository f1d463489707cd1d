package conformance

import (
	"net/http"
	"strings"
	"testing"
)

func TestRouting(t *testing.T) {
	o := theOrg(t)
	id, _ := o.process(spec{"object": "Account", "operation": "insert", "externalIdFieldName": "", "contentType": "CSV"}, "Name\n"+o.key("route")+"\n")
	t.Run("leading slashes are one", func(t *testing.T) {
		o.want(o.call("GET", "//services/data/v66.0/limits", ""), http.StatusOK)
		o.want(o.call("GET", "//services/data", ""), http.StatusOK)
	})
	t.Run("an inner double slash is not found", func(t *testing.T) {
		o.want(o.call("GET", ingest+"//"+id, ""), http.StatusNotFound)
	})
	t.Run("a slash may stand at the end", func(t *testing.T) {
		for _, p := range []string{
			"/services/data/", data + "/limits/", data + "/query/?q=SELECT+Id+FROM+Organization", data + "/sobjects/Account/describe/",
			ingest + "/", ingest + "/" + id + "/", ingest + "/" + id + "/" + successful + "/",
		} {
			o.want(o.call("GET", p, ""), http.StatusOK)
		}
		job := o.create(spec{"object": "Account", "operation": "insert"})
		o.want(o.call("PUT", ingest+"/"+job+"/batches/", "Name\n"+o.key("slash")+"\n", csvBody), http.StatusCreated)
		o.want(o.call("PATCH", ingest+"/"+job+"/", text(spec{"state": "Aborted"})), http.StatusOK)
		o.none(o.call("DELETE", ingest+"/"+job+"/", ""), http.StatusNoContent)
		o.want(o.call("POST", collections+"/", records(false, of("Account", spec{"Name": o.key("slash")}))), http.StatusOK)
	})
	t.Run("names of result files are read in any case", func(t *testing.T) {
		for _, name := range []string{"successfulResults", "successfulresults", "failedResults", "FAILEDRESULTS", "unprocessedrecords", "unprocessedRecords"} {
			a := o.want(o.call("GET", ingest+"/"+id+"/"+name, ""), http.StatusOK)
			if !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
				t.Errorf("%s: %v", name, a.header)
			}
		}
	})
	t.Run("Accept is not looked at", func(t *testing.T) {
		for _, accept := range []string{"application/json", "text/csv", "*/*", "image/png"} {
			change := func(r *http.Request) { r.Header.Set("Accept", accept) }
			o.want(o.call("GET", ingest+"/"+id+"/"+successful, "", change), http.StatusOK)
			o.want(o.call("GET", ingest+"/"+id, "", change), http.StatusOK)
			o.want(o.call("POST", ingest, text(spec{"object": "Account", "operation": "insert"}), change), http.StatusOK)
			o.want(o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT Id FROM Organization"}), change), http.StatusOK)
		}
	})
	t.Run("members that nobody knows and empty ones are passed over", func(t *testing.T) {
		job := o.create(spec{"object": "Account", "operation": "insert", "externalIdFieldName": "", "contentType": "CSV", "colour": "red"})
		o.upload(job, "Name\n"+o.key("members")+"\n")
		o.want(o.call("PATCH", ingest+"/"+job, text(spec{"id": job, "state": "UploadComplete"})), http.StatusOK)
		o.want(o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT Id FROM Organization", "colour": "red"})), http.StatusOK)
	})
	t.Run("an upload may be chunked", func(t *testing.T) {
		job := o.create(spec{"object": "Account", "operation": "insert"})
		o.want(o.call("PUT", ingest+"/"+job+"/batches", "Name\n"+o.key("chunked")+"\n", csvBody, func(r *http.Request) { r.ContentLength = -1 }), http.StatusCreated)
	})
	t.Run("headers of clients change nothing", func(t *testing.T) {
		for name, value := range map[string]string{"Sforce-Call-Options": "client=sfdx toolbelt:", "Sforce-Disable-Batch-Retry": "TRUE"} {
			change := func(r *http.Request) { r.Header.Set(name, value) }
			o.want(o.call("GET", ingest+"/"+id, "", change), http.StatusOK)
			a := o.want(o.call("POST", ingest, text(spec{"object": "Account", "operation": "insert"}), change), http.StatusOK)
			if got := members(t, a.body); got != "id operation object createdById createdDate systemModstamp state concurrencyMode contentType apiVersion contentUrl lineEnding columnDelimiter" {
				t.Errorf("%s: got %s", name, got)
			}
		}
	})
	t.Run("Bulk API 1.0 is not found", func(t *testing.T) {
		a := o.call("GET", "/services/async/66.0/job/"+id, "", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-SFDC-Session", o.token)
		})
		if a.status != http.StatusNotFound && o.sim != nil {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("a reply is for nobody else to keep, and may differ by Accept-Encoding", func(t *testing.T) {
		a := o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK)
		if !strings.Contains(a.header.Get("Cache-Control"), "no-store") || !strings.Contains(a.header.Get("Vary"), "Accept-Encoding") {
			t.Errorf("got %v", a.header)
		}
	})
}
