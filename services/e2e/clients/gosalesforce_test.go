//go:build clients

package clients

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

// buildTime bounds fetching and building the program.
const buildTime = 10 * time.Minute

// gosalesforce is the program below gosalesforce, built outside of the workspace because it is a module of its own.
var gosalesforce = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	program := filepath.Join(scratch, "gosalesforce")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	cmd.Dir, cmd.Env = "gosalesforce", append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// scenario runs one of the program's scenarios on an org, in a directory of its own.
func scenario(t *testing.T, s *simtest.Sim, name string) (said *steps, dir string) {
	t.Helper()
	program, err := gosalesforce()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	return read(t, run(t, dir, bare(t, ofOrg(s)...), program, name)), dir
}

func TestGoSalesforceSignsIn(t *testing.T) {
	t.Parallel()
	said, _ := scenario(t, start(t), "auth")
	for _, flow := range []string{"client credentials", "password", "assertion", "access token"} {
		said.want(flow, `{"error":"","instance":true}`)
	}
	if text := said.take("another token", "error"); text != "invalid session, unable to refresh session" {
		t.Error(text)
	}
	said.want("another token", `{}`)
	if text := said.take("wrong secret", "error"); !strings.Contains(text, "400") {
		t.Error(text)
	}
	said.want("wrong secret", `{}`)
}

func TestGoSalesforceWritesRecords(t *testing.T) {
	t.Parallel()
	s := start(t)
	said, _ := scenario(t, s, "records")
	said.want("insert", `{"error":"","success":true,"id":18}`)
	if text := said.take("insert without a name", "error"); !strings.Contains(text, `"errorCode":"REQUIRED_FIELD_MISSING"`) {
		t.Error(text)
	}
	said.want("insert without a name", `{}`)
	said.want("update", `{"error":""}`)
	said.want("upsert of a known one", `{"error":"","same":true}`)
	said.want("upsert of a new one", `{"error":"","success":true}`)
	said.want("delete", `{"error":""}`)
	if text := said.take("delete again", "error"); !strings.Contains(text, "ENTITY_IS_DELETED") {
		t.Error(text)
	}
	said.want("delete again", `{}`)
	rows(t, s, "Contact", 1)
	holds(t, s, "Contact", "G-1", map[string]string{"LastName": "Cedar"})
}

func TestGoSalesforceWritesCollections(t *testing.T) {
	t.Parallel()
	s := start(t)
	said, _ := scenario(t, s, "collections")
	t.Run("in calls of 200", func(t *testing.T) {
		said.want("insert", `{"error":"","failed":true,"results":{"saved":445,"REQUIRED_FIELD_MISSING":5}}`)
		said.want("update", `{"error":"","failed":false,"results":{"saved":250}}`)
		said.want("upsert", `{"error":"","failed":true,"results":{"saved":19,"REQUIRED_FIELD_MISSING":1}}`)
		said.want("delete", `{"error":"","failed":false,"results":{"saved":201}}`)
		said.want("delete again", `{"error":"","failed":true,"results":{"ENTITY_IS_DELETED":3}}`)
		upserted := s.Holding("Contact", "External_Id__c", "C-3", true)
		if len(upserted) != 1 || upserted[0].Fields["FirstName"] != "Ann" || upserted[0].Fields["LastName"] != "Elm 3" {
			t.Errorf("got %+v", upserted)
		}
		// Every hundredth record was never saved: the first 201 that were end with C-202, the first 250 with C-252.
		absent(t, s, "C-7", "C-202")
		for key, name := range map[string]string{"C-203": "Fir", "C-252": "Fir", "C-253": "Elm 253", "C-449": "Elm 449"} {
			holds(t, s, "Contact", key, map[string]string{"LastName": name})
		}
	})
	t.Run("several of them in one call", func(t *testing.T) {
		said.want("composite insert", `{"error":"","failed":true,"results":{"saved":49,"REQUIRED_FIELD_MISSING":1}}`)
		said.want("composite upsert", `{"error":"","failed":false,"results":{"saved":5}}`)
		said.want("composite all or none", `{"error":"","failed":true,"results":{"ALL_OR_NONE_OPERATION_ROLLED_BACK":7,"REQUIRED_FIELD_MISSING":1}}`)
		said.want("composite of two", `{"error":"","failed":false,"results":{"saved":2}}`)
		said.want("composite update", `{"error":"","failed":false,"results":{"saved":2}}`)
		said.want("composite delete", `{"error":"","failed":false,"results":{"saved":1}}`)
		holds(t, s, "Contact", "K-4", map[string]string{"FirstName": "Ann", "LastName": "Elm 4"})
		holds(t, s, "Contact", "K-5", map[string]string{"FirstName": "", "LastName": "Elm 5"})
		holds(t, s, "Contact", "K-h", map[string]string{"LastName": "Ivy"})
		absent(t, s, "K-7", "K-g", "N-0", "N-6")
	})
	rows(t, s, "Contact", 445-201+49+2-1)
}

