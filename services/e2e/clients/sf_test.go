//go:build clients

package clients

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// key is the id of the row that the org holds under a key.
func (c *commandLine) key(object, key string) string {
	c.t.Helper()
	r, ok := c.org.Record(object, key)
	if !ok {
		c.t.Fatalf("%s holds no %s %s", c.org, object, key)
	}
	return r.ID
}

// table reads CSV that a command wrote: its header and its rows.
func table(t *testing.T, text string) (header []string, rows [][]string) {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) == 0 {
		t.Fatalf("%v in %q", err, text)
	}
	return lines[0], lines[1:]
}

func TestSFSignsIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	t.Run("by a token", func(t *testing.T) {
		since := last(s)
		contains(t, "login", c.login().Result, fmt.Sprintf(`{"orgId":%q,"username":%q,"instanceUrl":"%s/","isDevHub":false,"instanceApiVersion":"68.0"}`, s.OrgID(), s.Username, s.URL))
		// The token is this test's. For sandboxes sf asks only where it knows a production org besides.
		called(t, s, since, "token identity record query versions query")
		c.want(fmt.Sprintf(`{"id":%q,"username":%q,"connectedStatus":"Connected","alias":"me"}`, s.OrgID(), s.Username), "org display")
	})
	t.Run("without signing in, by a token in place of an org", func(t *testing.T) {
		other := newCommandLine(t, s)
		a := other.run([]string{"SF_ORG_INSTANCE_URL=" + s.URL}, "data query --json --query", "SELECT Id FROM Contact", "--target-org", token(t, s))
		contains(t, "query", other.read(a).Result, `{"totalSize":0,"done":true}`)
	})
	t.Run("a session that has ended is not renewed by itself", func(t *testing.T) {
		s.ExpireTokens()
		r := c.ask("data query --query", "SELECT Id FROM Contact")
		if r.code != 1 || !strings.Contains(r.Message, "expired") {
			t.Errorf("exit code %d\n%s", r.code, r.all)
		}
	})
	t.Run("by a signed assertion, whose session is", func(t *testing.T) {
		signed := newCommandLine(t, s)
		if err := os.WriteFile(filepath.Join(signed.dir, "key.pem"), s.PrivateKey(), 0o600); err != nil {
			t.Fatal(err)
		}
		signed.want(fmt.Sprintf(`{"orgId":%q,"username":%q}`, s.OrgID(), s.Username), "org login jwt --jwt-key-file key.pem --set-default --alias me",
			"--client-id", s.ClientID, "--username", s.Username, "--instance-url", s.URL)
		s.ExpireTokens()
		signed.want(`{"totalSize":0,"done":true}`, "data query --target-org me --query", "SELECT Id FROM Contact")
	})
}

