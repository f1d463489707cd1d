package reconcile_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/record"
)

// script is an org that answers with whatever result files a test wrote, well formed or not.
type script struct {
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	reads int
	url   string
}

// The files by the last element of their path.
const (
	success     = "successfulResults"
	failedFile  = "failedResults"
	unprocessed = "unprocessedrecords"
)

// script puts a scripted org in the place of the simulated one.
func (b *bundle) script() *script {
	b.t.Helper()
	s := &script{files: map[string]http.HandlerFunc{}}
	s.set(success, text(successHeader))
	s.set(failedFile, text(failedHeader))
	s.set(unprocessed, text(plainHeader))
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	b.t.Cleanup(server.Close)
	s.url = server.URL
	mux.HandleFunc("POST /services/oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"access_token": "00D5g000000AbCd!secret", "instance_url": server.URL, "token_type": "Bearer",
			"id": server.URL + "/id/" + orgID + "/0055g000000AbCdAAK",
		})
	})
	mux.HandleFunc("GET /services/data/{version}/jobs/ingest/{job}/{file}", s.serve)
	mux.HandleFunc("GET /services/data/{version}/jobs/ingest/{job}/{file}/{$}", s.serve)
	b.client = b.clientOf(server.URL, "id", "secret")
	return s
}

// orgID is the scripted org's, with the suffix that belongs to it.
var orgID = func() string {
	id, err := id18("00D5g000000AbCd")
	if err != nil {
		panic(err)
	}
	return id
}()

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PathValue("file") == success {
		s.reads++
	}
	s.files[r.PathValue("file")](w, r)
}

func (s *script) set(file string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[file] = h
}

const (
	successHeader = `"sf__Id","sf__Created",External_Id__c,Name,Phone` + "\n"
	failedHeader  = `"sf__Id","sf__Error",External_Id__c,Name,Phone` + "\n"
	plainHeader   = "External_Id__c,Name,Phone\n"
)

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
		_, _ = w.Write([]byte(body))
	}
}

func status(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// cut sends a part of a body that was announced whole.
func cut(body string, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write([]byte(body[:n]))
		panic(http.ErrAbortHandler)
	}
}

// landed and refused write rows as Salesforce does.
func landed(keys ...string) string {
	var out strings.Builder
	out.WriteString(successHeader)
	for i, k := range keys {
		id, err := id18(fmt.Sprintf("0015g0000%06d", i))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&out, "%q,\"true\",%q,\"x\",\"\"\n", id, k)
	}
	return out.String()
}

func refused(errorText string, keys ...string) string {
	var out strings.Builder
	out.WriteString(failedHeader)
	for _, k := range keys {
		fmt.Fprintf(&out, "\"\",%q,%q,\"x\",\"\"\n", errorText, k)
	}
	return out.String()
}

// scripted is a chunk of n rows a-0 and so on whose job ended as given.
func (b *bundle) scripted(n int, jobState string, processed, failed int64) *sealed {
	b.t.Helper()
	return b.scriptedRows(accountRows("a", n), jobState, processed, failed)
}

// scriptedRows is a chunk of these rows whose job ended as given.
func (b *bundle) scriptedRows(rows []row, jobState string, processed, failed int64) *sealed {
	b.t.Helper()
	n := len(rows)
	c := b.seal(record.ChunkFresh, rows)
	b.jobs++
	c.jobID, _ = id18(fmt.Sprintf("7505g0000%06d", b.jobs))
	c.submitted(n)
	c.watched("finished", jobState, processed, failed, "")
	return c
}

