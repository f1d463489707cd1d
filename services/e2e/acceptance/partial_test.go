package acceptance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/orgsim/simtest"
)

const (
	invalidEmail = "INVALID_EMAIL_ADDRESS:Email: invalid email address: x@:Email --"
	noLastName   = "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
)

func TestAThousandRowsOfWhichSomeFail(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	const n, bad = 1000, 37
	s.failing(noLastName, 0, keysOf("C", 0, bad)...)
	s.publish("contacts", "file", frame("C", n), true)
	b := s.settle("contacts", n)

	t.Run("the balance says 963 landed, 37 dead, and no third thing", func(t *testing.T) {
		if b.Landed != n-bad || b.Dead != bad || b.Sum() != n {
			t.Errorf("%+v", b)
		}
	})
	t.Run("the org holds the landed rows once each and none of the others", func(t *testing.T) {
		if rows := s.Sim.Counts()["Contact"].Rows; rows != n-bad {
			t.Errorf("%d rows", rows)
		}
	})
	t.Run("the job goes through create, upload, close, looks and both result files, once each and in this order", func(t *testing.T) {
		for _, j := range s.closed() {
			var steps []string
			for _, c := range s.Sim.Calls(0, "") {
				if c.Job == j.ID && (len(steps) == 0 || steps[len(steps)-1] != c.Endpoint) {
					steps = append(steps, c.Endpoint)
				}
			}
			want := []string{"create", "upload", "close", "info", "success", "failed"}
			if got := slices.DeleteFunc(slices.Clone(steps), func(e string) bool { return e == "unprocessed" }); !slices.Equal(got, want) {
				t.Errorf("job %s: %q, want %q", j.ID, steps, want)
			}
			if j.Object != "Contact" || j.Operation != "upsert" || j.ExternalIDFieldName != "External_Id__c" || j.State != "JobComplete" {
				t.Errorf("%+v", j)
			}
		}
	})
	t.Run("only Bulk API 2.0 is spoken", func(t *testing.T) {
		for _, c := range s.Sim.Calls(0, "") {
			if strings.Contains(c.Path, "/async/") || c.Object != "" && c.Endpoint != "describe" && !strings.Contains(c.Path, "/jobs/ingest") {
				t.Errorf("%s %s", c.Method, c.Path)
			}
		}
	})
	t.Run("one line of the log has the five counts of a job, which are the sums of the balance", func(t *testing.T) {
		sum := map[string]float64{}
		for _, l := range s.Log.Said("job.reconciled") {
			for _, word := range []string{"rows", "landed", "failed", "unprocessed", "missing", "superseded"} {
				v, ok := l[word].(float64)
				if !ok {
					t.Errorf("no %s in %v", word, l)
				}
				sum[word] += v
			}
			if l["job_id"] == "" {
				t.Errorf("no job in %v", l)
			}
		}
		if sum["rows"] != n || sum["landed"] != n-bad || sum["failed"] != bad || sum["unprocessed"]+sum["missing"]+sum["superseded"] != 0 {
			t.Errorf("%v", sum)
		}
	})
	t.Run("what was uploaded is what the ledger holds the length and hash of", func(t *testing.T) {
		for _, j := range s.closed() {
			upload := s.Sim.UploadOf(j.ID)
			sum := sha256.Sum256(upload)
			if s.number(`SELECT count(*) FROM submitter.submissions WHERE job_id = $1 AND upload_bytes = $2 AND upload_sha256 = $3`, j.ID, len(upload), sum[:]) != 1 {
				t.Errorf("job %s: %d bytes, %x", j.ID, len(upload), sum)
			}
		}
	})
	t.Run("a dead letter holds record, code, text, job, attempt, place and time, for a plain NATS client", func(t *testing.T) {
		var info bus.StreamInfo
		s.Eventually("every letter stands in the stream", func() bool {
			var err error
			info, err = bus.Info(t.Context(), s.Conn, bus.StreamDLQ)
			return err == nil && info.Messages == bad
		})
		stream, err := s.Conn.JS.Stream(t.Context(), bus.StreamDLQ)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := stream.GetMsg(t.Context(), info.First)
		if err != nil {
			t.Fatal(err)
		}
		var l struct {
			Class, Code, Message, Payload, Entity string
			Fields                                []string
			Row                                   map[string]string
			Attempts                              []struct {
				N     int
				JobID string `json:"job_id"`
				At    time.Time
				Code  string
			}
			Origin struct {
				Stream   string
				Sequence int
			}
			DeadAt time.Time `json:"dead_at"`
		}
		if err := json.Unmarshal(msg.Data, &l); err != nil {
			t.Fatal(err)
		}
		if l.Class != "data" || l.Code != "REQUIRED_FIELD_MISSING" || !strings.Contains(l.Message, "LastName") || !slices.Equal(l.Fields, []string{"LastName"}) ||
			l.Payload != string(contact(l.Entity)) || l.Row["External_Id__c"] != l.Entity || len(l.Attempts) != 1 || l.Attempts[0].JobID == "" ||
			l.Attempts[0].At.IsZero() || l.Origin.Stream != "RECORDS_contacts" || l.Origin.Sequence != 1 || l.DeadAt.IsZero() || msg.Subject != "dlq.contacts.data" {
			t.Errorf("%s: %s", msg.Subject, msg.Data)
		}
	})
	t.Run("two exports part the run, with the balance's counts and the org's ids", func(t *testing.T) {
		lines := func(kind string) (out []map[string]any) {
			for sc := bufio.NewScanner(bytes.NewReader(s.Get("/v1/exports/" + kind + "?pipeline=contacts&format=ndjson"))); sc.Scan(); {
				var m map[string]any
				if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
					t.Fatal(err)
				}
				out = append(out, m)
			}
			return out
		}
		landed, failed := lines("landed"), lines("failed")
		if len(landed) != n-bad || len(failed) != bad {
			t.Fatalf("%d landed, %d failed", len(landed), len(failed))
		}
		ids := map[string]bool{}
		for _, r := range s.Sim.Records("Contact", false) {
			ids[r.ID] = true
		}
		for _, l := range landed {
			if id, _ := l["salesforce_id"].(string); !ids[id] {
				t.Errorf("the org has no %v", l)
			}
		}
		for _, f := range failed {
			if entity, _ := f["entity"].(string); f["state"] != "dead" || f["payload"] != string(contact(entity)) {
				t.Errorf("%v", f)
			}
		}
		table, err := csv.NewReader(bytes.NewReader(s.Get("/v1/exports/failed?pipeline=contacts&format=csv"))).ReadAll()
		if err != nil || len(table) != bad+1 {
			t.Errorf("%d lines of CSV: %v", len(table), err)
		}
	})
	t.Run("what is wrong for good is parked: more sweeps send nothing", func(t *testing.T) {
		before := s.sendings()
		s.sweeps(3)
		if after := s.sendings(); after != before {
			t.Errorf("%d jobs became %d", before, after)
		}
	})
}

// sweeps waits until ops has looked at everything n times more: its sweeps are as frequent as those of the others.
func (s *stack) sweeps(n int) {
	s.T.Helper()
	tick := time.NewTicker(s.Sweep())
	defer tick.Stop()
	for range n {
		<-tick.C
	}
}

func TestAJobInWhichEveryRowFails(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	s.Sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.RowError, Error: invalidEmail}})
	s.publish("contacts", "", frame("C", 20), true)
	b := s.settle("contacts", 20)
	if b.Dead != 20 || b.Landed != 0 {
		t.Errorf("%+v", b)
	}
	for _, j := range s.closed() {
		if j.State != "JobComplete" {
			t.Errorf("the org does not report success: %+v", j)
		}
	}
	metrics := string(s.Get("/metrics"))
	for state, n := range map[string]int{"dead": 20, "landed": 0} {
		if line := fmt.Sprintf("bulkhead_records{pipeline=%q,state=%q} %d\n", "contacts", state, n); !strings.Contains(metrics, line) {
			t.Errorf("the metrics do not say %s", line)
		}
	}
}
