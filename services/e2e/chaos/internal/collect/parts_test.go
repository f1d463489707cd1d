package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestAttemptsOf(t *testing.T) {
	for does, c := range map[string]struct {
		definition string
		want       map[string]int
	}{
		"the preset says nothing else":       {"retry: {preset: default}", nil},
		"a definition without retries does":  {"name: x", nil},
		"a class has tries of its own":       {"retry: {preset: default, transient: {attempts: 5, base: 1s}}", map[string]int{"transient": 5}},
		"a class may change its waits alone": {"retry:\n  reference: {base: 1s, max: 2s}", nil},
	} {
		t.Run(does, func(t *testing.T) {
			want := defaultAttempts()
			maps.Copy(want, c.want)
			if got, err := attemptsOf(c.definition); err != nil || !maps.Equal(got, want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		})
	}
	t.Run("what is no YAML is refused", func(t *testing.T) {
		if got, err := attemptsOf("retry: ["); err == nil {
			t.Errorf("%v", got)
		}
	})
}

func TestEach(t *testing.T) {
	t.Run("does everything, several at a time", func(t *testing.T) {
		var mu sync.Mutex
		done := map[int]bool{}
		if err := each(t.Context(), slices.Collect(maps.Keys(map[int]bool{1: true, 2: true, 3: true})), 2, func(_ context.Context, n int) error {
			mu.Lock()
			defer mu.Unlock()
			done[n] = true
			return nil
		}); err != nil || len(done) != 3 {
			t.Errorf("%v, %v", done, err)
		}
	})
	t.Run("ends at the first error, which it tells", func(t *testing.T) {
		boom := errors.New("boom")
		if err := each(t.Context(), make([]int, 100), 2, func(context.Context, int) error { return boom }); !errors.Is(err, boom) {
			t.Error(err)
		}
	})
	t.Run("has nothing to do where there is nothing", func(t *testing.T) {
		if err := each(t.Context(), nil, 4, func(context.Context, int) error { return errors.New("called") }); err != nil {
			t.Error(err)
		}
	})
}

func TestAgain(t *testing.T) {
	t.Run("asks until there is an answer", func(t *testing.T) {
		n := 0
		if err := again(t.Context(), func(int) error {
			if n++; n < 3 {
				return errors.New("busy")
			}
			return nil
		}); err != nil || n != 3 {
			t.Errorf("%d times, %v", n, err)
		}
	})
	t.Run("does not ask again what was refused", func(t *testing.T) {
		n := 0
		if err := again(t.Context(), func(int) error { n++; return errRefused }); !errors.Is(err, errRefused) || n != 1 {
			t.Errorf("%d times, %v", n, err)
		}
	})
	t.Run("ends with its context and tells what was the matter", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		busy := errors.New("busy")
		err := again(ctx, func(int) error { cancel(); return busy })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, busy) {
			t.Error(err)
		}
	})
}