// absent says that the org holds no contacts with these keys.
func absent(t *testing.T, s *simtest.Sim, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, ok := s.Record("Contact", key); ok {
			t.Errorf("%s holds %s", s, key)
		}
	}
}

func TestGoSalesforceLoads(t *testing.T) {
	t.Parallel()
	s := start(t)
	said, _ := scenario(t, s, "bulk")
	missing := `"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"`
	said.want("insert", `{"error":"","jobs":3,"ok":247,"failed":[`+missing+`,`+missing+`,`+missing+`],"states":{"JobComplete":3}}`)
	said.want("upsert, compressed", `{"error":"","jobs":1,"ok":118,"failed":[`+missing+`,`+missing+`],"states":{"JobComplete":1}}`)
	said.want("update of a file", `{"error":"","jobs":1,"ok":1,"failed":["INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"],"states":{"JobComplete":1}}`)
	said.want("delete", `{"error":"","jobs":1,"ok":2,"failed":[],"states":{"JobComplete":1}}`)
	said.want("delete again, waiting", `{"error":"","jobs":1,"ok":0,"failed":["ENTITY_IS_DELETED:entity is deleted:--"],"states":{"JobComplete":1}}`)
	said.want("column that is none", `{"error":"","jobs":1,"ok":0,"failed":[],"states":{"Failed":1},"message":"InvalidBatch : Field name not found : Nickname"}`)
	for step, code := range map[string]string{"object that is none": "INVALIDJOB", "key that is none": "INVALIDJOB"} {
		if text := said.take(step, "error"); !strings.Contains(text, code) {
			t.Errorf("%s: %s", step, text)
		}
		said.want(step, `{}`)
	}
	packed := s.Jobs()[3]
	plain := s.UploadOf(packed.ID)
	for _, c := range s.Calls(0, simtest.Upload) {
		if c.Job == packed.ID && c.Received >= int64(len(plain))/2 {
			t.Errorf("the upload of %d bytes came as %d: it was not compressed", len(plain), c.Received)
		}
	}
	holds(t, s, "Contact", "B-5", map[string]string{"FirstName": "Ann"})
	rows(t, s, "Contact", 247-2)
}

func TestGoSalesforceQueries(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Set(map[string]any{"query_page_rows": 1000})
	seedContacts(s, "Q", 4500)
	said, dir := scenario(t, s, "query")
	said.want("pages", `{"error":"","rows":4500,"first":["Q-0","Alder 0","Works 0"]}`)
	// The library looks for its own version in the URL of the next page, whatever version it was told to speak.
	if text := said.take("pages of another version", "error"); !strings.Contains(text, "NOT_FOUND") {
		t.Error(text)
	}
	said.want("pages of another version", `{}`)
	said.want("struct", `{"error":"","rows":1}`)
	said.want("export", `{"error":"","rows":4500,"header":["Id","LastName","Account.Name"]}`)
	said.want("export, compressed", `{"error":"","rows":4500,"header":["Id","LastName","Account.Name"]}`)
	for _, step := range []string{"unknown field", "unknown field in a job"} {
		if text := said.take(step, "error"); !strings.Contains(text, "Nickname") {
			t.Errorf("%s: %s", step, text)
		}
		said.want(step, `{}`)
	}
	for _, name := range []string{"export.csv", "packed.csv"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		works := map[string]int{}
		for _, l := range lines[1:] {
			works[l[2]]++
		}
		if len(works) != 10 || works["Works 3"] != 450 {
			t.Errorf("%s: %v", name, works)
		}
	}
}

func TestGoSalesforceMeetsFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	said, _ := scenario(t, s, "faults")
	said.want("session ended", `{"error":""}`)
	said.want("session ended before a job", `{"error":"","jobs":1,"ok":1,"failed":[],"states":{"JobComplete":1}}`)
	said.want("upload refused", `{"refused":true}`)
	said.want("connection lost", `{"refused":true}`)
	rows(t, s, "Contact", 1)
	if jobs := s.Jobs(); jobs[len(jobs)-1].State != "Aborted" {
		t.Errorf("the job whose upload was refused is %s", jobs[len(jobs)-1].State)
	}
}
