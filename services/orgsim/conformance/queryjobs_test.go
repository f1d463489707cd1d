package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const queries = data + "/jobs/query"

// queryJob makes a query job and returns its id.
func (o *org) queryJob(s spec) string {
	o.t.Helper()
	if s["operation"] == nil {
		s["operation"] = "query"
	}
	return decode[struct{ ID string }](o.t, o.want(o.call("POST", queries, text(s)), http.StatusOK)).ID
}

// queryEnd waits until a query job has ended and returns what a GET shows then.
func (o *org) queryEnd(id string) map[string]any {
	o.t.Helper()
	if o.sim != nil {
		o.sim.AwaitJob(id, "finished")
	}
	for late, pause := time.Now().Add(patience), 50*time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		m := decode[map[string]any](o.t, o.want(o.call("GET", queries+"/"+id, ""), http.StatusOK))
		switch m["state"] {
		case "JobComplete", "Failed", "Aborted":
			return m
		}
		if time.Now().After(late) {
			o.t.Fatalf("job %s has not ended: %v", id, m)
		}
		<-time.After(pause)
	}
}

// queryRan runs a query job to its end, which must be a good one, and returns its id.
func (o *org) queryRan(s spec) string {
	o.t.Helper()
	id := o.queryJob(s)
	if m := o.queryEnd(id); m["state"] != "JobComplete" {
		o.t.Fatalf("got %v", m)
	}
	return id
}

// resultPage is a page of the result of a query job as it came; query is what follows the path, such as "?maxRecords=2".
func (o *org) resultPage(id, query string) (body, next string, rows int) {
	o.t.Helper()
	a := o.want(o.call("GET", queries+"/"+id+"/results"+query, ""), http.StatusOK)
	rows, err := strconv.Atoi(a.header.Get("Sforce-NumberOfRecords"))
	if err != nil || a.header.Get("Sforce-Locator") == "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
		o.t.Fatalf("got %v", a.header)
	}
	return a.body, a.header.Get("Sforce-Locator"), rows
}

// group makes accounts n1 to n<count> of a group of their own and returns the condition that finds them.
func (o *org) group(name string, count int) (where string) {
	o.t.Helper()
	var b strings.Builder
	for i := 1; i <= count; i++ {
		_, _ = fmt.Fprintf(&b, "n%d,%s\n", i, o.key(name))
	}
	o.process(insertAccount, "Name,Conf_Group__c\n"+b.String())
	return " FROM Account WHERE Conf_Group__c = '" + o.key(name) + "'"
}

const queryMembers = shortMembers + " jobType lineEnding columnDelimiter numberRecordsProcessed retries totalProcessingTime isPkChunkingSupported"

