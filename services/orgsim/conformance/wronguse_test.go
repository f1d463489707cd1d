package conformance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

const nobodysJob = "750000000000001AAA"

func TestWrongCreate(t *testing.T) {
	o := theOrg(t)
	for _, tc := range []struct {
		name, body, code, message string
	}{
		{"an unknown object is refused by name", `{"object":"Foo","operation":"insert"}`, "INVALIDJOB", "InvalidJob : Unable to find object: Foo"},
		{"a job needs an object", `{"operation":"insert"}`, "INVALIDJOB", "InvalidJob : Unable to find object: "},
		{"an upsert by a field that is no external id is refused", `{"object":"Account","operation":"upsert","externalIdFieldName":"Foo__c"}`, "INVALIDJOB", "InvalidJob : Field name provided, Foo__c does not match an External ID for Account"},
		{"an upsert without an external id is refused", `{"object":"Account","operation":"upsert"}`, "INVALIDJOB", "InvalidJob : External ID was blank for Account. An External ID must be specified for upsert."},
		{"an operation that is none is an invalid value", `{"object":"Account","operation":"x"}`, "API_ERROR", "Invalid value: 'x' supplied for property: 'operation'"},
		{"operations are told apart by case", `{"object":"Account","operation":"Insert"}`, "API_ERROR", "Invalid value: 'Insert' supplied for property: 'operation'"},
		{"a job needs an operation", `{"object":"Account"}`, "API_ERROR", "Invalid value: '' supplied for property: 'operation'"},
		{"there is no content type but CSV", `{"object":"Account","operation":"insert","contentType":"JSON"}`, "API_ERROR", "Invalid value: 'JSON' supplied for property: 'contentType'"},
		{"a line ending that is none is an invalid value", `{"object":"Account","operation":"insert","lineEnding":"CR"}`, "API_ERROR", "Invalid value: 'CR' supplied for property: 'lineEnding'"},
		{"a delimiter that is none is an invalid value", `{"object":"Account","operation":"insert","columnDelimiter":"SPACE"}`, "API_ERROR", "Invalid value: 'SPACE' supplied for property: 'columnDelimiter'"},
		{"a body that is no JSON is a parser error", `{"object":`, "JSON_PARSER_ERROR", ""},
		{"a body with a list where an object belongs is a parser error", `[]`, "JSON_PARSER_ERROR", ""},
		{"a body that is null is a parser error", `null`, "JSON_PARSER_ERROR", ""},
		{"an empty body is a parser error", ``, "JSON_PARSER_ERROR", ""},
		{"a member of another type is a parser error", `{"object":5,"operation":"insert"}`, "JSON_PARSER_ERROR", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := o.call("POST", ingest, tc.body)
			if got := o.refused(a, http.StatusBadRequest, tc.code); got != tc.message && tc.message != "" {
				t.Errorf("got %s", got)
			}
			if !strings.HasPrefix(a.body, `[{"errorCode":"`) {
				t.Errorf("the code does not come first: %s", a.body)
			}
		})
	}
}

func TestHardDeleteNeedsItsPermission(t *testing.T) {
	o := aSim(t)
	body := text(spec{"object": "Account", "operation": "hardDelete"})
	if got := o.refused(o.call("POST", ingest, body), 400, "FEATURENOTENABLED"); !strings.Contains(got, "special user profile permission") {
		t.Errorf("got %s", got)
	}
	o.sim.Set(map[string]any{"hard_delete": true})
	o.want(o.call("POST", ingest, body), http.StatusOK)
}

