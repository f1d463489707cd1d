//go:build clients

package clients

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestSFQueries(t *testing.T) {
	t.Parallel()
	s := start(t)
	seedContacts(s, "Q", 2500)
	c := newCommandLine(t, s)
	c.login()
	t.Run("rows as JSON, over pages", func(t *testing.T) {
		r := c.want(`{"totalSize":2500,"done":true}`, "data query --query", "SELECT Id, LastName, Account.Name FROM Contact ORDER BY External_Id__c")
		var said struct {
			Records []struct {
				LastName string
				Account  struct{ Name string }
			}
		}
		if err := json.Unmarshal(r.Result, &said); err != nil || len(said.Records) != 2500 || said.Records[1].LastName != "Alder 1" || said.Records[1].Account.Name != "Works 1" {
			t.Errorf("%v, %d rows", err, len(said.Records))
		}
	})
	t.Run("rows as CSV, with the columns as they were asked for", func(t *testing.T) {
		a := c.run(nil, "data query --result-format csv --query", "SELECT External_Id__c, LastName, Account.Name FROM Contact WHERE External_Id__c IN ('Q-3', 'Q-14') ORDER BY LastName")
		if a.code != 0 || a.out != "External_Id__c,LastName,Account.Name\nQ-14,Alder 14,Works 4\nQ-3,Alder 3,Works 3\n" {
			t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
		}
	})
	t.Run("rows for people, after a question for the columns", func(t *testing.T) {
		const soql = "SELECT LastName, Account.Name FROM Contact WHERE External_Id__c = 'Q-3'"
		since := last(s)
		a := c.run(nil, "data query --query", soql)
		called(t, s, since, "query query")
		if calls := s.Calls(since, simtest.Query); calls[0].Sent != size(t, s, soql, "") || calls[1].Sent != size(t, s, soql, "&columns=true") || calls[0].Sent == calls[1].Sent {
			t.Errorf("got %+v", calls)
		}
		for _, part := range []string{"LASTNAME", "ACCOUNT.NAME", "Alder 3", "Works 3", "Total number of records retrieved: 1."} {
			if a.code != 0 || !strings.Contains(a.out, part) {
				t.Errorf("exit code %d, no %q in\n%s%s", a.code, part, a.out, a.err)
			}
		}
	})
	t.Run("a field that is none", func(t *testing.T) {
		r := c.refused("INVALID_FIELD", "data query --query", "SELECT Nickname FROM Contact")
		if !strings.Contains(r.Message, "No such column 'Nickname' on entity 'Contact'") {
			t.Error(r.Message)
		}
	})
}

// size is how long the org's answer to a query is, before compression.
func size(t *testing.T, s *simtest.Sim, soql, more string) int64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/services/data/v68.0/query?q="+url.QueryEscape(soql)+more, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token(t, s))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	return n
}

func TestSFExports(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Set(map[string]any{"query_page_rows": 1000})
	seedContacts(s, "E", 2500)
	c := newCommandLine(t, s)
	c.login()
	t.Run("as CSV", func(t *testing.T) {
		since := last(s)
		c.want(`{"totalSize":2500,"filePath":"export.csv"}`, "data export bulk --output-file export.csv --result-format csv --wait 2 --query", "SELECT External_Id__c, LastName, Account.Name FROM Contact")
		called(t, s, since, "create info resources query_results resources query_results resources query_results")
		header, lines := table(t, c.file("export.csv"))
		keys := map[string]bool{}
		for _, l := range lines {
			keys[l[0]] = true
			if n := strings.TrimPrefix(l[0], "E-"); l[1] != "Alder "+n || l[2] != "Works "+n[len(n)-1:] {
				t.Errorf("got %v", l)
			}
		}
		if strings.Join(header, ",") != "External_Id__c,LastName,Account.Name" || len(lines) != 2500 || len(keys) != 2500 {
			t.Errorf("%v, %d rows, %d keys", header, len(lines), len(keys))
		}
	})
	t.Run("as JSON, resumed", func(t *testing.T) {
		r := c.want(`{}`, "data export bulk --output-file export.json --result-format json --query", "SELECT External_Id__c, LastName FROM Contact WHERE LastName = 'Alder 7'")
		c.want(`{"totalSize":1,"filePath":"export.json"}`, "data export resume --job-id", member(t, r.Result, "jobId"))
		contains(t, "export.json", json.RawMessage(c.file("export.json")), `[{"External_Id__c":"E-7","LastName":"Alder 7"}]`)
	})
	t.Run("a field that is none", func(t *testing.T) {
		r := c.ask("data export bulk --output-file none.csv --result-format csv --wait 2 --query", "SELECT Nickname FROM Contact")
		if r.code != 1 || !strings.Contains(r.Message, "Nickname") {
			t.Errorf("exit code %d\n%s", r.code, r.all)
		}
	})
}
