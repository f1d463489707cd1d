package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listed is a page of the list.
type listed struct {
	Done    bool
	Records []json.RawMessage
	Next    *string `json:"nextRecordsUrl"`
}

func (o *org) list(path string) (listed, string) {
	o.t.Helper()
	a := o.want(o.call("GET", path, ""), http.StatusOK)
	return decode[listed](o.t, a), a.body
}

func TestJobList(t *testing.T) {
	t.Run("an item stops at columnDelimiter, and nextRecordsUrl of the last page is null", func(t *testing.T) {
		o := aSim(t)
		open := o.create(insertAccount)
		page, body := o.list(ingest)
		if members(t, body) != "done records nextRecordsUrl" || !page.Done || page.Next != nil || !strings.HasSuffix(body, `"nextRecordsUrl":null}`) || len(page.Records) != 1 {
			t.Fatalf("got %s", body)
		}
		if got := members(t, string(page.Records[0])); got != shortMembers+" jobType contentUrl lineEnding columnDelimiter" || !bytes.Contains(page.Records[0], []byte(open)) {
			t.Errorf("got %s", got)
		}
		o.want(o.patch(open, "Aborted"), 200)
		page, _ = o.list(ingest + "/")
		if got := members(t, string(page.Records[0])); got != shortMembers+" jobType lineEnding columnDelimiter" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a page has 1,000 jobs, in no order that means anything", func(t *testing.T) {
		o := aSim(t)
		var made []string
		for range 2_001 {
			made = append(made, o.create(insertAccount))
		}
		var got []string
		for path := ingest; path != ""; {
			page, _ := o.list(path)
			for _, r := range page.Records {
				var job struct{ ID string }
				if err := json.Unmarshal(r, &job); err != nil {
					t.Fatal(err)
				}
				got = append(got, job.ID)
			}
			if page.Done != (page.Next == nil) || (page.Next != nil && len(page.Records) != 1_000) {
				t.Fatalf("done is %v after %d jobs", page.Done, len(page.Records))
			}
			if path = ""; page.Next != nil {
				path = *page.Next
				if !regexp.MustCompile(`^/services/data/v66\.0/jobs/ingest\?queryLocator=01g[A-Za-z0-9]{15}-[0-9]+$`).MatchString(path) {
					t.Fatalf("got %s", path)
				}
			}
		}
		if slices.Equal(got, made) {
			t.Error("the jobs are listed by age")
		}
		slices.Sort(got)
		slices.Sort(made)
		if !slices.Equal(got, made) {
			t.Errorf("%d of %d jobs are listed", len(slices.Compact(got)), len(made))
		}
		o.want(o.call("GET", ingest+"?queryLocator=nonsense", ""), 400)
	})
	t.Run("filters choose by sort of job", func(t *testing.T) {
		o := aSim(t)
		o.create(insertAccount)
		for query, want := range map[string]int{
			"?jobType=V2Ingest": 1, "?isPkChunkingEnabled=false": 1, "?isPkChunkingEnabled=false&jobType=V2Ingest": 1,
			"?jobType=V2Query": 0, "?jobType=Classic": 0, "?isPkChunkingEnabled=true": 0,
		} {
			if page, _ := o.list(ingest + query); len(page.Records) != want {
				t.Errorf("%s lists %d jobs", query, len(page.Records))
			}
		}
	})
	t.Run("jobs of other users are listed too", func(t *testing.T) {
		o := aSim(t)
		id := o.sim.PutUser("other@simulated.example", nil)
		o.user("other@simulated.example").create(insertAccount)
		if _, body := o.list(ingest); !strings.Contains(body, `"createdById":"`+id+`"`) {
			t.Errorf("got %s", body)
		}
	})
}
