package acceptance

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// uploaded are the rows that a job was sent, by key, as maps of its header.
func (s *stack) uploaded(job string) (header []string, rows map[string]map[string]string) {
	s.T.Helper()
	table, err := csv.NewReader(bytes.NewReader(s.Sim.UploadOf(job))).ReadAll()
	s.Must(err)
	rows = map[string]map[string]string{}
	for _, line := range table[1:] {
		row := map[string]string{}
		for i, name := range table[0] {
			row[name] = line[i]
		}
		rows[row["External_Id__c"]] = row
	}
	if len(rows) != len(table)-1 {
		s.T.Errorf("job %s was sent a key twice", job)
	}
	return table[0], rows
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (s *stack) replay(ids []string) {
	s.T.Helper()
	var out struct{ Replayed, Skipped int }
	s.Ask(http.MethodPost, "/v1/dead-letters:replay", map[string]any{"ids": ids, "reason": "the rule is gone", "idempotency_key": ids[0], "by": "a test"}, &out)
	if out.Replayed != len(ids) {
		s.T.Fatalf("%+v of %d letters", out, len(ids))
	}
}

// mapped are the columns of contacts, in the order of the definition.
var mapped = []string{"External_Id__c", "FirstName", "LastName", "Email", "Phone", "Account.External_Id__c", "Loyalty_Number__c"}

func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	const n = 200
	locked, dead := keysOf("C", 10, 17), keysOf("C", 50, 55)
	s.failing(simtest.LockError, 1, locked...)
	rule := s.failing(noLastName, 0, dead...)
	for _, k := range keysOf("C", 0, n) {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	b := s.settle("contacts", n)
	if b.Landed != n-5 || b.Dead != 5 || b.Failed["contention"] != 7 {
		t.Fatalf("%+v", b)
	}
	first := map[string]map[string]string{} // what each row said when it was sent first
	var fresh, again []simtest.Job
	for _, j := range s.closed() {
		if s.number(`SELECT count(*) FROM submitter.submissions WHERE job_id = $1 AND kind = 'fresh'`, j.ID) == 1 {
			fresh = append(fresh, j)
			_, rows := s.uploaded(j.ID)
			for k, row := range rows {
				first[k] = row
			}
			continue
		}
		again = append(again, j)
	}
	if len(first) != n || len(fresh) == 0 {
		t.Fatalf("%d rows in %d fresh jobs", len(first), len(fresh))
	}
	check := func(t *testing.T, jobs []simtest.Job, want []string) {
		t.Helper()
		got := map[string]bool{}
		for _, j := range jobs {
			header, rows := s.uploaded(j.ID)
			if !slices.Equal(header, mapped) {
				t.Errorf("columns %q, want those of the mapping", header)
			}
			for k, row := range rows {
				if got[k] || !reflect.DeepEqual(row, first[k]) {
					t.Errorf("%s was sent as %q, first as %q", k, row, first[k])
				}
				got[k] = true
			}
		}
		if !slices.Equal(sorted(got), want) {
			t.Errorf("rows %q, want %q", sorted(got), want)
		}
	}
	t.Run("the retry holds the failed rows alone, with the mapped columns and their values as they were", func(t *testing.T) {
		check(t, again, locked)
	})
	t.Run("the log sums the round up", func(t *testing.T) {
		waiting := 0.0
		for _, l := range s.Log.Said("failures taken") {
			v, _ := l["waiting"].(float64)
			waiting += v
		}
		if waiting != 7 || len(s.Log.Said("resend sealed")) != len(again) {
			t.Errorf("%v waiting, %v", waiting, s.Log.Said("resend sealed"))
		}
	})
	before := s.record("contacts", "evt-"+dead[0])
	original := s.number(`SELECT count(*) FROM reconciler.failures WHERE payload = $1`, contact(dead[0]))
	s.Sim.ClearFaults(rule)
	var ids []string
	for _, l := range s.awaitLetters("contacts", 5) {
		ids = append(ids, l.ID)
	}
	known := len(s.closed())
	s.replay(ids)
	b = s.settle("contacts", n)
	t.Run("a replay holds the letters' rows alone, in the same form, and they land in the next generation", func(t *testing.T) {
		check(t, s.closed()[known:], dead)
		if b.Landed != n || b.Dead != 0 {
			t.Errorf("%+v", b)
		}
	})
	t.Run("a history only grows, and the original stays as it was published", func(t *testing.T) {
		after := s.record("contacts", "evt-"+dead[0])
		if after.State != "landed" || after.Generation != before.Generation+1 || after.ID == "" {
			t.Errorf("%+v", after)
		}
		if tries := before.tries(); len(tries) == 0 || !slices.Equal(after.tries()[:len(tries)], tries) {
			t.Errorf("before %q, after %q", before.tries(), after.tries())
		}
		if got := s.number(`SELECT count(*) FROM reconciler.failures WHERE payload = $1`, contact(dead[0])); original == 0 || got != original {
			t.Errorf("%d payloads, were %d", got, original)
		}
	})
	t.Run("a letter that was replayed is closed and cannot be sent twice", func(t *testing.T) {
		s.Eventually("the letters are closed", func() bool { return s.number(`SELECT count(*) FROM ops.letters WHERE state = 'landed'`) == 5 })
		jobs := s.sendings()
		var out struct{ Replayed, Skipped int }
		s.Ask(http.MethodPost, "/v1/dead-letters:replay", map[string]any{"ids": ids, "reason": "again", "idempotency_key": "another"}, &out)
		s.sweeps(2)
		if out.Replayed != 0 || out.Skipped != 5 || s.sendings() != jobs {
			t.Errorf("%+v, %d jobs were %d", out, s.sendings(), jobs)
		}
	})
}

// tries are the answers of jobs in a history.
func (h history) tries() []string {
	var out []string
	for _, e := range h.Events {
		if e.JobID != "" && e.Code != "" {
			out = append(out, fmt.Sprint(e.At, " ", e.JobID, " ", e.Code))
		}
	}
	return out
}

func TestPublishingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const n = 300
	file := frame("C", n)
	s.publish("contacts", "", file, true)
	s.settle("contacts", n)
	for i, k := range keysOf("S", 0, 100) {
		s.publish("accounts", fmt.Sprintf("evt-%d", i), fmt.Appendf(nil, `{"id":%q,"name":"Ltd %d"}`, k, i), false)
	}
	s.settle("accounts", 100)
	before, jobs := s.Sim.Counts(), s.sendings()

	s.publish("contacts", "", file, true)                                // the same file without keys: its content says that it is the same
	s.publish("contacts", "renamed", bytes.ToValidUTF8(file, nil), true) // and so it does under another frame's name
	for i, k := range keysOf("S", 0, 100) {
		if i%5 == 0 { // a fifth, long after the broker has forgotten their ids
			s.publish("accounts", fmt.Sprintf("evt-%d", i), fmt.Appendf(nil, `{"id":%q,"name":"Ltd %d"}`, k, i), false)
		}
	}
	var c, a inprocess.Balance
	s.Eventually("the repeats are read", func() bool {
		c, a = s.balance("contacts"), s.balance("accounts")
		return c.Repeats == 2*n && a.Repeats == 20
	})
	t.Run("repeats are counted and are no records", func(t *testing.T) {
		if c.Accepted != n || c.Landed != n || a.Accepted != 100 || a.Landed != 100 {
			t.Errorf("%+v %+v", c, a)
		}
	})
	t.Run("nothing is sent, and the org is byte for byte what it was", func(t *testing.T) {
		s.sweeps(2)
		if got := s.sendings(); got != jobs {
			t.Errorf("%d jobs, were %d", got, jobs)
		}
		if after := s.Sim.Counts(); !reflect.DeepEqual(after, before) {
			t.Errorf("%+v, was %+v", after, before)
		}
		for _, r := range s.Sim.Records("Contact", true) {
			if len(r.Versions) != 1 {
				t.Errorf("%s has %d versions", r.Fields["External_Id__c"], len(r.Versions))
			}
		}
	})
	t.Run("a record that landed is not replayed: it has no letter", func(t *testing.T) {
		if l := s.letters(""); len(l) != 0 {
			t.Errorf("%+v", l)
		}
		if h := s.record("accounts", "evt-0"); h.State != "landed" || h.Generation != 0 || !strings.HasPrefix(h.ID, "001") {
			t.Errorf("%+v", h)
		}
	})
}