func TestSFLoads(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	c.login()
	t.Run("import: rows that fail are exit code 1, and their reasons a file", func(t *testing.T) {
		c.write("import.csv", "External_Id__c,LastName,Email", "S-1,Alder,alder@people.example", "S-2,,birch@people.example", `S-3,"Cedar, ""C""",cedar@people.example`, "S-4,Dill,not an address")
		since := last(s)
		r := c.refused("FailedRecordDetailsError", "data import bulk --sobject Contact --file import.csv --wait 2")
		called(t, s, since, "create upload close info")
		if r.Message != "Job finished being processed but failed to process 2 records." {
			t.Error(r.Message)
		}
		job := member(t, r.Data, "jobId")
		got := c.want(`{"processedRecords":4,"successfulRecords":2,"failedRecords":2,"status":"JobComplete","operation":"insert","object":"Contact"}`, "data bulk results --job-id", job)
		header, failed := table(t, c.file(member(t, got.Result, "failedFilePath")))
		if strings.Join(header, ",") != "sf__Id,sf__Error,External_Id__c,LastName,Email" || len(failed) != 2 {
			t.Errorf("%v\n%v", header, failed)
		}
		reasons := map[string]string{}
		for _, row := range failed {
			reasons[row[2]] = row[1]
		}
		if reasons["S-2"] != "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --" || reasons["S-4"] != "INVALID_EMAIL_ADDRESS:Email: invalid email address: not an address:Email --" {
			t.Error(reasons)
		}
		if _, landed := table(t, c.file(member(t, got.Result, "successFilePath"))); len(landed) != 2 {
			t.Error(landed)
		}
		holds(t, s, "Contact", "S-3", map[string]string{"LastName": `Cedar, "C"`, "Email": "cedar@people.example"})
	})
	t.Run("update", func(t *testing.T) {
		c.write("update.csv", "Id,FirstName", c.key("Contact", "S-1")+",Ann", c.key("Contact", "S-3")+",Cy")
		c.want(`{"processedRecords":2,"successfulRecords":2,"failedRecords":0}`, "data update bulk --sobject Contact --file update.csv --wait 2")
		holds(t, s, "Contact", "S-1", map[string]string{"FirstName": "Ann", "LastName": "Alder"})
		holds(t, s, "Contact", "S-3", map[string]string{"FirstName": "Cy", "LastName": `Cedar, "C"`})
	})
	t.Run("upsert: with other line ends", func(t *testing.T) {
		c.write("upsert.csv", "External_Id__c;LastName\r", "S-1;Elm\r", "S-5;Fir\r")
		c.want(`{"jobInfo":{"numberRecordsProcessed":2,"numberRecordsFailed":0,"lineEnding":"CRLF"},"records":{"failedResults":[],"unprocessedRecords":[]}}`, "data upsert bulk --sobject Contact --external-id External_Id__c --file upsert.csv --line-ending CRLF --column-delimiter SEMICOLON --wait 2")
		holds(t, s, "Contact", "S-1", map[string]string{"FirstName": "Ann", "LastName": "Elm"})
		holds(t, s, "Contact", "S-5", map[string]string{"LastName": "Fir"})
	})
	t.Run("update, upsert and delete: a row that fails is exit code 1, and the others land", func(t *testing.T) {
		const nobody = "003000000000000AAA"
		c.write("update.csv", "Id,FirstName", c.key("Contact", "S-3")+",Cyd", nobody+",Nobody")
		c.write("upsert.csv", "External_Id__c,LastName", "S-5,Gorse", "S-7,")
		c.write("delete.csv", "Id", nobody, c.key("Contact", "S-1"))
		for _, operation := range []string{"update", "upsert --external-id External_Id__c", "delete"} {
			verb, more, _ := strings.Cut(operation, " ")
			r := c.refused("FailedRecordDetailsError", "data "+verb+" bulk --sobject Contact --file "+verb+".csv --wait 2 "+more)
			if r.Message != "Job finished being processed but failed to process 1 records." {
				t.Errorf("%s: %s", verb, r.Message)
			}
			if job := newest(s); job.State != "JobComplete" || job.Processed != 2 || job.Failed != 1 {
				t.Errorf("%s: %+v", verb, job)
			}
		}
		holds(t, s, "Contact", "S-3", map[string]string{"FirstName": "Cyd"})
		holds(t, s, "Contact", "S-5", map[string]string{"LastName": "Gorse"})
		rows(t, s, "Contact", 2)
	})
	t.Run("a file without rows is exit code 1", func(t *testing.T) {
		c.write("header.csv", "External_Id__c,LastName")
		c.refused("NoProcessedRecordsError", "data import bulk --sobject Contact --file header.csv --wait 2")
		rows(t, s, "Contact", 2)
	})
	t.Run("a column that is none fails the whole job, which has no results", func(t *testing.T) {
		c.write("wrong.csv", "External_Id__c,Nickname", "S-6,G")
		r := c.refused("JobFailedError", "data import bulk --sobject Contact --file wrong.csv --wait 2")
		if !strings.Contains(r.Message, "InvalidBatch : Field name not found : Nickname") {
			t.Error(r.Message)
		}
		c.refused("NoRecordsError", "data bulk results --job-id", newest(s).ID)
	})
	t.Run("an object that is none is refused before there is a job", func(t *testing.T) {
		r := c.refused("INVALIDJOB", "data import bulk --sobject Nothing__c --file wrong.csv --wait 2")
		if r.Message != "InvalidJob : Unable to find object: Nothing__c" {
			t.Error(r.Message)
		}
	})
	t.Run("delete, and hardDelete only where the org allows it", func(t *testing.T) {
		const one = `{"jobInfo":{"numberRecordsProcessed":1,"numberRecordsFailed":0},"records":{"failedResults":[],"unprocessedRecords":[]}}`
		c.write("delete.csv", "Id", c.key("Contact", "S-5"))
		c.write("hard.csv", "Id", c.key("Contact", "S-3"))
		c.want(one, "data delete bulk --sobject Contact --file delete.csv --wait 2")
		rows(t, s, "Contact", 1)
		r := c.refused("HardDeletePermissionError", "data delete bulk --sobject Contact --file hard.csv --hard-delete --wait 2")
		if !strings.Contains(r.Message, `You must have the "Bulk API Hard Delete" system permission`) {
			t.Error(r.Message)
		}
		rows(t, s, "Contact", 1)
		s.Set(map[string]any{"hard_delete": true})
		c.want(one, "data delete bulk --sobject Contact --file hard.csv --hard-delete --wait 2")
		rows(t, s, "Contact", 0)
	})
}

