package acceptance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// TestResultsThatCanNeverBeRead: the org did its work and has thrown the results away. Nobody pretends: what can be repeated is repeated, what can be asked
// for is asked for, and of the rest a person is told that nobody knows.
func TestResultsThatCanNeverBeRead(t *testing.T) {
	t.Parallel()
	const id = "from: id, to: External_Id__c, type: string, required: true"
	s := newStack(t, byJobs, with(
		// What is sent again while others are not given up yet loses its results, too: so often that the usual tries may not be enough.
		definition("people", "Contact", "upsert", "externalId: External_Id__c", columnsOf(id, "from: name, to: LastName, type: string"), quick,
			"retry: {preset: default, transient: {attempts: 100, base: 1s, max: 1s}}"),
		definition("openings", "Account", "insert", "correlation: External_Id__c", columnsOf(id, "from: name, to: Name, type: string"), quick),
		definition("notes", "Account", "insert", "correlation: content", columnsOf("from: name, to: Name, type: string, required: true"), quick),
	))
	s.TakesRecords("people", "openings", "notes")
	var rules []string
	for _, e := range []simtest.Endpoint{simtest.Successful, simtest.FailedRows, simtest.Unprocessed} {
		rules = append(rules, s.Sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: e}, Times: simtest.Times(0),
			Effect: simtest.Effect{Kind: simtest.Status, Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "The requested resource does not exist"},
		}))
	}
	const n = 20
	for _, k := range keysOf("R", 0, n) {
		s.publish("people", "evt-"+k, fmt.Appendf(nil, `{"id":%q,"name":"Öst, of %s"}`, k, k), false)
		s.publish("openings", "evt-"+k, fmt.Appendf(nil, `{"id":%q,"name":"Shop %s"}`, k, k), false)
		s.publish("notes", "evt-"+k, fmt.Appendf(nil, `{"name":"Note %s"}`, k), false)
	}
	// Of every chunk, for there may be several, and the files of a chunk that is late would be there again.
	givenUp := func(pipeline string) int64 {
		return s.number(`SELECT coalesce(sum(o.rows), 0) FROM reconciler.outcomes o JOIN extractor.chunks c USING (chunk) WHERE c.pipeline = $1`, pipeline)
	}
	s.Eventually("the results of every pipeline are given up", func() bool {
		return givenUp("people") >= n && givenUp("openings") >= n && givenUp("notes") >= n
	})
	s.Sim.ClearFaults(rules...)

	t.Run("upserts count as missing, say so, and are sent again", func(t *testing.T) {
		b := s.settle("people", n)
		if b.Landed != n || b.Failed["transient"] == 0 {
			t.Errorf("%+v", b)
		}
		h := s.record("people", "evt-R-0003")
		var told bool
		for _, e := range h.Events {
			told = told || e.Service == "reconciler" && strings.HasPrefix(e.What, "row missing") && e.Code == "MISSING"
		}
		if h.State != "landed" || !told {
			t.Errorf("the history does not say that nobody saw the results: %+v", h)
		}
		for _, r := range s.Sim.Records("Contact", false) {
			if r.Fields["LastName"] != "Öst, of "+r.Fields["External_Id__c"] {
				t.Errorf("%v", r.Fields)
			}
		}
		if rows := s.Sim.Counts()["Contact"].Rows; rows != n {
			t.Errorf("%d contacts, want %d", rows, n)
		}
	})
	t.Run("inserts with a correlation field are asked for and found, not sent again", func(t *testing.T) {
		b := s.settle("openings", n)
		if b.Landed != n || b.Unresolved+b.Dead != 0 {
			t.Errorf("%+v", b)
		}
		rows, sent := map[string]string{}, 0
		for _, r := range s.Sim.Records("Account", false) {
			if k := r.Fields["External_Id__c"]; k != "" {
				rows[k] = r.ID
			}
		}
		for _, u := range s.uploads("Account", "insert") {
			for _, k := range u.column("External_Id__c") {
				sent++
				if h := s.record("openings", "evt-"+k); h.State != "landed" || h.ID != rows[k] || h.ID == "" {
					t.Errorf("%s is %+v, the org has %q", k, h, rows[k])
				}
			}
		}
		if sent != n || len(s.Sim.Calls(0, simtest.Query)) == 0 {
			t.Errorf("%d rows were sent for %d records, and the org was asked %d times", sent, n, len(s.Sim.Calls(0, simtest.Query)))
		}
	})
	t.Run("inserts that nothing names are unresolved, and a person is told what to do", func(t *testing.T) {
		b := s.settle("notes", n)
		if b.Unresolved != n || b.Landed != 0 {
			t.Errorf("%+v", b)
		}
		var status struct {
			OpenItems []struct{ Owner, Kind, Pipeline, Note string } `json:"open_items"`
		}
		s.Eventually("status names the person", func() bool {
			s.Ask(http.MethodGet, "/v1/status", nil, &status)
			for _, i := range status.OpenItems {
				if i.Pipeline == "notes" && i.Owner == "a person" && i.Kind == "unresolved" && strings.Contains(i.Note, "bulkhead dlq resolve") {
					return true
				}
			}
			return false
		})
		letters := s.awaitLetters("notes", n)
		if letters[0].Class != "unresolved" || letters[0].Code != "MISSING" {
			t.Fatalf("%+v", letters[0])
		}
		jobs := s.sendings()
		s.sweeps(2)
		if got := s.sendings(); got != jobs {
			t.Errorf("%d jobs became %d: something is sent again that may have landed", jobs, got)
		}
		row := s.noteRow(letters[0].Key)
		var out struct{ Resolved int }
		s.Ask(http.MethodPost, "/v1/dead-letters:resolve", map[string]any{
			"ids": []string{letters[0].ID}, "decision": "landed", "salesforce_id": row, "reason": "seen in the org", "idempotency_key": "one", "by": "a test",
		}, &out)
		s.Eventually("the decision is carried out", func() bool { b := s.balance("notes"); return b.Landed == 1 && b.Unresolved == n-1 })
		if h := s.record("notes", letters[0].Key); out.Resolved != 1 || h.State != "landed" || h.ID != row {
			t.Errorf("%+v %+v", out, h)
		}
	})
}

// noteRow is the org's id of the note that a key published.
func (s *stack) noteRow(key string) string {
	s.T.Helper()
	for _, r := range s.Sim.Records("Account", false) {
		if r.Fields["Name"] == "Note "+strings.TrimPrefix(key, "evt-") {
			return r.ID
		}
	}
	s.T.Fatalf("the org has no note of %s", key)
	return ""
}
