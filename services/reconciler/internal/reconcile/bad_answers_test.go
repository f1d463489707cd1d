package reconcile_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/salesforce"
)

// jobAnswer asks for a job that is described so.
func jobAnswer(t *testing.T, body string) (salesforce.JobInfo, error) {
	t.Helper()
	return remoteOrg(t, status(200, "application/json", body)).client.Job(t.Context(), someJob)
}

func answerCases() map[int]badCase {
	ended := func(state string) badCase {
		return func(t *testing.T, _ *bundle) string {
			info, err := jobAnswer(t, fmt.Sprintf(`{"id":%q,"state":%q}`, someJob, state))
			switch {
			case err != nil:
				return err.Error()
			case info.Ended():
				return "ended"
			}
			return "not ended"
		}
	}
	counts := func(of ...string) badCase {
		return func(t *testing.T, b *bundle) string {
			for _, c := range of {
				info, err := jobAnswer(t, fmt.Sprintf(`{"id":%q,"state":"JobComplete"%s}`, someJob, c))
				if err != nil || info.HasCounters {
					return fmt.Sprintf("%s: %+v, %v", c, info, err)
				}
			}
			s := b.script()
			s.set(success, text(whole))
			c := b.scripted(3, "JobComplete", -1, -1) // as the poller notes that there are none
			b.run(b.reconciler(), time.Hour)
			if s.reads != 2 {
				return fmt.Sprintf("%d reads", s.reads)
			}
			return "counters not used: " + c.became() + " by two equal reads"
		}
	}
	// login answers logins so, and says what a call meets.
	login := func(t *testing.T, body string) (string, int) {
		front := remoteFront(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/services/oauth2/token" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
				return
			}
			text(whole)(w, r)
		})
		_, err := results(t, remoteClient(t, front.url))
		_, calls := front.seen()
		return "class " + string(salesforce.ClassOf(err)), len(calls)
	}
	return map[int]badCase{
		63: ended("Paused"),
		64: ended("jobcomplete"),
		66: counts(`,"numberRecordsProcessed":1,"numberRecordsFailed":2`),
		67: counts(`,"numberRecordsProcessed":-3,"numberRecordsFailed":0`, `,"numberRecordsProcessed":"many","numberRecordsFailed":0`, ``),
		68: func(t *testing.T, _ *bundle) string {
			if _, err := jobAnswer(t, `{"id":"750000000000002AAA","state":"JobComplete"}`); err == nil || !strings.Contains(err.Error(), "another job") {
				return fmt.Sprint(err)
			}
			return "refused"
		},
		69: func(t *testing.T, _ *bundle) string {
			_, err := remoteOrg(t, status(200, "application/json", `{"state":"Open"}`)).client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "insert"})
			if err == nil || salesforce.Definite(err) {
				return fmt.Sprint(err)
			}
			return "refused, effect unknown"
		},
		70: func(t *testing.T, b *bundle) string {
			insert := func() error {
				_, err := b.admin.Exec(t.Context(), `INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id)
					VALUES ($1, 'accounts', 3, 'fresh', 'main', '', 1, 1, 'created', '750000000000070AAA')`, uuid.New())
				return err
			}
			if err := insert(); err != nil {
				return err.Error()
			}
			if err := insert(); err == nil || !strings.Contains(err.Error(), "23505") {
				return fmt.Sprint(err)
			}
			return "refused by the ledger"
		},
		71: func(t *testing.T, _ *bundle) string {
			elsewhere := remoteOrg(t, status(201, "", ""))
			o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					_, _ = io.Copy(io.Discard, r.Body)
					w.WriteHeader(http.StatusCreated)
					return
				}
				status(200, "application/json", fmt.Sprintf(`{"id":%q,"state":"Open","contentUrl":"%s/services/data/v66.0/jobs/ingest/%s/batches"}`, someJob, elsewhere.url, someJob))(w, r)
			})
			job, err := o.client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "insert"})
			if err == nil {
				err = o.client.Upload(t.Context(), job.ID, 2, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("A\n")), nil })
			}
			_, there := elsewhere.seen()
			if _, here := o.seen(); err != nil || len(there) != 0 || len(here) != 2 {
				return fmt.Sprintf("%v, %v, %v", err, there, here)
			}
			return "ignored"
		},
		72: func(_ *testing.T, b *bundle) string {
			return playAgain(b, answers{success: status(400, "application/json", `[{"errorCode":"INVALIDJOBSTATE","message":"the job is InProgress"}]`)})
		},
		73: func(t *testing.T, _ *bundle) string {
			o := remoteOrg(t, status(401, "application/json", `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`))
			_, err := results(t, o.client)
			if logins, calls := o.seen(); logins != 2 || len(calls) != 2 {
				t.Errorf("%d logins, %v", logins, calls)
			}
			return "one new login, class " + string(salesforce.ClassOf(err))
		},
		74: func(t *testing.T, _ *bundle) string {
			_, err := results(t, remoteOrg(t, status(403, "application/json", `[{"errorCode":"API_DISABLED_FOR_ORG","message":"The REST API is not enabled for this Organization."}]`)).client)
			return "class " + string(salesforce.ClassOf(err))
		},
		75: func(t *testing.T, _ *bundle) string {
			var said []string
			for _, header := range []string{"abc", "-1", "315360000"} {
				o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", header)
					status(503, "text/html", "<html>")(w, r)
				}, func(c *salesforce.Config) { c.Retry.Tries = 1 })
				_, err := results(t, o.client)
				hint, ok := salesforce.RetryAfterHint(err)
				if said = append(said, hint.String()); !ok {
					said[len(said)-1] = "none"
				}
			}
			return strings.Join(said, ", ")
		},
		76: func(_ *testing.T, b *bundle) string {
			return playAgain(b, answers{success: status(404, "application/json", `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)})
		},
		77: func(t *testing.T, _ *bundle) string {
			said, _ := login(t, `{"access_token":"t","token_type":"Bearer","id":"https://x/id/00D000000000001EAA/005000000000001AAA"}`)
			return said
		},
		78: func(t *testing.T, _ *bundle) string {
			said := map[string]bool{}
			for _, instance := range []string{
				"http://acme.my.salesforce.com", "https://10.0.0.1", "https://acme.my.salesforce.com:8443", "https://acme.my.salesforce.com@evil.example",
				"https://evil.example", "https://169.254.169.254", "",
			} {
				class, calls := login(t, fmt.Sprintf(
					`{"access_token":"t","token_type":"Bearer","instance_url":%q,"id":"https://x/id/00D000000000001EAA/005000000000001AAA"}`, instance))
				if calls > 0 {
					t.Errorf("%s: %d calls", instance, calls)
				}
				said[class] = true
			}
			if len(said) != 1 || !said["class auth"] {
				return fmt.Sprint(said)
			}
			return "class auth, token not sent"
		},
		79: func(t *testing.T, _ *bundle) string {
			var n atomic.Int32
			o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 2 {
					status(401, "application/json", `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`)(w, r)
					return
				}
				text(whole)(w, r)
			})
			for range 2 {
				if _, err := results(t, o.client); err != nil {
					return err.Error()
				}
			}
			logins, calls := o.seen()
			if logins != 2 || !strings.HasSuffix(calls[1], "token1") || !strings.HasSuffix(calls[2], "token2") {
				return fmt.Sprint(logins, calls)
			}
			return "new login at the 401"
		},
		80: func(t *testing.T, b *bundle) string {
			b.exec(`INSERT INTO submitter.orgs (name, org_id) VALUES ('main', '00D000000000009EAA')`)
			defer b.exec(`DELETE FROM submitter.orgs`)
			s := b.script()
			s.set(success, status(404, "application/json", `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`))
			c := b.scripted(3, "JobComplete", 3, 0)
			b.run(b.reconciler(), time.Hour)
			if w := c.work(); w["state"] != "reading" || w["job_state"] != "JobComplete" || !strings.Contains(fmt.Sprint(w["last_error"]), "00D000000000009EAA") {
				return fmt.Sprint(w)
			}
			return "waits, never gone"
		},
		81: func(t *testing.T, b *bundle) string {
			s := b.script()
			for _, file := range []string{success, failedFile, unprocessed} {
				s.set(file, status(204, "text/csv", ""))
			}
			var said string
			for n := 1; n <= 5; n++ {
				c := b.scripted(3, "Failed", 0, 0)
				b.exec(`UPDATE poller.watches SET error_message = 'InvalidBatch : Field name not found : Phone' WHERE chunk = $1`, c.id)
				b.run(b.reconciler(), time.Hour)
				said = c.became()
				if pauses := b.pauses(); (len(pauses) > 0) != (n == 5) {
					t.Errorf("%v after %d", pauses, n)
				}
			}
			class, _, _ := strings.Cut(b.pauses()[0], " ")
			return said + ", five in a row pause: " + class
		},
		82: func(t *testing.T, _ *bundle) string {
			var taken atomic.Int64
			o := remoteOrg(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"id":"`)
				part := []byte(strings.Repeat("7", 1<<20))
				for range 100 {
					n, err := w.Write(part)
					taken.Add(int64(n))
					if err != nil {
						return
					}
				}
				_, _ = io.WriteString(w, `"}`)
			}, func(c *salesforce.Config) { c.Retry.Tries = 1 })
			if _, err := o.client.Job(t.Context(), someJob); !errors.Is(err, salesforce.ErrTooLarge) || taken.Load() > 64<<20 {
				return fmt.Sprintf("%d bytes, %v", taken.Load(), err)
			}
			for _, open := range []string{"[", `{"a":`} {
				if _, err := jobAnswer(t, strings.Repeat(open, 200_000)); err == nil {
					return "a depth bomb was read"
				}
			}
			return "refused, memory bounded"
		},
		83: func(t *testing.T, _ *bundle) string {
			for _, header := range []string{"api-usage=many/5000", "api-usage=-1/0", ";;;", strings.Repeat("api-usage=", 100), "api-usage=99999999999999999999/1"} {
				o := remoteOrg(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Sforce-Limit-Info", header)
					text(whole)(w, r)
				})
				_, err := results(t, o.client)
				if _, _, ok := o.client.Usage(); ok || err != nil {
					return fmt.Sprintf("%s: %v, %v", header, ok, err)
				}
			}
			return "ignored"
		},
		84: func(t *testing.T, b *bundle) string {
			s := b.script()
			s.set(failedFile, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().UTC().Add(time.Hour).Format(http.TimeFormat))
				text(failedHeader)(w, r)
			})
			s.set(success, text(whole))
			c := b.scripted(3, "JobComplete", 3, 0)
			r, log := logged(b)
			b.run(r, 0)
			if said := c.became(); said != "landed" || !strings.Contains(log.String(), `"skew_seconds":36`) && !strings.Contains(log.String(), `"skew_seconds":35`) {
				return said + log.String()
			}
			return "noted"
		},
	}
}

// remoteFront is an org that answers everything with h, logins too.
func remoteFront(t *testing.T, h http.HandlerFunc) *remote {
	t.Helper()
	o := &remote{}
	return o.serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/services/oauth2/token" {
			o.mu.Lock()
			o.calls = append(o.calls, r.Method+" "+r.URL.Path)
			o.mu.Unlock()
		}
		h(w, r)
	})
}
