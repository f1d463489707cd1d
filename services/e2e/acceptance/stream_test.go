package acceptance

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/e2e/inprocess"
)

// TestRecordsFlow: a source is not a batch. While it is still read, its first rows land in chunks of the size that the definition says, and status tells how
// far Salesforce has come with each.
func TestRecordsFlow(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, with(definition("shops", "Account", "upsert", "externalId: External_Id__c",
		columnsOf("from: id, to: External_Id__c, type: string, required: true", "from: name, to: Name, type: string", "from: site, to: Website, type: string"),
		"chunk: {rows: 150, bytes: 50MB, age: 5s}")))
	s.TakesRecords("shops")
	s.Sim.Set(map[string]any{"rows_per_second": 200, "batch_rows": 50, "transaction_rows": 25})
	site := "https://" + strings.Repeat("x", 60) + ".example/"
	page := func(p, n int) []byte {
		var b bytes.Buffer
		for _, k := range keysOf(fmt.Sprintf("S%03d", p), 0, n) {
			fmt.Fprintf(&b, "{\"id\":%q,\"name\":\"Shop, \\\"%s\\\"\\nwith a line\",\"site\":%q}\n", k, k, site+k)
		}
		return b.Bytes()
	}
	type job struct {
		ID        string `json:"job_id"`
		State     string
		Rows      int64
		Processed int64
	}
	seen := map[string][]int64{} // what status said that a job has processed
	look := func() {
		var status struct {
			Pipelines []struct {
				Name string
				Jobs []job
			}
		}
		s.Ask(http.MethodGet, "/v1/status", nil, &status)
		for _, p := range status.Pipelines {
			for _, j := range p.Jobs {
				if j.Processed < 0 || j.Processed > j.Rows || j.Rows == 0 || j.Rows > 150 {
					t.Errorf("%+v", j)
				}
				seen[j.ID] = append(seen[j.ID], j.Processed)
			}
		}
	}
	pages, early := 0, 0
	for s.publish("shops", "", page(pages, 50), true); ; s.publish("shops", "", page(pages, 50), true) {
		if pages++; pages == 400 {
			t.Fatal("nothing landed of 400 pages")
		}
		look()
		s.sweeps(1)
		if early = s.Sim.Counts()["Account"].Rows; early > 0 {
			break
		}
	}
	published := pages * 50
	t.Logf("%d rows were in the org when %d were published", early, published)
	// The end of the source, published only now.
	for range 8 {
		s.publish("shops", "", page(pages, 50), true)
		pages++
	}
	total := int64(pages * 50)
	s.Eventually("all of it lands", func() bool { look(); return s.balance("shops").Landed == total })

	t.Run("the first rows landed while the source was still being read", func(t *testing.T) {
		if early == 0 || int64(early) >= total {
			t.Errorf("%d of %d", early, total)
		}
	})
	t.Run("status told of jobs that were part of the way", func(t *testing.T) {
		partly := 0
		for id, counts := range seen {
			if !slices.IsSorted(counts) {
				t.Errorf("job %s went back: %v", id, counts)
			}
			if slices.ContainsFunc(counts, func(n int64) bool { return n > 0 && n < 150 }) {
				partly++
			}
		}
		if partly == 0 {
			t.Errorf("of %d jobs none was ever seen in its middle: %v", len(seen), seen)
		}
	})
	t.Run("no upload is larger than the definition says, and none cuts a record", func(t *testing.T) {
		sent := map[string]bool{}
		for _, u := range s.uploads("Account", "upsert") {
			if len(u.rows) > 150 {
				t.Errorf("job %s has %d rows", u.job.ID, len(u.rows))
			}
			for _, r := range u.rows {
				if k := r[0]; sent[k] || len(r) != 3 || r[1] != "Shop, \""+k+"\"\nwith a line" || r[2] != site+k {
					t.Errorf("%q", r)
				}
				sent[r[0]] = true
			}
		}
		if int64(len(sent)) != total {
			t.Errorf("%d records were sent, want %d", len(sent), total)
		}
	})
}

// TestUploadsStayBelowTheirBytes: four times as much as one upload may hold makes at least four jobs.
func TestUploadsStayBelowTheirBytes(t *testing.T) {
	t.Parallel()
	const bound = 100_000 // what a real org is given a thousand times of
	s := newStack(t, byJobs, with(definition("shops", "Account", "upsert", "externalId: External_Id__c",
		columnsOf("from: id, to: External_Id__c, type: string, required: true", "from: name, to: Name, type: string", "from: site, to: Website, type: string"),
		fmt.Sprintf("chunk: {rows: 50000, bytes: %dkB, age: 2s}", bound/1000))))
	s.TakesRecords("shops")
	raw, n := 0, 0
	var b bytes.Buffer
	for ; raw < 4*bound; n++ {
		k := fmt.Sprintf("S-%05d", n)
		site := "https://" + strings.Repeat("y", n%200) + ".example/" + k
		name := strings.Repeat("é\",\n", n%30) + k
		raw += len(k) + len(name) + len(site)
		fmt.Fprintf(&b, "{\"id\":%q,\"name\":%q,\"site\":%q}\n", k, name, site)
	}
	s.publish("shops", "", b.Bytes(), true)
	if b := s.settle("shops", int64(n)); b.Landed != int64(n) {
		t.Errorf("%+v", b)
	}
	rows := 0
	uploads := s.uploads("Account", "upsert")
	for _, u := range uploads {
		if size := len(s.Sim.UploadOf(u.job.ID)); size > bound {
			t.Errorf("job %s has %d bytes, the bound is %d", u.job.ID, size, bound)
		}
		rows += len(u.rows)
	}
	if len(uploads) < 4 || rows != n {
		t.Errorf("%d jobs of %d rows for %d records of %d bytes", len(uploads), rows, n, raw)
	}
}

// TestReadingAgainChangesNothing: a stream that is read again from its start finds its records in the ledger, and the org as it was.
func TestReadingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(o *inprocess.Options) { o.Horizon = time.Hour })
	const n = 120
	s.failing(noLastName, 0, "C-0007")
	s.publish("contacts", "", frame("C", n), true)
	for _, k := range keysOf("K", 0, 20) {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	before := s.settle("contacts", n+20)
	rows, jobs, letters := s.Sim.Records("Contact", true), s.sendings(), s.awaitLetters("contacts", 1)

	type order struct {
		Reread struct {
			ID       string
			Done     bool
			Known    int
			Accepted int
			Error    string
		}
	}
	var o order
	s.Ask(http.MethodPost, "/v1/pipelines/contacts:reread", map[string]any{"from_seq": 1, "reason": "to be sure", "idempotency_key": "again", "by": "a test"}, &o)
	s.Eventually("it has been read again", func() bool {
		s.Ask(http.MethodGet, "/v1/rereads/"+o.Reread.ID, nil, &o)
		return o.Reread.Done
	})
	if o.Reread.Known != n+20 || o.Reread.Accepted != 0 || o.Reread.Error != "" {
		t.Errorf("%+v", o.Reread)
	}
	s.sweeps(2)
	if after := s.balance("contacts"); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v, was %+v", after, before)
	}
	if got := s.sendings(); got != jobs {
		t.Errorf("%d jobs, were %d", got, jobs)
	}
	if !reflect.DeepEqual(s.Sim.Records("Contact", true), rows) || len(rows) != n+19 {
		t.Error("the org is not what it was, byte for byte")
	}
	if !reflect.DeepEqual(s.letters("contacts"), letters) {
		t.Errorf("%+v, were %+v", s.letters("contacts"), letters)
	}
}
