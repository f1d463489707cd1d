package conformance

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

// outcomes is how many rows of a job stand in which file.
func (o *org) outcomes(id string) [3]int {
	o.t.Helper()
	return [3]int{len(o.rows(id, successful)), len(o.rows(id, failed)), len(o.rows(id, unprocessed))}
}

// locked makes every row of accounts meet a lock.
func (o *org) locked(where *simtest.Where) string {
	o.t.Helper()
	return o.sim.AddFault(simtest.Fault{
		Match: simtest.Match{Object: "Account"}, Where: where, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError},
	})
}

// places inserts rows and returns, by their place in the upload, where in the order of the ids each came to stand.
func (o *org) places(rows int) []int {
	o.t.Helper()
	id, _ := o.process(upsertAccount, o.numbered("p", rows))
	standing := map[string]int{}
	for i, r := range o.sim.Records("Account", false) {
		standing[r.ID] = i
	}
	var out []int
	for _, row := range o.sim.Rows(id) {
		place, there := standing[row.ID]
		if !there {
			o.t.Fatalf("row %d was not inserted: %+v", row.Row, row)
		}
		out = append(out, place)
	}
	return out
}

func TestBatches(t *testing.T) {
	t.Run("every 10,000 rows are an internal batch, and the empty parent batch is free", func(t *testing.T) {
		o := aSim(t)
		o.process(upsertAccount, o.numbered("b", 20_001))
		if got := o.limit("DailyBulkApiBatches").used(); got != 3 {
			t.Errorf("%d batches", got)
		}
	})
	t.Run("batches run side by side, in no order", func(t *testing.T) {
		o := aSim(t, simtest.Speed(-1, 4_000))
		o.sim.Set(map[string]any{"batch_rows": 1_000})
		if places := o.places(2_000); places[1_000] > places[999] {
			t.Error("the second batch waited for the first")
		}
	})
	t.Run("how many run at a time is a setting", func(t *testing.T) {
		o := aSim(t, simtest.Speed(-1, 20_000))
		o.sim.Set(map[string]any{"batch_rows": 1_000, "parallel_batches": 1})
		if places := o.places(2_000); places[1_000] < places[999] {
			t.Error("the second batch did not wait for the first")
		}
	})
	t.Run("bad rows drop out of a chunk of 200 and the others are saved", func(t *testing.T) {
		o := theOrg(t)
		var b strings.Builder
		b.WriteString("Conf_Key__c,Name\n")
		for i := range 400 {
			name := "N"
			if i%7 == 0 {
				name = ""
			}
			fmt.Fprintf(&b, "%s,%s\n", o.key(fmt.Sprintf("c%d", i)), name)
		}
		id, job := o.process(upsertAccount, b.String())
		if got := o.outcomes(id); got != [3]int{342, 58, 0} || job["numberRecordsProcessed"] != 400.0 || job["numberRecordsFailed"] != 58.0 {
			t.Errorf("got %v, %v", got, job)
		}
	})
}