func TestSFResumes(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	c.login()
	// begin starts a job without waiting for it.
	begin := func(t *testing.T, command string) string {
		t.Helper()
		r := c.want(`{}`, command)
		var said struct {
			JobID   string
			JobInfo struct{ ID string } // what upsert and delete say
		}
		if err := json.Unmarshal(r.Result, &said); err != nil || said.JobID+said.JobInfo.ID == "" {
			t.Fatalf("%v in %s", err, r.all)
		}
		return said.JobID + said.JobInfo.ID
	}
	t.Run("import, the most recent one", func(t *testing.T) {
		c.write("import.csv", "External_Id__c,LastName", "R-1,Alder", "R-2,Birch")
		job := begin(t, "data import bulk --sobject Contact --file import.csv")
		c.want(fmt.Sprintf(`{"jobId":%q,"processedRecords":2,"successfulRecords":2,"failedRecords":0}`, job), "data import resume --use-most-recent --wait 2")
	})
	t.Run("update, by its id", func(t *testing.T) {
		c.write("update.csv", "Id,FirstName", c.key("Contact", "R-1")+",Ann")
		job := begin(t, "data update bulk --sobject Contact --file update.csv")
		c.want(`{"processedRecords":1,"successfulRecords":1,"failedRecords":0}`, "data update resume --wait 2 --job-id", job)
	})
	t.Run("upsert, with a row that fails", func(t *testing.T) {
		c.write("upsert.csv", "External_Id__c,LastName", "R-1,Cedar", "R-3,")
		job := begin(t, "data upsert bulk --sobject Contact --external-id External_Id__c --file upsert.csv")
		c.want(`{"jobInfo":{"numberRecordsProcessed":2,"numberRecordsFailed":1},"records":{"successfulResults":[{"External_Id__c":"R-1","sf__Created":"false"}],
			"failedResults":[{"External_Id__c":"R-3","sf__Error":"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"}]}}`, "data upsert resume --wait 2 --job-id", job)
	})
	t.Run("delete", func(t *testing.T) {
		c.write("delete.csv", "Id", c.key("Contact", "R-2"))
		job := begin(t, "data delete bulk --sobject Contact --file delete.csv")
		c.want(`{"jobInfo":{"numberRecordsProcessed":1,"numberRecordsFailed":0}}`, "data delete resume --wait 2 --job-id", job)
	})
	t.Run("a job that was aborted half way, whose rows are in two files", func(t *testing.T) {
		s.Script(`{"match":{"object":"Contact"},"effect":{"kind":"job_abort","rows":1}}`)
		c.write("aborted.csv", "External_Id__c,LastName", "R-7,Dill", "R-8,Elm", "R-9,Fir")
		job := begin(t, "data import bulk --sobject Contact --file aborted.csv")
		c.refused("JobAbortedError", "data import resume --wait 2 --job-id", job)
		got := c.want(`{"processedRecords":1,"failedRecords":0,"status":"Aborted"}`, "data bulk results --job-id", job)
		_, landed := table(t, c.file(member(t, got.Result, "successFilePath")))
		header, left := table(t, c.file(member(t, got.Result, "unprocessedFilePath")))
		slices.SortFunc(left, slices.Compare)
		if len(landed) != 1 || fmt.Sprint(header, left) != "[External_Id__c LastName] [[R-8 Elm] [R-9 Fir]]" {
			t.Errorf("%v landed, %v %v did not", landed, header, left)
		}
		holds(t, s, "Contact", "R-7", map[string]string{"LastName": "Dill"})
	})
	rows(t, s, "Contact", 2)
	holds(t, s, "Contact", "R-1", map[string]string{"FirstName": "Ann", "LastName": "Cedar"})
}