func TestQueryJobs(t *testing.T) {
	o := theOrg(t)
	three := o.group("three", 3)
	t.Run("a create answers with the job in UploadComplete, and its object is the one behind FROM", func(t *testing.T) {
		a := o.want(o.call("POST", queries, text(spec{"operation": "query", "query": "SELECT Id" + three})), http.StatusOK)
		if got := members(t, a.body); got != shortMembers+" lineEnding columnDelimiter" {
			t.Errorf("got %s", got)
		}
		m := decode[map[string]any](t, a)
		if m["state"] != "UploadComplete" || m["object"] != "Account" || m["operation"] != "query" || m["apiVersion"] != 66.0 || m["columnDelimiter"] != "COMMA" || m["lineEnding"] != "LF" {
			t.Errorf("got %s", a.body)
		}
		if id, _ := m["id"].(string); len(id) != 18 || !strings.HasPrefix(id, "750") {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a finished job shows its type, its records, retries and times, and neither failed records nor a message", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id" + three})
		for _, form := range []string{id, id[:15]} {
			a := o.want(o.call("GET", queries+"/"+form, ""), http.StatusOK)
			if got := members(t, a.body); got != queryMembers {
				t.Errorf("got %s", got)
			}
			if m := decode[map[string]any](t, a); m["jobType"] != "V2Query" || m["numberRecordsProcessed"] != 3.0 || m["retries"] != 0.0 || m["id"] != id {
				t.Errorf("got %s", a.body)
			}
		}
	})
	t.Run("an order or a limit turns PK chunking off", func(t *testing.T) {
		for end, want := range map[string]bool{"": true, " ORDER BY Name": false, " LIMIT 2": false} {
			if m := o.queryEnd(o.queryJob(spec{"query": "SELECT Id" + three + end})); m["isPkChunkingSupported"] != want {
				t.Errorf("%q: got %v", end, m)
			}
		}
	})
	t.Run("every value of a result is quoted, the header too, and the locator at its end is the word null", func(t *testing.T) {
		o.put("Account", spec{"Name": `Says "hi", twice`, "Conf_Group__c": o.key("quoted")})
		id := o.queryRan(spec{"query": "SELECT Name, Phone, Conf_Group__c FROM Account WHERE Conf_Group__c = '" + o.key("quoted") + "'"})
		body, next, rows := o.resultPage(id, "")
		if want := `"Name","Phone","Conf_Group__c"` + "\n" + `"Says ""hi"", twice","","` + o.key("quoted") + "\"\n"; body != want || next != "null" || rows != 1 {
			t.Errorf("got %q %s %d", body, next, rows)
		}
	})
	t.Run("an empty result is its header alone", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Id, Name FROM Account WHERE Conf_Group__c = '" + o.key("nobody") + "'"})
		if body, next, rows := o.resultPage(id, "?maxRecords=5"); body != "\"Id\",\"Name\"\n" || next != "null" || rows != 0 {
			t.Errorf("got %q %s %d", body, next, rows)
		}
	})
	t.Run("values of a parent stand under the path that leads to them, and times end in Z", func(t *testing.T) {
		account := o.put("Account", spec{"Name": "Parent"})
		o.put("Contact", spec{"LastName": "Child", "AccountId": account, "Conf_Key__c": o.key("child"), "Conf_At__c": "2026-01-02T03:04:05.000+0000", "Conf_Number__c": 1.25})
		id := o.queryRan(spec{"query": "SELECT Account.Name, LastName, Conf_At__c, Conf_Number__c FROM Contact WHERE Conf_Key__c = '" + o.key("child") + "'"})
		if body, _, _ := o.resultPage(id, ""); body != "\"Account.Name\",\"LastName\",\"Conf_At__c\",\"Conf_Number__c\"\n\"Parent\",\"Child\",\"2026-01-02T03:04:05.000Z\",\"1.25\"\n" {
			t.Errorf("got %q", body)
		}
	})
	t.Run("a job says how its results are written", func(t *testing.T) {
		id := o.queryRan(spec{"query": "SELECT Name, Conf_Group__c" + three + " ORDER BY Name LIMIT 1", "columnDelimiter": "PIPE", "lineEnding": "CRLF"})
		if body, _, _ := o.resultPage(id, ""); body != "\"Name\"|\"Conf_Group__c\"\r\n\"n1\"|\""+o.key("three")+"\"\r\n" {
			t.Errorf("got %q", body)
		}
	})
	t.Run("queryAll finds what lies in the recycle bin too", func(t *testing.T) {
		where := o.group("bin", 2)
		row := o.ask("SELECT Id" + where + " LIMIT 1").Records[0]["Id"].(string)
		o.none(o.call("DELETE", objects+"Account/"+row, ""), http.StatusNoContent)
		for operation, want := range map[string]int{"query": 1, "queryAll": 2} {
			id := o.queryRan(spec{"operation": operation, "query": "SELECT Id, IsDeleted" + where})
			body, _, rows := o.resultPage(id, "")
			if rows != want || strings.Contains(body, `"`+row+`","true"`) != (want == 2) {
				t.Errorf("%s: %d rows in %q", operation, rows, body)
			}
		}
	})
	t.Run("a result is that of the time when the job ran", func(t *testing.T) {
		where := o.group("frozen", 2)
		id := o.queryRan(spec{"query": "SELECT Name" + where + " ORDER BY Name"})
		before, _, _ := o.resultPage(id, "")
		for _, r := range o.ask("SELECT Id" + where).Records {
			o.none(o.call("PATCH", objects+"Account/"+r["Id"].(string), `{"Name":"changed"}`), http.StatusNoContent)
		}
		o.group("frozen", 1)
		if after, _, rows := o.resultPage(id, ""); after != before || rows != 2 {
			t.Errorf("got %q, before %q", after, before)
		}
	})
}

