//go:build clients

package clients

import (
	"net/http"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

func TestJSforceMeetsFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "faults.mjs")
	t.Run("sessions that end", func(t *testing.T) {
		said.want("session ended", `{"rows":0}`)
		said.want("session ended before a job", `{"ok":1,"failed":0,"unprocessed":0}`)
		said.want("session of the wrong sort", `{"code":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}`)
		said.want("session that cannot be renewed", `{"code":"Error","message":"Unable to refresh session due to: No refresh token found in the connection"}`)
		said.want("session renewed by its user", `{"rows":1}`)
	})
	t.Run("refusals of calls that read are got over, and connections that are reset", func(t *testing.T) {
		said.want("busy twice", `{"rows":1}`)
		said.want("connection reset twice", `{"rows":1}`)
	})
	t.Run("calls that may have had an effect are not repeated", func(t *testing.T) {
		said.want("busy while it creates", `{"code":"ERROR_HTTP_503"}`)
		said.want("reply of a create lost", `{"code":"TypeError"}`)
		said.want("connection closed", `{"code":"TypeError"}`)
		if _, ok := s.Record("Contact", "F-2"); ok {
			t.Error("a call that was refused had an effect")
		}
		fields(t, s, "Contact", "F-3")
	})
	t.Run("a limit that is used up", func(t *testing.T) {
		said.want("used up", `{"code":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}`)
	})
	t.Run("a result file that is cut short is believed", func(t *testing.T) {
		said.want("result file cut short", `{"ok":0,"failed":0,"unprocessed":0}`)
		fields(t, s, "Contact", "F-4")
	})
}

// TestJSforceGivesUpAnUploadThatIsRefusedOnce: jsforce would repeat the upload, but its body is spent. It says so, and leaves the job Open: it deletes it, which
// Salesforce refuses for jobs that are Open.
func TestJSforceGivesUpAnUploadThatIsRefusedOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	said := script(t, s, "spent.mjs")
	for _, kind := range []string{"rows", "text", "file"} {
		said.want(kind, `{"told":{},"why":{"code":"TypeError","message":"Response body object should not be disturbed or locked"}}`)
	}
	if n := len(s.Calls(0, simtest.Upload)); n != 3 {
		t.Errorf("%d uploads for three jobs", n)
	}
	for _, job := range s.Jobs() {
		if job.State != "Open" || job.Uploaded {
			t.Errorf("%+v", job)
		}
	}
	removals := s.Calls(0, simtest.Remove)
	if len(removals) != 3 {
		t.Errorf("%d jobs were to be deleted, not all three", len(removals))
	}
	for _, c := range removals {
		if c.Status != http.StatusBadRequest {
			t.Errorf("%+v", c)
		}
	}
	rows(t, s, "Contact", 0)
}

// TestAnOlderJSforceRepeatsASpentUpload: an older jsforce does repeat the upload, without its body. Whether it then reports that all is well depends on what the
// org makes of a job without rows.
func TestAnOlderJSforceRepeatsASpentUpload(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Move("close_without_upload", "complete")
	said := scriptOf(t, olderJSforce, s, "spent.mjs")
	for _, kind := range []string{"rows", "text", "file"} {
		said.want(kind, `{"told":{"ok":0,"failed":0,"unprocessed":0},"why":{"code":"nothing was refused"}}`)
	}
	var received, applied int64
	for _, c := range s.Calls(0, simtest.Upload) {
		received += c.Received
		if c.Applied {
			applied++
		}
	}
	if received != 0 || applied != 3 {
		t.Errorf("%d bytes were read of the uploads, %d uploads had an effect", received, applied)
	}
	rows(t, s, "Contact", 0)
}