func TestBatchesRunOutOfTime(t *testing.T) {
	t.Run("a batch that is not done in 5 minutes is put back, and its rows are saved once", func(t *testing.T) {
		o := aSim(t, simtest.Speed(-1, 400)) // slow enough to meet it on its way
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("t", 6_000))
		o.want(o.patch(id, "UploadComplete"), 200)
		o.untilProcessed(id, 1)
		o.sim.Advance(5 * time.Minute)
		o.sim.Set(map[string]any{"rows_per_second": 0})
		job := o.ended(id)
		if job["state"] != "JobComplete" || job["retries"] != 1.0 || job["numberRecordsProcessed"] != 6_000.0 {
			t.Errorf("got %v", job)
		}
		if rows, versions := o.sim.Counts()["Account"].Rows, o.sim.Records("Account", true); rows != 6_000 || len(versions[0].Versions) != 1 {
			t.Errorf("%d rows, the first one with versions %v", rows, versions[0].Versions)
		}
	})
	t.Run("20 times are possible", func(t *testing.T) {
		o := aSim(t)
		o.sim.Set(map[string]any{"batch_time": "1ns"}) // time for one transaction
		_, job := o.process(upsertAccount, o.numbered("t", 21*200))
		if job["state"] != "JobComplete" || job["retries"] != 20.0 || o.sim.Counts()["Account"].Rows != 4_200 {
			t.Errorf("got %v", job)
		}
	})
	t.Run("after the 20th the job fails, what is saved stays and the rest is unprocessed", func(t *testing.T) {
		o := aSim(t)
		o.sim.Set(map[string]any{"batch_time": "1ns"})
		id, job := o.process(upsertAccount, o.numbered("t", 22*200))
		if message, _ := job["errorMessage"].(string); job["state"] != "Failed" || job["retries"] != 20.0 || !strings.HasPrefix(message, "Timeout : ") {
			t.Errorf("got %v", job)
		}
		if got := o.outcomes(id); got != [3]int{4_200, 0, 200} || o.sim.Counts()["Account"].Rows != 4_200 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a fault brings it about for one batch", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.BatchTimeout, Count: 3}})
		_, job := o.process(upsertAccount, o.numbered("t", 10))
		if job["state"] != "JobComplete" || job["retries"] != 3.0 {
			t.Errorf("got %v", job)
		}
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.BatchTimeout, Count: 21}})
		id, job := o.process(upsertAccount, o.numbered("u", 10))
		if job["state"] != "Failed" || o.outcomes(id) != [3]int{0, 0, 10} {
			t.Errorf("got %v", job)
		}
	})
}