// TestExportOfACommandLine makes the calls of a bulk export as a command line tool makes them: jobs under one slash, all
// else under two.
func TestExportOfACommandLine(t *testing.T) {
	o := theOrg(t)
	where := o.group("export", 3)
	t.Run("an export makes a job, looks at it, and fetches page after page until the locator is null", func(t *testing.T) {
		id := decode[struct{ ID string }](t, o.want(o.call("POST", queries, text(spec{"query": "SELECT Id, Name" + where, "operation": "query", "lineEnding": "LF"}), func(r *http.Request) {
			r.ContentLength = -1
			r.Header.Set("Sforce-Call-Options", "client=sfdx toolbelt:")
		}), http.StatusOK)).ID
		if m := o.queryEnd(id); m["state"] != "JobComplete" || m["numberRecordsProcessed"] != 3.0 {
			t.Fatalf("got %v", m)
		}
		o.want(o.call("GET", "/"+data, ""), http.StatusOK)
		got := 0
		for query := "?maxRecords=2"; query != ""; {
			_, next, rows := o.resultPage(id, query)
			got += rows
			if query = ""; next != "null" {
				query = "?locator=" + next
			}
		}
		if got != 3 {
			t.Errorf("%d rows", got)
		}
	})
}

func TestQueryResultPages(t *testing.T) {
	o := theOrg(t)
	five := o.group("five", 5)
	id := o.queryRan(spec{"query": "SELECT Name" + five + " ORDER BY Name"})
	t.Run("pages are as small as they are asked for, each has the header, and a locator can be used again", func(t *testing.T) {
		for range 2 {
			var sizes []int
			all := ""
			for query := "?maxRecords=2"; query != ""; {
				body, next, rows := o.resultPage(id, query)
				rest, has := strings.CutPrefix(body, "\"Name\"\n")
				if !has || strings.Count(rest, "\n") != rows {
					t.Errorf("%d rows in %q", rows, body)
				}
				sizes, all = append(sizes, rows), all+rest
				again, nextAgain, _ := o.resultPage(id, query)
				if again != body || nextAgain != next {
					t.Errorf("%s: %q became %q", query, body, again)
				}
				if query = ""; next != "null" {
					query = "?locator=" + next + "&maxRecords=2"
				}
			}
			if slices.Max(sizes) > 2 || all != "\"n1\"\n\"n2\"\n\"n3\"\n\"n4\"\n\"n5\"\n" {
				t.Errorf("pages of %v: %q", sizes, all)
			}
		}
	})
	t.Run("an empty locator is the first page, and a path may end in a slash before its query", func(t *testing.T) {
		plain, _, _ := o.resultPage(id, "")
		for _, query := range []string{"?locator=", "/?locator=", "/", "/?maxRecords=50000"} {
			if got, _, rows := o.resultPage(id, query); got != plain || rows != 5 {
				t.Errorf("%s: got %q", query, got)
			}
		}
	})
	t.Run("a locator that leads nowhere and a size that is none are refused", func(t *testing.T) {
		other := o.queryRan(spec{"query": "SELECT Name" + five})
		_, theirs, _ := o.resultPage(other, "?maxRecords=1")
		for _, locator := range []string{"nonsense", "MTAwMDA", "null", theirs, strings.Repeat("A", 5_000)} {
			o.refused(o.call("GET", queries+"/"+id+"/results?locator="+locator, ""), http.StatusBadRequest, "INVALID_QUERY_LOCATOR")
		}
		for _, size := range []string{"0", "-1", "many", "99999999999999999999"} {
			o.want(o.call("GET", queries+"/"+id+"/results?maxRecords="+size, ""), http.StatusBadRequest)
		}
	})
	t.Run("results are for the API version that created the job, others are a conflict", func(t *testing.T) {
		for _, file := range []string{"results", "resultPages"} {
			o.want(o.call("GET", path("65.0", "/jobs/query/"+id+"/"+file), ""), http.StatusConflict)
			o.want(o.call("GET", path("66.0", "/jobs/query/"+id+"/"+file), ""), http.StatusOK)
		}
		o.want(o.call("GET", path("65.0", "/jobs/query/"+id), ""), http.StatusOK)
	})
	t.Run("the pages of a result can be listed, to fetch them side by side", func(t *testing.T) {
		for _, name := range []string{"resultPages", "resultpages"} {
			a := o.want(o.call("GET", queries+"/"+id+"/"+name, ""), http.StatusOK)
			got := decode[pageList](t, a)
			if len(got.ResultPages) != 1 || !got.Done || got.Next != nil {
				t.Fatalf("got %s", a.body)
			}
			if !regexp.MustCompile(`^` + queries + `/` + id + `/results\?locator=[A-Za-z0-9]+$`).MatchString(got.ResultPages[0].ResultURL) {
				t.Errorf("got %s", a.body)
			}
			first := o.want(o.call("GET", got.ResultPages[0].ResultURL, ""), http.StatusOK)
			if plain, _, _ := o.resultPage(id, ""); first.body != plain {
				t.Errorf("got %q", first.body)
			}
		}
	})
}