// org answers as the simulator's control API does, with one job of two rows.
func org(t *testing.T, change func(path string) (string, bool)) *collector {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/sim/")
		if text, ok := change(path); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		switch path {
		case "":
			fmt.Fprint(w, `{"user_id":"us","objects":["Part__c"]}`)
		case "records/Part__c":
			fmt.Fprintln(w, `{"id":"a1","object":"Part__c","versions":[{"at":"2026-01-01T00:00:01Z","job":"j1","row":2,"fields":{"A":"x"}},`+
				`{"at":"2026-01-01T00:00:03.5Z","fields":{"A":"y"}},{"at":"2026-01-01T00:00:09Z","fields":{"A":"z"}}]}`)
		case "collections":
			fmt.Fprintln(w, `{"n":7,"at":"2026-01-01T00:00:03.4Z","ended_at":"2026-01-01T00:00:03.6Z","object":"Part__c","operation":"upsert","user":"us","rows":[`+
				`{"cells":{"Ext__c":"k9"},"outcome":"failed","error":"X:y"},{"cells":{"Ext__c":"k1","A":"y"},"outcome":"updated","id":"a1"}]}`)
		case "calls":
			fmt.Fprint(w, `{"calls":[{"n":1,"at":"2026-01-01T00:00:00Z","endpoint":"upload","job_id":"j1","status":201},`+
				`{"n":2,"at":"2026-01-01T00:00:00.5Z","endpoint":"close","job_id":"j1","status":0,"faults":["f1"]}],"lost":0}`)
		case "jobs":
			fmt.Fprint(w, `[{"id":"j1","object":"Part__c","operation":"upsert","state":"JobComplete","closed":true,"uploaded":true,"upload_rows":2,"created_by":"us",`+
				`"created_at":"2026-01-01T00:00:00Z","history":[{"state":"Open","at":"2026-01-01T00:00:00Z"},{"state":"UploadComplete","at":"2026-01-01T00:00:00.6Z"},`+
				`{"state":"JobComplete","at":"2026-01-01T00:00:02Z"}]},{"id":"j2","state":"Open","created_by":"them"}]`)
		case "jobs/j1/upload":
			fmt.Fprint(w, "Ext__c,A\nk1,\"a,b\"\nk2,\n")
		case "jobs/j1/rows":
			fmt.Fprint(w, `{"row":1,"outcome":"created","id":"a1","lost":true}`+"\n"+`{"row":2,"outcome":"failed","error":"X:y","rewritten":true}`+"\n")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	began, err := time.Parse(time.RFC3339, "2026-01-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	return &collector{target: history.Target{ControlURL: server.URL + "/sim"}, dir: t.TempDir(), began: began}
}

func read1[T any](t *testing.T, c *collector, name string) []T {
	t.Helper()
	all, err := history.ReadAll[T](filepath.Join(c.dir, filepath.FromSlash(name)+next))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOrg(t *testing.T) {
	asItIs := func(string) (string, bool) { return "", false }
	t.Run("tells of rows, jobs and calls in the run's own time", func(t *testing.T) {
		c := org(t, asItIs)
		if err := c.org(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal([]any{
			read1[history.OrgRecord](t, c, history.RecordsFile), read1[history.OrgJob](t, c, history.JobsFile),
			read1[history.OrgRow](t, c, history.RowsFile), read1[history.OrgCall](t, c, history.CallsFile),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`{"fields":{"A":"x"},"job":"j1","n":1,"at_ms":1000}`,
			`"created_ms":0,"closed_ms":600,"ended_ms":2000,"rows":2,"uploads":1}`, `"id":"j2"`, `"foreign":true`,
			`{"job":"j1","n":0,"cells":{"A":"a,b","Ext__c":"k1"},"outcome":"created","id":"a1","hidden":"lost"}`,
			`{"job":"j1","n":1,"cells":{"Ext__c":"k2"},"outcome":"failed","error":"X:y","hidden":"rewritten"}`,
			`"endpoint":"close","job":"j1","status":0,"fault":"f1"}`,
			`{"fields":{"A":"y"},"job":"call-7","n":1,"at_ms":3500}`, `{"fields":{"A":"z"},"at_ms":9000}`,
			`"id":"call-7","object":"Part__c","operation":"upsert","state":"JobComplete","created_ms":3400,"closed_ms":3400,"ended_ms":3600,"rows":2,"uploads":1,"called":true}`,
			`{"job":"call-7","n":1,"cells":{"A":"y","Ext__c":"k1"},"outcome":"updated","id":"a1","hidden":"called"}`,
		} {
			if !strings.Contains(string(got), want) {
				t.Errorf("it lacks %s:\n%s", want, got)
			}
		}
	})
	for does, answer := range map[string][2]string{
		"a row is missing among those of a job":     {"jobs/j1/rows", `{"row":1,"outcome":"created"}` + "\n"},
		"a row of a job comes twice":                {"jobs/j1/rows", `{"row":1}` + "\n" + `{"row":1}` + "\n"},
		"an upload is no CSV":                       {"jobs/j1/upload", "a,b\n\"c"},
		"the org has forgotten calls":               {"calls", `{"calls":[],"lost":3}`},
		"the org has let go of a job's rows":        {"jobs", `[{"id":"j1","closed":true,"uploaded":true,"dropped":true}]`},
		"the list of jobs is cut":                   {"jobs", `[{"id":"j1"`},
		"a call of collections is none":             {"collections", "[]\n"},
		"a row of the org is not what it should be": {"records/Part__c", "[]\n"},
	} {
		t.Run("is an error when "+does, func(t *testing.T) {
			c := org(t, func(path string) (string, bool) { return answer[1], path == answer[0] })
			if err := c.org(t.Context()); err == nil {
				t.Error("there is none")
			}
		})
	}
}