func TestWrongUse(t *testing.T) {
	o := theOrg(t)
	finished, _ := o.process(insertAccount, "Name\nN\n")
	t.Run("a second upload is refused, with the short id in angle brackets", func(t *testing.T) {
		id := o.create(insertAccount)
		o.upload(id, "Name\nN\n")
		want := "Found multipe contents for job: <" + id[:15] + ">, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job " + //nolint:misspell // as real orgs write it
			"and make sure you only do 'PUT' once on a given Job."
		if got := o.refused(o.call("PUT", ingest+"/"+id+"/batches", "Name\nN\n", csvBody), 400, "BULK_API_ERROR"); got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a finished job cannot be aborted", func(t *testing.T) {
		if got := o.refused(o.patch(finished, "Aborted"), 400, "INVALIDJOBSTATE"); got != "Aborting already Completed Job not allowed" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("an Open job cannot be deleted", func(t *testing.T) {
		if got := o.refused(o.call("DELETE", ingest+"/"+o.create(insertAccount), ""), 400, "API_ERROR"); got != "Error encountered when deleting the job because the job is not terminated" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a job that never was is not found by any call", func(t *testing.T) {
		for _, a := range []answer{
			o.call("GET", ingest+"/"+nobodysJob, ""), o.call("GET", ingest+"/x", ""), o.call("PUT", ingest+"/"+nobodysJob+"/batches", "x", csvBody),
			o.patch(nobodysJob, "UploadComplete"), o.patch(nobodysJob, "Aborted"), o.call("DELETE", ingest+"/"+nobodysJob, ""),
			o.call("GET", ingest+"/"+nobodysJob+"/successfulResults", ""),
		} {
			if got := o.refused(a, 404, "NOT_FOUND"); got != "The requested resource does not exist" {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("a deleted job is not found any more, nor are its results", func(t *testing.T) {
		id, _ := o.process(insertAccount, "Name\nN\n")
		o.want(o.call("DELETE", ingest+"/"+id, ""), 204)
		for _, path := range []string{"", "/successfulResults", "/failedResults", "/unprocessedrecords"} {
			o.refused(o.call("GET", ingest+"/"+id+path, ""), 404, "NOT_FOUND")
		}
		o.refused(o.call("DELETE", ingest+"/"+id, ""), 404, "NOT_FOUND")
	})
	t.Run("a method that a resource does not have is named with those that it has", func(t *testing.T) {
		for method, path := range map[string]string{"PUT": "", "POST": "/" + finished, "PATCH": "/" + finished + "/failedResults", "DELETE": "/" + finished + "/batches"} {
			got := o.refused(o.call(method, ingest+path, ""), 405, "METHOD_NOT_ALLOWED")
			if !strings.HasPrefix(got, "HTTP Method '"+method+"' not allowed. Allowed are ") {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("an upload is CSV or it is refused", func(t *testing.T) {
		o.want(o.call("PUT", ingest+"/"+o.create(insertAccount)+"/batches", "{}"), http.StatusUnsupportedMediaType)
	})
}

func TestDeletableStates(t *testing.T) {
	o := aSim(t, simtest.Speed(time.Hour, -1))
	remove := func(id string) answer { return o.call("DELETE", ingest+"/"+id, "") }
	t.Run("a queued job may be deleted, and is never processed", func(t *testing.T) {
		id := o.create(insertAccount)
		o.upload(id, "Name\nN\n")
		o.want(o.patch(id, "UploadComplete"), 200)
		o.want(remove(id), 204)
		if n := o.sim.Counts()["Account"].Rows; n != 0 {
			t.Errorf("%d rows", n)
		}
	})
	t.Run("an aborted and a failed job may be deleted", func(t *testing.T) {
		aborted := o.create(insertAccount)
		o.want(o.patch(aborted, "Aborted"), 200)
		o.want(remove(aborted), 204)
		o.sim.Set(map[string]any{"queue_delay": "0s"})
		broken, job := o.process(insertAccount, "Nope\nN\n")
		if job["state"] != "Failed" {
			t.Fatalf("got %v", job)
		}
		o.want(remove(broken), 204)
	})
	t.Run("a job in progress may not", func(t *testing.T) {
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall}})
		id := o.create(insertAccount)
		o.upload(id, "Name\nN\n")
		o.want(o.patch(id, "UploadComplete"), 200)
		o.sim.AwaitJob(id, "InProgress")
		o.refused(remove(id), 400, "API_ERROR")
		o.want(o.patch(id, "Aborted"), 200)
	})
}

func TestOtherUsersJobs(t *testing.T) {
	o := aSim(t)
	o.sim.PutUser("other@simulated.example", nil)
	o.sim.PutUser("manager@simulated.example", map[string]any{"manage_data_integrations": true})
	other, manager := o.user("other@simulated.example"), o.user("manager@simulated.example")
	t.Run("another user can neither see nor change a job", func(t *testing.T) {
		id := o.create(insertAccount)
		for _, a := range []answer{
			other.call("GET", ingest+"/"+id, ""), other.call("PUT", ingest+"/"+id+"/batches", "Name\nN\n", csvBody), other.patch(id, "UploadComplete"),
			other.patch(id, "Aborted"), other.call("DELETE", ingest+"/"+id, ""), other.call("GET", ingest+"/"+id+"/failedResults", ""),
		} {
			o.refused(a, 400, "INVALIDUSER")
		}
		if got := o.info(id)["state"]; got != "Open" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the creator may abort a job, and who manages data integrations any job", func(t *testing.T) {
		mine, theirs := o.create(insertAccount), other.create(insertAccount)
		o.refused(o.patch(theirs, "Aborted"), 400, "INVALIDUSER")
		other.want(other.patch(theirs, "Aborted"), 200)
		manager.want(manager.patch(mine, "Aborted"), 200)
	})
	t.Run("a job names its creator", func(t *testing.T) {
		id := o.sim.PutUser("other@simulated.example", nil)
		if got := other.info(other.create(insertAccount))["createdById"]; got != id {
			t.Errorf("got %v, want %s", got, id)
		}
	})
}

// Whatever is wrong with a file as a whole is found only after the close.
func TestFoundAfterTheClose(t *testing.T) {
	o := theOrg(t)
	insertContact := spec{"object": "Contact", "operation": "insert"}
	for _, tc := range []struct {
		name    string
		spec    spec
		csv     string
		message string
	}{
		{"only the first unknown column is named", insertAccount, "Nope,Name,NopeToo\nx,y,z\n", "InvalidBatch : Field name not found : Nope"},
		{"a type before a relationship is for polymorphic ones only", insertContact, "LastName,Account:Account.Conf_Key__c\nx,y\n", "InvalidBatch : type is not needed for non polymorphic foreign key references: Account"},
		{"a relationship that is none is named", insertContact, "LastName,Accounts.Conf_Key__c\nx,y\n", "InvalidBatch : Unable to find relationship: Accounts"},
		{"Windows line ends fail a job that said LF", insertAccount, "Name\r\nA\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
		{"Unix line ends fail a job that said CRLF", spec{"object": "Account", "operation": "insert", "lineEnding": "CRLF"}, "Name\nA\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF"},
		{"a delete takes nothing but ids", spec{"object": "Account", "operation": "delete"}, "Id,Name\n001000000000001AAA,x\n", "InvalidBatch : The 'delete' batch must contain only ids"},
		{"another delimiter makes the header one unknown field", insertAccount, "Name;Phone\nA;1\n", "InvalidBatch : Field name not found : Name;Phone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, job := o.process(tc.spec, tc.csv)
			if job["state"] != "Failed" || job["errorMessage"] != tc.message || job["numberRecordsProcessed"] != 0.0 || job["numberRecordsFailed"] != 0.0 {
				t.Errorf("got %v", job)
			}
			for _, name := range []string{successful, failed} {
				if rows := o.rows(id, name); len(rows) != 0 {
					t.Errorf("%s has %v", name, rows)
				}
			}
		})
	}
}

// The questions to which no answer is recorded: each position of the switch shows.
func TestJobQuestions(t *testing.T) {
	closed := func(o *org) string {
		id := o.create(insertAccount)
		o.upload(id, "Name\nN\n")
		o.want(o.patch(id, "UploadComplete"), 200)
		o.ended(id)
		return id
	}
	t.Run("an upload to a closed job is refused by one of two codes", func(t *testing.T) {
		o := aSim(t)
		id := closed(o)
		o.refused(o.call("PUT", ingest+"/"+id+"/batches", "x", csvBody), 400, "INVALIDJOBSTATE")
		o.sim.Move(switches.UploadNotOpen, switches.APIError)
		o.refused(o.call("PUT", ingest+"/"+id+"/batches", "x", csvBody), 400, "API_ERROR")
	})
	t.Run("a second close is refused, or answered with the job", func(t *testing.T) {
		o := aSim(t)
		id := closed(o)
		o.refused(o.patch(id, "UploadComplete"), 400, "INVALIDJOBSTATE")
		o.sim.Move(switches.CloseTwice, switches.Accepted)
		a := o.want(o.patch(id, "UploadComplete"), 200)
		if got := decode[map[string]any](t, a)["state"]; got != "JobComplete" || members(t, a.body) != shortMembers {
			t.Errorf("got %s", a.body)
		}
		never := o.create(insertAccount)
		o.want(o.patch(never, "Aborted"), 200)
		o.refused(o.patch(never, "UploadComplete"), 400, "INVALIDJOBSTATE")
	})
	t.Run("a PATCH to another state is refused by one of two codes", func(t *testing.T) {
		o := aSim(t)
		id := o.create(insertAccount)
		for _, state := range []string{"JobComplete", "Open", "nonsense", ""} {
			o.refused(o.patch(id, state), 400, "INVALIDJOBSTATE")
		}
		o.sim.Move(switches.OtherState, switches.APIError)
		if got := o.refused(o.patch(id, "JobComplete"), 400, "API_ERROR"); got != "Invalid value: 'JobComplete' supplied for property: 'state'" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a close without an upload is accepted, and the job fails or is complete", func(t *testing.T) {
		o := aSim(t)
		for _, position := range []simtest.Position{switches.JobFailed, switches.JobComplete} {
			o.sim.Move(switches.CloseWithoutUpload, position)
			for _, uploads := range []bool{false, true} {
				id := o.create(insertAccount)
				if uploads { // of nothing: as good as none
					o.upload(id, "")
				}
				o.want(o.patch(id, "UploadComplete"), 200)
				job := o.ended(id)
				message, _ := job["errorMessage"].(string)
				if job["numberRecordsProcessed"] != 0.0 || (position == switches.JobFailed) != (job["state"] == "Failed" && strings.HasPrefix(message, "InvalidBatch : ")) ||
					(position == switches.JobComplete) != (job["state"] == "JobComplete") {
					t.Errorf("%s: got %v", position, job)
				}
			}
		}
	})
	t.Run("a header without rows is complete with 0 of 0, or fails", func(t *testing.T) {
		o := aSim(t)
		_, job := o.process(insertAccount, "Name\n")
		if job["state"] != "JobComplete" || job["numberRecordsProcessed"] != 0.0 || job["numberRecordsFailed"] != 0.0 {
			t.Errorf("got %v", job)
		}
		o.sim.Move(switches.HeaderOnly, switches.JobFailed)
		_, job = o.process(insertAccount, "Name\n")
		if message, _ := job["errorMessage"].(string); job["state"] != "Failed" || !strings.HasPrefix(message, "InvalidBatch : ") {
			t.Errorf("got %v", job)
		}
	})
	t.Run("an upload that is too large is refused in one of three ways", func(t *testing.T) {
		o := aSim(t)
		o.sim.Set(map[string]any{"max_upload_bytes": 400})
		send := func(n int) answer {
			return o.call("PUT", ingest+"/"+o.create(insertAccount)+"/batches", strings.Repeat("x", n), csvBody)
		}
		o.want(send(300), 201) // four thirds of it is the limit
		o.refused(send(301), 400, "BULK_API_ERROR")
		o.sim.Move(switches.OversizedUpload, switches.ExceededQuota)
		o.refused(send(301), 400, "EXCEEDEDQUOTA")
		o.sim.Move(switches.OversizedUpload, switches.PayloadTooLarge)
		if a := o.want(send(301), http.StatusRequestEntityTooLarge); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, "<html>") {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("an upload that was refused leaves the job Open, for a smaller one", func(t *testing.T) {
		o := aSim(t)
		o.sim.Set(map[string]any{"max_upload_bytes": 400})
		id := o.create(insertAccount)
		o.refused(o.call("PUT", ingest+"/"+id+"/batches", strings.Repeat("x", 301), csvBody), 400, "BULK_API_ERROR")
		o.upload(id, "Name\nN\n")
	})
}