// pageList is an answer of resultPages.
type pageList struct {
	ResultPages []struct {
		ResultURL string `json:"resultUrl"`
	} `json:"resultPages"`
	Next *string `json:"nextRecordsUrl"`
	Done bool    `json:"done"`
}

func TestParallelResultPages(t *testing.T) {
	o := aSim(t)
	o.fill(30, "g")
	o.sim.Set(map[string]any{"query_page_rows": 4})
	id := o.queryRan(spec{"query": "SELECT Name FROM Account"})
	t.Run("up to five pages are named at a time, and a path leads to the next ones", func(t *testing.T) {
		var counts []int
		seen := 0
		for path := queries + "/" + id + "/resultPages"; path != ""; {
			got := decode[pageList](t, o.want(o.call("GET", path, ""), http.StatusOK))
			counts = append(counts, len(got.ResultPages))
			for _, p := range got.ResultPages {
				a := o.want(o.call("GET", p.ResultURL, ""), http.StatusOK)
				seen += strings.Count(a.body, "\n") - 1
			}
			if got.Done != (got.Next == nil) {
				t.Errorf("done is %v, next %v", got.Done, got.Next)
			}
			if path = ""; got.Next != nil {
				if path = *got.Next; !strings.HasPrefix(path, queries+"/"+id+"/resultpages?locator=") {
					t.Fatalf("got %s", path)
				}
			}
		}
		if !slices.Equal(counts, []int{5, 3}) || seen != 30 {
			t.Errorf("%v pages with %d rows", counts, seen)
		}
	})
	t.Run("a page may have fewer rows than are asked for", func(t *testing.T) {
		_, next, rows := o.resultPage(id, "?maxRecords=50000")
		if rows != 4 || next == "null" {
			t.Errorf("%d rows, next %s", rows, next)
		}
		_, next, _ = o.resultPage(id, "?maxRecords=3")
		if _, _, rows := o.resultPage(id, "?maxRecords=3&locator="+next); rows != 1 {
			t.Errorf("%d rows", rows)
		}
	})
}