func TestLocks(t *testing.T) {
	t.Run("100 rows of a batch may meet locks and the batch goes on", func(t *testing.T) {
		o := aSim(t)
		var keys []string
		for i := range 100 {
			keys = append(keys, o.key(fmt.Sprintf("l%d", i)))
		}
		o.locked(&simtest.Where{Keys: keys})
		id, job := o.process(upsertAccount, o.numbered("l", 600))
		if job["state"] != "JobComplete" || job["retries"] != 0.0 || o.outcomes(id) != [3]int{500, 100, 0} {
			t.Errorf("got %v", job)
		}
	})
	t.Run("with more the rest of the batch is put back, and the failed rows stay failed", func(t *testing.T) {
		o := aSim(t)
		fault := o.locked(nil)
		id, job := o.process(upsertAccount, o.numbered("l", 600))
		if job["state"] != "JobComplete" || job["retries"] != 2.0 || job["numberRecordsFailed"] != 600.0 || o.outcomes(id) != [3]int{0, 600, 0} {
			t.Errorf("got %v", job)
		}
		if got := o.sim.Hits(fault); got != 600 {
			t.Errorf("rows were tried %d times", got)
		}
	})
	t.Run("the rows of each try count for themselves", func(t *testing.T) {
		o := aSim(t)
		var keys []string
		for i := range 150 {
			keys = append(keys, o.key(fmt.Sprintf("l%d", i)))
		}
		o.locked(&simtest.Where{Keys: keys})
		id, job := o.process(upsertAccount, o.numbered("l", 1_000))
		if job["state"] != "JobComplete" || job["retries"] != 1.0 || o.outcomes(id) != [3]int{850, 150, 0} {
			t.Errorf("got %v", job)
		}
	})
	t.Run("that happens 10 times to a batch; rows that meet locks then fail one by one", func(t *testing.T) {
		o := aSim(t)
		o.locked(nil)
		id, job := o.process(upsertAccount, o.numbered("l", 13*200))
		if job["state"] != "JobComplete" || job["retries"] != 10.0 || o.outcomes(id) != [3]int{0, 2_600, 0} {
			t.Errorf("got %v", job)
		}
		for _, row := range o.rows(id, failed) {
			if !strings.HasPrefix(row["sf__Error"], "UNABLE_TO_LOCK_ROW:") {
				t.Fatalf("got %v", row)
			}
		}
	})
	t.Run("a row of an update that meets a lock names its record", func(t *testing.T) {
		o := aSim(t)
		id := o.one(insert("Account"), "Name", "A").id
		o.locked(nil)
		if e := o.one(update("Account"), "Id,Name", id+",B"); e.id != id || !strings.HasPrefix(e.problem, "UNABLE_TO_LOCK_ROW:") {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("or the job fails with TooManyLockFailure", func(t *testing.T) {
		o := aSim(t)
		o.sim.Move(switches.LockFailures, switches.JobFailed)
		o.locked(nil)
		id, job := o.process(upsertAccount, o.numbered("l", 13*200))
		if message, _ := job["errorMessage"].(string); job["state"] != "Failed" || !strings.HasPrefix(message, "TooManyLockFailure : ") || o.outcomes(id) != [3]int{0, 2_200, 400} {
			t.Errorf("got %v", job)
		}
	})
	t.Run("batches that share parents meet each other's locks, and the error names the parents", func(t *testing.T) {
		o := aSim(t, simtest.Speed(-1, 4_000)) // a transaction holds its parents for much longer than others wait
		o.sim.Set(map[string]any{"lock_wait": "1ms", "batch_rows": 200})
		for _, parents := range []int{1, 4} {
			var csv strings.Builder
			for i := range parents {
				o.sim.Seed("Account", map[string]string{"Name": "P", "Conf_Key__c": fmt.Sprintf("P%d-%d", parents, i)})
			}
			csv.WriteString("Conf_Key__c,LastName,Account.Conf_Key__c\n")
			for i := range 1_000 {
				fmt.Fprintf(&csv, "k%d-%d,N,P%d-%d\n", parents, i, parents, i%parents)
			}
			id, job := o.process(spec{"object": "Contact", "operation": "upsert", "externalIdFieldName": "Conf_Key__c"}, csv.String())
			rows := o.rows(id, failed)
			if job["state"] != "JobComplete" || len(rows) == 0 {
				t.Fatalf("no batch met a lock: %v", job)
			}
			form := regexp.MustCompile(`^UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or ([0-9]+) records: ((?:001[A-Za-z0-9]{12},?)+):--$`)
			most := 0
			for _, row := range rows {
				m := form.FindStringSubmatch(row["sf__Error"])
				if m == nil || m[1] != fmt.Sprint(len(strings.Split(m[2], ","))) {
					t.Fatalf("got %v", row)
				}
				most = max(most, len(strings.Split(m[2], ",")))
			}
			if most != parents {
				t.Errorf("at most %d parents of %d are named", most, parents)
			}
			if e := o.one(insert("Contact"), "LastName,Account.Conf_Key__c", fmt.Sprintf("N,P%d-0", parents)); e.problem != "" {
				t.Errorf("a lock outlived its transaction: %s", e.problem)
			}
		}
	})
}

func TestEarlyEnds(t *testing.T) {
	const n = 1_000
	at := func(t *testing.T, kind simtest.Effect) (*org, string, map[string]any) {
		o := aSim(t)
		kind.Rows = simtest.AfterRows(400)
		o.sim.AddFault(simtest.Fault{Effect: kind})
		id, job := o.process(upsertAccount, strings.Replace(o.numbered("e", n), ",N\n", ",\n", 1))
		return o, id, job
	}
	t.Run("a failed job keeps what it saved, and has all three files", func(t *testing.T) {
		o, id, job := at(t, simtest.Effect{Kind: simtest.JobFail, Message: "InternalServerError : x"})
		if job["state"] != "Failed" || job["errorMessage"] != "InternalServerError : x" || o.outcomes(id) != [3]int{399, 1, 600} || o.sim.Counts()["Account"].Rows != 399 {
			t.Errorf("got %v", job)
		}
	})
	t.Run("an aborted job too", func(t *testing.T) {
		o, id, job := at(t, simtest.Effect{Kind: simtest.JobAbort})
		if job["state"] != "Aborted" || job["errorMessage"] != nil || o.outcomes(id) != [3]int{399, 1, 600} || o.sim.Counts()["Account"].Rows != 399 {
			t.Errorf("got %v", job)
		}
	})
	t.Run("an abort in the middle keeps what is saved, and the rest is unprocessed as it was uploaded", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall, Rows: simtest.AfterRows(400)}})
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("a", n))
		o.want(o.patch(id, "UploadComplete"), 200)
		o.awaitProcessed(id, 400)
		o.want(o.patch(id, "Aborted"), 200)
		rows := o.rows(id, unprocessed)
		if o.outcomes(id) != [3]int{400, 0, 600} || rows[0]["Name"] != "N" || o.sim.Counts()["Account"].Rows != 400 {
			t.Errorf("got %v", o.outcomes(id))
		}
	})
	t.Run("processed counts what was attempted, or every row once processing has begun", func(t *testing.T) {
		for _, kind := range []simtest.Effect{{Kind: simtest.JobFail}, {Kind: simtest.JobAbort}} {
			o, id, job := at(t, kind)
			if job["numberRecordsProcessed"] != 400.0 || job["numberRecordsFailed"] != 1.0 {
				t.Errorf("got %v", job)
			}
			o.sim.Move(switches.UnprocessedCounted, switches.Counted)
			if job := o.info(id); job["numberRecordsProcessed"] != 1_000.0 || job["numberRecordsFailed"] != 1.0 {
				t.Errorf("got %v", job)
			}
			if _, job := o.process(insertAccount, "Nope\nx\n"); job["numberRecordsProcessed"] != 0.0 {
				t.Errorf("a file that was refused counts: %v", job)
			}
			if _, job := o.process(insertAccount, "Name\nx\n"); job["numberRecordsProcessed"] != 1.0 {
				t.Errorf("got %v", job)
			}
		}
	})
	t.Run("a deleted job does not undo what it saved", func(t *testing.T) {
		o := theOrg(t)
		key := o.key("stays")
		id, _ := o.process(upsertAccount, "Conf_Key__c,Name\n"+key+",N\n")
		o.want(o.call("DELETE", ingest+"/"+id, ""), 204)
		again, _ := o.process(upsertAccount, "Conf_Key__c,Name\n"+key+",N\n")
		if rows := o.rows(again, successful); len(rows) != 1 || rows[0]["sf__Created"] != "false" {
			t.Errorf("got %v", rows)
		}
	})
}

