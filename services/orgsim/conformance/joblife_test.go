package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

func TestJobLife(t *testing.T) {
	o := theOrg(t)
	t.Run("an upload is answered 201 with nothing, a close with the short job, a delete 204", func(t *testing.T) {
		id := o.create(insertAccount)
		if a := o.want(o.call("PUT", ingest+"/"+id+"/batches", "Name\nN\n", csvBody), http.StatusCreated); a.body != "" {
			t.Errorf("got %q", a.body)
		}
		a := o.want(o.patch(id, "UploadComplete"), http.StatusOK)
		if got := members(t, a.body); got != shortMembers {
			t.Errorf("got %s", got)
		}
		if got := decode[map[string]any](t, a)["state"]; got != "UploadComplete" {
			t.Errorf("got %v", got)
		}
		o.ended(id)
		if a := o.want(o.call("DELETE", ingest+"/"+id, ""), http.StatusNoContent); a.body != "" {
			t.Errorf("got %q", a.body)
		}
		o.refused(o.call("GET", ingest+"/"+id, ""), 404, "NOT_FOUND")
	})
	t.Run("an abort is answered with the short job", func(t *testing.T) {
		a := o.want(o.patch(o.create(upsertAccount), "Aborted"), http.StatusOK)
		if got := members(t, a.body); got != strings.Replace(shortMembers, "state", "state externalIdFieldName", 1) {
			t.Errorf("got %s", got)
		}
		if got := decode[map[string]any](t, a)["state"]; got != "Aborted" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("an Open job shows no counters, but retries and times of 0", func(t *testing.T) {
		a := o.want(o.call("GET", ingest+"/"+o.create(insertAccount), ""), http.StatusOK)
		if got := members(t, a.body); got != shortMembers+" jobType contentUrl lineEnding columnDelimiter "+timeMembers {
			t.Errorf("got %s", got)
		}
		job := decode[map[string]any](t, a)
		for _, name := range strings.Fields(timeMembers) {
			if job[name] != 0.0 {
				t.Errorf("%s is %v", name, job[name])
			}
		}
		if job["jobType"] != "V2Ingest" {
			t.Errorf("got %v", job["jobType"])
		}
	})
	t.Run("a job without a failed row counts what it processed", func(t *testing.T) {
		id, job := o.process(insertAccount, "Name\nA\nB\n")
		a := o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK)
		if got := members(t, a.body); got != shortMembers+" jobType lineEnding columnDelimiter "+countMembers+" "+timeMembers+" isPkChunkingSupported" {
			t.Errorf("got %s", got)
		}
		if job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 2.0 || job["numberRecordsFailed"] != 0.0 || job["isPkChunkingSupported"] != false {
			t.Errorf("got %v", job)
		}
	})
	t.Run("failed rows count as processed, and the job is complete without an errorMessage", func(t *testing.T) {
		_, job := o.process(insertAccount, "Name,Phone\nA,1\n,2\n")
		if job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 2.0 || job["numberRecordsFailed"] != 1.0 || job["errorMessage"] != nil {
			t.Errorf("got %v", job)
		}
	})
	t.Run("a job of nothing but failed rows is complete", func(t *testing.T) {
		id, job := o.process(insertAccount, "Name,Phone\n,1\n,2\n")
		if job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 2.0 || job["numberRecordsFailed"] != 2.0 || job["errorMessage"] != nil {
			t.Errorf("got %v", job)
		}
		if len(o.rows(id, failed)) != 2 || len(o.rows(id, successful)) != 0 {
			t.Errorf("successful %q, failed %q", o.file(id, successful), o.file(id, failed))
		}
	})
	t.Run("a file that is refused as a whole counts nothing, and its rows are unprocessed", func(t *testing.T) {
		id, job := o.process(insertAccount, "StageName_x,Nope\nA,1\nB,2\n")
		a := o.want(o.call("GET", ingest+"/"+id, ""), http.StatusOK)
		if got := members(t, a.body); got != shortMembers+" jobType lineEnding columnDelimiter "+countMembers+" "+timeMembers+" errorMessage isPkChunkingSupported" {
			t.Errorf("got %s", got)
		}
		if job["state"] != "Failed" || job["numberRecordsProcessed"] != 0.0 || job["numberRecordsFailed"] != 0.0 ||
			job["errorMessage"] != "InvalidBatch : Field name not found : StageName_x" {
			t.Errorf("got %v", job)
		}
		lines := strings.SplitAfter(o.file(id, unprocessed), "\n")
		slices.Sort(lines[1:]) // the order of rows is nobody's promise
		if !slices.Equal(lines, []string{"StageName_x,Nope\n", "", "A,1\n", "B,2\n"}) || len(o.rows(id, failed)) != 0 || len(o.rows(id, successful)) != 0 {
			t.Errorf("unprocessed %q", lines)
		}
	})
	t.Run("an id of 15 characters leads to the same job", func(t *testing.T) {
		id, _ := o.process(insertAccount, "Name\nA\n")
		if got := o.info(id[:15])["id"]; got != id {
			t.Errorf("got %v", got)
		}
		if o.file(id[:15], successful) != o.file(id, successful) {
			t.Error("the results differ")
		}
	})
	t.Run("result files are CSV of one stream, whatever is asked besides", func(t *testing.T) {
		id, _ := o.process(insertAccount, "Name\nA\nB\nC\n")
		a := o.want(o.call("GET", ingest+"/"+id+"/successfulResults/?maxRecords=1&locator=x", ""), http.StatusOK)
		if got := a.header.Get("Content-Type"); got != "text/csv; charset=UTF-8" {
			t.Errorf("got %s", got)
		}
		if rows := table(t, a.body, ','); len(rows) != 3 {
			t.Errorf("got %d rows", len(rows))
		}
	})
	t.Run("an aborted job is never closed and shows no errorMessage", func(t *testing.T) {
		id := o.create(insertAccount)
		o.upload(id, "Name\nA\n")
		o.want(o.patch(id, "Aborted"), http.StatusOK)
		if job := o.info(id); job["state"] != "Aborted" || job["errorMessage"] != nil {
			t.Errorf("got %v", job)
		}
		if rows := o.rows(id, unprocessed); len(rows) != 1 {
			t.Errorf("got %v", rows)
		}
	})
}

func TestJobStates(t *testing.T) {
	history := func(o *org, id string) string {
		var seen []string
		for _, c := range o.sim.AwaitJob(id, "finished").History {
			seen = append(seen, string(c.State))
		}
		return strings.Join(seen, " ")
	}
	t.Run("a job goes from Open over UploadComplete and InProgress to its end", func(t *testing.T) {
		o := aSim(t)
		good, _ := o.process(insertAccount, "Name\nA\n")
		if got := history(o, good); got != "Open UploadComplete InProgress JobComplete" {
			t.Errorf("got %s", got)
		}
		bad, _ := o.process(insertAccount, "Nope\nA\n")
		if got := history(o, bad); got != "Open UploadComplete InProgress Failed" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("it is aborted from Open, from UploadComplete and from InProgress", func(t *testing.T) {
		o := aSim(t, simtest.Speed(time.Hour, -1))
		open, queued := o.create(insertAccount), o.create(insertAccount)
		o.upload(queued, "Name\nA\n")
		o.want(o.patch(queued, "UploadComplete"), 200)
		o.want(o.patch(open, "Aborted"), 200)
		o.want(o.patch(queued, "Aborted"), 200)
		o.sim.Set(map[string]any{"queue_delay": "0s"})
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall}})
		running := o.create(insertAccount)
		o.upload(running, "Name\nA\n")
		o.want(o.patch(running, "UploadComplete"), 200)
		o.sim.AwaitJob(running, "InProgress")
		o.want(o.patch(running, "Aborted"), 200)
		for id, want := range map[string]string{open: "Open Aborted", queued: "Open UploadComplete Aborted", running: "Open UploadComplete InProgress Aborted"} {
			if got := history(o, id); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
	t.Run("after the close nobody sees Open again, and counters are there", func(t *testing.T) {
		o := aSim(t, simtest.Speed(20*time.Millisecond, 4_000))
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("s", 1_000))
		o.want(o.patch(id, "UploadComplete"), 200)
		o.until(id, func(a answer, job map[string]any) bool {
			last := job["state"]
			if want := strings.Replace(shortMembers, "state", "state externalIdFieldName", 1) + " jobType lineEnding columnDelimiter " + countMembers + " " + timeMembers + " isPkChunkingSupported"; last == "Open" || members(t, a.body) != want {
				t.Fatalf("got %s", a.body)
			}
			if last == "UploadComplete" && job["numberRecordsProcessed"] != 0.0 {
				t.Errorf("got %v", job)
			}
			if last == "InProgress" && (job["totalProcessingTime"] != 0.0 || int(job["numberRecordsProcessed"].(float64))%200 != 0) {
				t.Errorf("got %v", job)
			}
			if last == "JobComplete" && (job["totalProcessingTime"] == 0.0 || job["apiActiveProcessingTime"] == 0.0) {
				t.Errorf("got %v", job)
			}
			return last == "JobComplete"
		})
	})
	t.Run("in the middle its counters have moved, and its whole time is 0 until it has ended", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(400)}})
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("m", 1_000))
		o.want(o.patch(id, "UploadComplete"), 200)
		o.awaitProcessed(id, 400)
		if job := o.info(id); job["state"] != "InProgress" || job["numberRecordsProcessed"] != 400.0 || job["totalProcessingTime"] != 0.0 {
			t.Errorf("got %v", job)
		}
		o.want(o.patch(id, "Aborted"), 200)
	})
	t.Run("systemModstamp is the last change", func(t *testing.T) {
		o := aSim(t)
		id := o.create(insertAccount)
		o.sim.Advance(time.Minute)
		o.upload(id, "Name\nA\n")
		uploaded := o.info(id)
		o.sim.Advance(time.Minute)
		o.want(o.patch(id, "UploadComplete"), 200)
		done := o.ended(id)
		if uploaded["createdDate"] != done["createdDate"] || uploaded["createdDate"].(string) >= uploaded["systemModstamp"].(string) ||
			uploaded["systemModstamp"].(string) >= done["systemModstamp"].(string) {
			t.Errorf("got %v and %v", uploaded, done)
		}
	})
	t.Run("isPkChunkingSupported is a member of newer versions", func(t *testing.T) {
		o := aSim(t)
		id, _ := o.process(insertAccount, "Name\nA\n")
		old := o.want(o.call("GET", "/services/data/v60.0/jobs/ingest/"+id, ""), 200)
		if strings.Contains(old.body, "isPkChunkingSupported") {
			t.Errorf("got %s", old.body)
		}
	})
}
