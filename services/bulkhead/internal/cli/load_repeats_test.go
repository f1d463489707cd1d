package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	"bulkhead/services/bulkhead/internal/load"
)

// repeatsOps is ops for a load whose rows are all repeats of records that other runs brought.
type repeatsOps struct {
	*testing.T
	yaml string
	rows int // of the file
	dead int // records of the pipeline that have not landed
	busy int // so many exports are refused first
	line func(i int) string
	// asked counts the questions for the run's own balance: before the first answer nothing was repeated.
	asked, refused int
	known          bool // the rows were loaded before under this run, too
}

func (o *repeatsOps) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	run := r.URL.Query().Get("run")
	switch r.URL.Path {
	case "/v1/pipelines/contacts":
		_ = json.NewEncoder(w).Encode(map[string]any{"pipeline": map[string]any{"name": "contacts", "revision": 1, "yaml": o.yaml}})
	case "/v1/status":
		fmt.Fprint(w, `{"pipelines":[]}`)
	case "/v1/records":
		fmt.Fprint(w, `{"records":[{"pipeline":"contacts","key":"k","state":"dead"}]}`)
	case "/v1/balance":
		if run == "" {
			fmt.Fprintf(w, `{"balance":{"accepted":%d,"dead":%d},"adds_up":true,"unread":{}}`, o.dead, o.dead)
			return
		}
		repeats := 0
		if o.asked++; o.asked > 1 || o.known {
			repeats = o.rows
		}
		fmt.Fprintf(w, `{"balance":{},"repeats":%d,"adds_up":true,"unread":{}}`, repeats)
	case "/v1/exports/failed":
		if run != "" {
			o.Errorf("the export of run %q was asked for, in which nothing failed", run)
		}
		if o.refused < o.busy {
			o.refused++
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"code":8,"message":"2 exports are running already: try again when one has ended"}`)
			return
		}
		w.Header().Set("Bulkhead-Records", fmt.Sprint(o.dead))
		out := bufio.NewWriter(w)
		for i := range o.dead {
			fmt.Fprintln(out, o.line(i))
		}
		_ = out.Flush()
	default:
		o.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
}

func (o *repeatsOps) load(t *testing.T, code int, content string, args ...string) (load.Result, string) {
	t.Helper()
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "contacts.csv")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, out, errOut := invoke(t, "", append([]string{"load", file, "--json", "--pipeline", "contacts", "--run", "mine", "--ops", server.URL}, args...)...)
	var r load.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || got != code {
		t.Fatalf("exit code %d, want %d, %v: %s%s", got, code, err, out, errOut)
	}
	return r, errOut
}

func contactsYAML(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../../deploy/config/pipelines/contacts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRepeatsOfWhatDidNotLand(t *testing.T) {
	const content = "id,last_name\na,A\nb,B\nc,C\nd,D\n"
	sum := sha256.Sum256([]byte(content))
	mine, other := hex.EncodeToString(sum[:])[:24], strings.Repeat("0", 24)
	ops := func(t *testing.T) *repeatsOps {
		lines := []string{
			`{"run":"theirs","key":"` + mine + `:5","state":"dead","class":"data","code":"X","letter_id":"l1"}`,
			`{"run":"theirs","key":"` + other + `:5","state":"dead"}`,
			`{"run":"","key":"` + mine + `:2","state":"unresolved","letter_id":"l2"}`,
			`{"run":"third","key":"` + mine + `:4","state":"waiting_for_parent"}`,
			`{"run":"third","key":"@12.3","state":"dead"}`,
		}
		return &repeatsOps{T: t, yaml: contactsYAML(t), rows: 4, dead: len(lines), known: true, line: func(i int) string { return lines[i] }}
	}
	check := func(t *testing.T, r load.Result) {
		t.Helper()
		got := ""
		for _, e := range r.Examples {
			got += fmt.Sprintf("%d %s %q %t\n", e.Line, e.State, e.Run, e.Repeat)
		}
		if want := "2 unresolved \"\" true\n4 waiting_for_parent \"third\" true\n5 dead \"theirs\" true\n"; got != want || r.RepeatsNotLanded != 3 || r.RepeatsUnchecked != 0 {
			t.Errorf("%s%+v", got, r)
		}
	}
	t.Run("is told of each row whose record another run brought, and of no row of another file", func(t *testing.T) {
		r, _ := ops(t).load(t, ExitPartly, content)
		check(t, r)
	})
	t.Run("is told when ops was busy with other exports at first", func(t *testing.T) {
		o := ops(t)
		o.busy = 1
		r, said := o.load(t, ExitPartly, content)
		check(t, r)
		if o.refused != 1 || !strings.Contains(said, "2 exports are running already") {
			t.Errorf("%d exports were refused: %s", o.refused, said)
		}
	})
	t.Run("is nothing when nothing of the pipeline failed, and then nothing is read", func(t *testing.T) {
		o := ops(t)
		o.dead, o.busy = 0, 1
		if r, _ := o.load(t, ExitDone, content); r.RepeatsNotLanded != 0 || o.refused != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("is looked for as far as memory is given to it, and the rest is told and no success", func(t *testing.T) {
		broker := testkit.NATS(t)
		conn, err := bus.Connect(broker.URL(), bus.ConnectOptions{Name: t.Name()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		if err := bus.EnsureRecords(t.Context(), conn, "contacts", bus.Limits{MaxBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		keyed := strings.Replace(contactsYAML(t), "name: contacts\n", "name: contacts\nkey: [event]\n", 1)
		const content = "event,id,last_name\na,1,A\nb,2,B\nc,3,C\nd,4,D\n"
		for name, c := range map[string]struct{ dead, told, unchecked int }{
			"all of them":         {200_000, 1, 0},
			"all of them but two": {200_002, 1, 2},
		} {
			t.Run(name, func(t *testing.T) {
				o := &repeatsOps{T: t, yaml: keyed, rows: 4, dead: c.dead, line: func(i int) string {
					if i == 7 {
						return `{"run":"theirs","key":"c","state":"dead"}`
					}
					return fmt.Sprintf(`{"run":"theirs","key":"x%d","state":"dead"}`, i)
				}}
				r, said := o.load(t, ExitPartly, content, "--nats", broker.URL())
				if r.RepeatsNotLanded != int64(c.told) || r.RepeatsUnchecked != int64(c.unchecked) || len(r.Examples) != 1 || r.Examples[0].Line != 4 {
					t.Errorf("%+v", r)
				}
				if told := strings.Contains(said, "note: 2 records of other runs in contacts have not landed"); told != (c.unchecked > 0) {
					t.Errorf("%s", said)
				}
			})
		}
		t.Run("what was not looked at is no success, even when nothing was found", func(t *testing.T) {
			o := &repeatsOps{T: t, yaml: keyed, rows: 4, dead: 200_001, line: func(i int) string { return fmt.Sprintf(`{"run":"theirs","key":"x%d","state":"dead"}`, i) }}
			if r, _ := o.load(t, ExitPartly, content, "--nats", broker.URL()); r.RepeatsNotLanded != 0 || r.RepeatsUnchecked != 1 {
				t.Errorf("%+v", r)
			}
		})
	})
}