func TestJobsGoBackwards(t *testing.T) {
	states := func(o *org, id string, looks int) string {
		var seen []string
		for range looks {
			seen = append(seen, fmt.Sprint(o.info(id)["state"]))
		}
		return strings.Join(seen, " ")
	}
	t.Run("a finished job shows itself, then in progress, and then finished for good", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobBackwards, Count: 2}})
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("w", 300))
		o.want(o.patch(id, "UploadComplete"), 200)
		o.sim.AwaitJob(id, "finished")
		if got := states(o, id, 5); got != "JobComplete InProgress InProgress JobComplete JobComplete" {
			t.Errorf("got %s", got)
		}
		if job := o.info(id); job["numberRecordsProcessed"] != 300.0 {
			t.Errorf("got %v", job)
		}
	})
	t.Run("a job in progress shows itself queued again, and goes on when that was seen", func(t *testing.T) {
		o := aSim(t)
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobBackwards, Rows: simtest.AfterRows(200)}})
		id := o.create(upsertAccount)
		o.upload(id, o.numbered("w", 300))
		o.want(o.patch(id, "UploadComplete"), 200)
		working := false
		o.until(id, func(_ answer, job map[string]any) bool {
			switch job["state"] {
			case "InProgress":
				working = true
			case "UploadComplete":
				return working
			default:
				t.Fatalf("it did not wait until it was looked at: %v", job)
			}
			return false
		})
		if job := o.ended(id); job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 300.0 {
			t.Errorf("got %v", job)
		}
	})
}