func TestSFWritesRecords(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	c.login()
	r := c.want(`{"success":true}`, "data create record --sobject Contact --values", "LastName='Alder Tree' External_Id__c=W-1 DoNotCall=true")
	id := member(t, r.Result, "id")
	c.refused("REQUIRED_FIELD_MISSING", "data create record --sobject Contact --values", "FirstName=Ann")
	c.want(fmt.Sprintf(`{"Id":%q,"LastName":"Alder Tree","DoNotCall":true,"FirstName":null}`, id), "data get record --sobject Contact --record-id", id)
	c.want(`{"success":true}`, "data update record --sobject Contact --where External_Id__c=W-1 --values FirstName=Ann")
	c.want(fmt.Sprintf(`{"Id":%q,"FirstName":"Ann"}`, id), "data get record --sobject Contact --where External_Id__c=W-1")
	c.want(`{"success":true}`, "data delete record --sobject Contact --record-id", id)
	rows(t, s, "Contact", 0)
}

func TestSFLooksAround(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	c.login()
	var limits []struct {
		Name           string
		Max, Remaining int
	}
	r := c.ask("org list limits")
	if err := json.Unmarshal(r.Result, &limits); r.code != 0 || r.Status != 0 || err != nil {
		t.Fatalf("exit code %d, %v in %s", r.code, err, r.all)
	}
	found := map[string]int{}
	for _, l := range limits {
		found[l.Name] = l.Remaining
	}
	if found["DailyApiRequests"] == 0 || found["DailyApiRequests"] >= 100000 || found["DailyBulkV2QueryJobs"] != 10000 {
		t.Error(found)
	}
	c.want(`["Organization","User","Account","Contact"]`, "sobject list --sobject all")
	c.want(`{"name":"Contact","keyPrefix":"003","createable":true}`, "sobject describe --sobject Contact")
	c.refused("NOT_FOUND", "sobject describe --sobject Nothing__c")
}

// TestSFPrintsForPeople looks at what stands on a terminal, or in the log of a build.
func TestSFPrintsForPeople(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCommandLine(t, s)
	c.login()
	c.write("import.csv", "External_Id__c,LastName", "P-1,Alder", "P-2,")
	a := c.run(nil, "data import bulk --sobject Contact --file import.csv --wait 2")
	for _, part := range []string{"Processed records: 2", "Successful records: 1", "Failed records: 1", "Status: JobComplete", s.Jobs()[0].ID} {
		if !strings.Contains(a.out, part) {
			t.Errorf("no %q in\n%s", part, a.out)
		}
	}
	if a.code != 1 || !strings.Contains(a.err, "failed to process 1 records") || !strings.Contains(a.err, "sf data bulk results -o "+s.Username+" --job-id "+s.Jobs()[0].ID) {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
}