func TestResultFiles(t *testing.T) {
	t.Parallel()
	shared := setup(t)
	for name, files := range map[string]map[string]http.HandlerFunc{
		"rows in another order":                {success: text(landed("a-2", "a-0", "a-1"))},
		"a failure file that is a 204":         {success: text(landed("a-0", "a-1", "a-2")), failedFile: status(204, "text/csv", "")},
		"a failure file that is empty":         {success: text(landed("a-0", "a-1", "a-2")), failedFile: text("")},
		"keys in another case":                 {success: text(landed("A-0", "A-1", "a-2 "))},
		"a header in another case":             {success: text(strings.Replace(landed("a-0", "a-1", "a-2"), "External_Id__c", "external_id__C", 1))},
		"a byte order mark":                    {success: text("\ufeff" + landed("a-0", "a-1", "a-2"))},
		"CRLF though LF was asked":             {success: text(strings.ReplaceAll(landed("a-0", "a-1", "a-2"), "\n", "\r\n"))},
		"columns in another order":             {success: text("External_Id__c,\"sf__Created\",\"sf__Id\"\na-0,true,0015g00000AbCdEAAV\na-1,TRUE,0015g00000AbCdEAAV\na-2,1,0015g00000AbCdEAAV\n")},
		"an extra column":                      {success: text(strings.ReplaceAll(strings.ReplaceAll(landed("a-0", "a-1", "a-2"), ",\"\"\n", ",\"\",\"e\"\n"), "Phone\n", "Phone,Extra\n"))},
		"line breaks inside quotes":            {success: text(strings.ReplaceAll(landed("a-0", "a-1", "a-2"), `"x"`, "\"x\ny,\"\"z\""))},
		"ids of fifteen characters":            {success: text("sf__Id,sf__Created,External_Id__c\n0015g00000AbCdE,true,a-0\n0015g00000AbCdE,true,a-1\n0015g00000AbCdE,true,a-2\n")},
		"all of it although unprocessed fails": {success: text(landed("a-0", "a-1", "a-2")), unprocessed: status(500, "text/html", "<html>")},
	} {
		t.Run("with "+name+" the chunk is settled at the first read", func(t *testing.T) {
			b := shared
			s := b.script()
			for file, h := range files {
				s.set(file, h)
			}
			c := b.scripted(3, "JobComplete", 3, 0)
			b.run(b.reconciler(), 0)
			if o := c.outcome(); o.Landed != 3 || o.Created != 3 {
				t.Fatalf("%+v", o)
			}
		})
	}
	whole := landed("a-0", "a-1", "a-2")
	for name, bad := range map[string]http.HandlerFunc{
		"cut inside a row":                        cut(whole, len(whole)-20),
		"cut between two rows":                    cut(whole, strings.LastIndex(whole[:len(whole)-1], "\n")+1),
		"that ends inside quotes":                 text(whole[:len(whole)-6]),
		"with a row of another length":            text(whole + "\"a\",\"b\"\n"),
		"without sf__Id":                          text(strings.Replace(whole, "sf__Id", "sf__No", 1)),
		"without our key":                         text(strings.Replace(whole, "External_Id__c", "Somebody__c", 1)),
		"with a column twice":                     text(strings.Replace(whole, "Phone", "Name", 1)),
		"with broken UTF-8":                       text(strings.Replace(whole, `"x"`, "\"\xff\"", 1)),
		"with a zero byte":                        text(strings.Replace(whole, `"x"`, "\"\x00\"", 1)),
		"that is a page of the edge":              status(200, "text/html", "<html>maintenance</html>"),
		"that is an error in JSON":                status(200, "application/json", `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`),
		"refused because the job is not finished": status(400, "application/json", `[{"errorCode":"INVALIDJOBSTATE","message":"not yet"}]`),
		"refused for quota":                       status(403, "application/json", `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`),
		"behind a login page":                     status(302, "text/html", "login"),
		"behind a 503":                            status(503, "text/html", "<html>"),
	} {
		t.Run("a file "+name+" counts as no read, and is read again from its start", func(t *testing.T) {
			b := shared
			s := b.script()
			s.set(success, bad)
			c := b.scripted(3, "JobComplete", 3, 0)
			r := b.reconciler()
			b.note(r)
			b.pass(r)
			w := c.work()
			if c.hasOutcome() || w["state"] != "reading" || w["reads"] != 0.0 || w["errors"] != 1.0 || w["last_error"] == "" {
				t.Fatalf("%v", w)
			}
			s.set(success, text(whole))
			b.run(r, time.Hour)
			if o := c.outcome(); o.Landed != 3 {
				t.Fatalf("%+v", o)
			}
		})
	}
	t.Run("a file that stays malformed quarantines the chunk instead of being read for ever", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(strings.Replace(whole, "sf__Id", "sf__No", 1)))
		c := b.scripted(3, "JobComplete", 3, 0)
		b.run(b.reconciler(), 24*time.Hour)
		if w := c.work(); w["state"] != "quarantined" || fmt.Sprint(b.pauses()) != "[unclassified RESULTS_MALFORMED]" || s.reads != 5 {
			t.Fatalf("%v %v after %d reads", w, b.pauses(), s.reads)
		}
	})
	t.Run("an outage of hours only delays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, status(503, "text/html", "<html>"))
		c := b.scripted(3, "JobComplete", 3, 0)
		r := b.reconciler()
		b.run(r, time.Hour)
		if w := c.work(); w["state"] != "reading" || s.reads > 200 {
			t.Fatalf("%v after %d reads", w, s.reads)
		}
		s.set(success, text(whole))
		b.run(r, time.Hour)
		if o := c.outcome(); o.Landed != 3 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("rows that show up at a later read are not missing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(landed("a-0", "a-1")))
		c := b.scripted(3, "JobComplete", 3, 0)
		r := b.reconciler()
		b.run(r, time.Minute)
		if c.hasOutcome() {
			t.Fatal("decided at once")
		}
		s.set(success, text(whole))
		b.run(r, time.Hour)
		if o := c.outcome(); o.Landed != 3 || s.reads != 2 {
			t.Fatalf("%+v after %d reads", o, s.reads)
		}
	})
	t.Run("counters that stay another number than the files, which tell of every row, only delay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(whole))
		c := b.scripted(3, "JobComplete", 7, 2)
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Landed != 3 || s.reads != 3 {
			t.Fatalf("%+v after %d reads", o, s.reads)
		}
	})
	t.Run("a landed row without a valid id is missing in the end, not landed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(strings.Replace(whole, `"0015g0000000001AAA`, `"0015g0000000001AAB`, 1)))
		c := b.scripted(3, "JobComplete", 3, 0)
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Landed != 2 || o.Missing != 1 || o.States != "lml" {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("files of a failed job that still change are read until two are the same", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(landed("a-0")))
		s.set(unprocessed, text(plainHeader+"a-1,x,\na-2,x,\n"))
		c := b.scripted(3, "Failed", 0, 0)
		r := b.reconciler()
		b.run(r, 30*time.Second)
		s.set(success, text(landed("a-0", "a-1")))
		s.set(unprocessed, text(plainHeader+"a-2,x,\n"))
		b.now = b.now.Add(time.Minute)
		b.run(r, 30*time.Second)
		if c.hasOutcome() || s.reads != 2 {
			t.Fatalf("decided on two reads that differed, or %d reads", s.reads)
		}
		s.set(success, text(landed("a-1", "a-0"))) // the same, in another order: ids differ, so it is another digest
		b.now = b.now.Add(time.Minute)
		b.run(r, 30*time.Second)
		if c.hasOutcome() {
			t.Fatal("decided although ids differ")
		}
		b.run(r, 2*time.Minute)
		if o := c.outcome(); o.Landed != 2 || o.Unprocessed != 1 || o.States != "llu" {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("an error text of any shape is kept with its payload", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(landed("a-0")))
		s.set(failedFile, text(failedHeader+"\"\",\"FIELD_CUSTOM_VALIDATION_EXCEPTION:Bitte: prüfen,\n<b>\"\"=1+1\"\"</b>:Name,Phone --\",\"a-1\",\"x\",\"\"\n\"\",\"\",\"a-2\",\"x\",\"\"\n"))
		c := b.scripted(3, "JobComplete", 3, 2)
		b.run(b.reconciler(), 0)
		f := c.failures()
		if len(f) != 2 || f[0].Code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || f[0].Message != "Bitte: prüfen,\n<b>\"=1+1\"</b>" || fmt.Sprint(f[0].Fields) != "[Name Phone]" ||
			f[1].Class != "unclassified" || f[1].Disposition != "retry" || f[1].Code == "" {
			t.Fatalf("%+v", f)
		}
	})
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a row that was never sent": landed("a-0", "a-1", "a-2", "stranger"),
		"a row twice":               landed("a-0", "a-1", "a-2", "a-2"),
		"far more rows than sent":   landed(append([]string{"a-0", "a-1", "a-2"}, strings.Split(strings.Repeat("x ", 20_000), " ")...)...),
	} {
		t.Run(name+" decides nothing, pauses the pipeline, and lifting the pause has the files read again", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.script()
			s.set(success, text(file))
			c := b.scripted(3, "JobComplete", 3, 0)
			r := b.reconciler()
			b.run(r, 24*time.Hour)
			if w := c.work(); w["state"] != "quarantined" || c.hasOutcome() || fmt.Sprint(b.pauses()) != "[unclassified FOREIGN_ROWS]" || len(b.facts()) != 0 || s.reads != 2 {
				t.Fatalf("%v %v after %d reads", w, b.pauses(), s.reads)
			}
			if n, err := r.Lifted(t.Context()); n != 0 || err != nil {
				t.Fatalf("%d taken up without a lift, %v", n, err)
			}
			b.lift()
			s.set(success, text(landed("a-0", "a-1", "a-2")))
			if n, err := r.Lifted(t.Context()); n != 1 || err != nil {
				t.Fatalf("%d taken up, %v", n, err)
			}
			b.run(r, 0)
			if o := c.outcome(); o.Landed != 3 {
				t.Fatalf("%+v", o)
			}
		})
	}
	t.Run("the pause names the job, and without the job its rows are missing and sent again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, text(landed("a-0", "a-1", "a-2", "stranger")))
		c := b.scripted(3, "JobComplete", 3, 0)
		r := b.reconciler()
		b.run(r, 24*time.Hour)
		message, job := one[string](b, `SELECT message FROM reconciler.pauses`), fmt.Sprint(c.work()["job_id"])
		if !strings.Contains(message, "job "+job+":") || !strings.Contains(message, "delete the job in Salesforce") {
			t.Errorf("%q of job %s", message, job)
		}
		b.lift()
		for _, file := range []string{success, failedFile, unprocessed} {
			s.set(file, status(404, "application/json", `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`))
		}
		if n, err := r.Lifted(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d taken up, %v", n, err)
		}
		b.run(r, 24*time.Hour)
		if o := c.outcome(); o.Missing != 3 || o.Landed != 0 {
			t.Fatalf("%+v", o)
		}
	})
	for name, spoil := range map[string]func(*sealed){
		"whose pieces lack rows":               func(c *sealed) { c.b.exec(`DELETE FROM extractor.pieces`) },
		"whose pieces are damaged":             func(c *sealed) { c.b.exec(`UPDATE extractor.pieces SET data = '\x00010203'`) },
		"whose manifest is damaged":            func(c *sealed) { c.b.exec(`UPDATE extractor.chunks SET manifest = '\x00'`) },
		"of which another number was uploaded": func(c *sealed) { c.b.exec(`UPDATE submitter.submissions SET upload_rows = 2`) },
		"without its key column":               func(c *sealed) { c.b.exec(`UPDATE extractor.chunks SET external_id_field = 'Nope__c'`) },
	} {
		t.Run("a chunk "+name+" is quarantined too", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.script().set(success, text(landed("a-0", "a-1", "a-2")))
			c := b.scripted(3, "JobComplete", 3, 0)
			spoil(c)
			b.run(b.reconciler(), time.Hour)
			if w := c.work(); w["state"] != "quarantined" || fmt.Sprint(b.pauses()) != "[unclassified CHUNK_UNMATCHABLE]" {
				t.Fatalf("%v %v", w, b.pauses())
			}
		})
	}
	t.Run("a chunk that nobody's view has is waited for, not decided", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.script()
		c := b.scripted(3, "JobComplete", 3, 0)
		b.exec(`DELETE FROM extractor.chunks`)
		b.run(b.reconciler(), time.Minute)
		if w := c.work(); w["state"] != "reading" || !strings.Contains(fmt.Sprint(w["last_error"]), "no such chunk") {
			t.Fatalf("%v", w)
		}
	})
}
