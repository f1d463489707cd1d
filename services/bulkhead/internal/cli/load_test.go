package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/service"
	"bulkhead/services/bulkhead/internal/allinone"
	"bulkhead/services/bulkhead/internal/load"
)

// loadStack starts everything with the shipped pipelines, events, whose definition names the key's members, and narrow.
func loadStack(t *testing.T) *allinone.Stack {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"accounts", "contacts"} {
		text, err := os.ReadFile("../../../../deploy/config/pipelines/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		quick := strings.Replace(string(text), "age: 2s", "age: 300ms", 1)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(quick), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "accounts" {
			continue
		}
		// Its stream holds less than what the test publishes: the publisher is refused and waits for room.
		narrow := strings.NewReplacer("name: accounts\n", "name: narrow\n", "backlog: 2GiB", "backlog: 1MiB").Replace(quick)
		if err := os.WriteFile(filepath.Join(dir, "narrow.yaml"), []byte(narrow), 0o600); err != nil {
			t.Fatal(err)
		}
		events := strings.NewReplacer("name: accounts\n", "name: events\nkey: [event]\n").Replace(quick)
		if err := os.WriteFile(filepath.Join(dir, "events.yaml"), []byte(events), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := allinone.Start(t.Context(), allinone.Options{PipelinesDir: dir, LogTo: io.Discard, Level: service.LogLevel(), SimRowsPerSecond: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type loads struct {
	*allinone.Stack
	conn *bus.Conn
	dir  string
}

// run loads and reads the result from --json.
func (s loads) run(t *testing.T, code int, args ...string) (load.Result, string) {
	t.Helper()
	got, out, errOut := invoke(t, "", append(append([]string{"load", "--json"}, args...), "--ops", s.OpsHTTP, "--nats", s.NATSURL)...)
	if got != code {
		t.Fatalf("load %s: exit code %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, out, errOut)
	}
	var r load.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, errOut
}

func (s loads) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rows makes a CSV file of accounts.
func rows(prefix string, n int) string {
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%s-%d,Name %d\n", prefix, i, i)
	}
	return b.String()
}

func TestLoadExplainsItself(t *testing.T) {
	t.Setenv("BULKHEAD_OPS", "")
	t.Setenv("BULKHEAD_NATS", "")
	code, out, errOut := invoke(t, "", "load", "--help")
	if code != ExitDone || errOut != "" {
		t.Errorf("exit %d, stderr %q", code, errOut)
	}
	golden(t, "help/bulkhead-load.txt", out)
}

func TestLoad(t *testing.T) {
	s := loads{Stack: loadStack(t), dir: t.TempDir()}
	var err error
	if s.conn, err = bus.Connect(s.NATSURL, bus.ConnectOptions{Name: t.Name()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)

	t.Run("tells of every row that did not land its line and its reason", func(t *testing.T) {
		file := s.write(t, "contacts.csv", "\ufeffid;last_name;email\r\n"+
			"p1;\"Two\nlines\";p1@people.example\r\n"+
			"p2;;p2@people.example\r\n"+ // Salesforce wants a last name
			"p3;Only two\r\n"+
			"\r\n"+
			"p4;#N/A;\r\n"+ // no column can hold it
			"p5;\"say \"\"x\"\"; please\";\r\n"+
			"p6;"+strings.Repeat("x", 1<<20)+";\r\n")
		errorsFile := filepath.Join(s.dir, "errors.csv")
		r, said := s.run(t, ExitPartly, file, "--pipeline", "contacts", "--errors", errorsFile)
		if r.Rows != 6 || r.Refused != 2 || r.Published != 4 || r.Balance.Accepted != 4 || r.Balance.Landed != 2 || r.Balance.Dead != 2 || !r.Complete || !r.AddsUp {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(said, "semicolon") {
			t.Errorf("the delimiter that was found out is not told: %s", said)
		}
		want := map[int64]string{4: "REQUIRED_FIELD_MISSING", 5: "", 7: "UNREPRESENTABLE", 9: ""}
		if len(r.Examples) != len(want) {
			t.Errorf("%+v", r.Examples)
		}
		for _, e := range r.Examples {
			if code, ok := want[e.Line]; !ok || code != e.Code {
				t.Errorf("%+v", e)
			}
		}
		f, err := os.Open(errorsFile)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		table, err := csv.NewReader(f).ReadAll()
		if err != nil || len(table) != 5 || table[1][0] != "4" || table[4][0] != "9" {
			t.Errorf("%q %v", table, err)
		}
	})
	t.Run("as text it says the same", func(t *testing.T) {
		code, out, _ := invoke(t, "", "load", filepath.Join(s.dir, "contacts.csv"), "--pipeline", "contacts", "--ops", s.OpsHTTP, "--nats", s.NATSURL, "--show", "1")
		if code != ExitPartly {
			t.Errorf("exit code %d", code)
		}
		for _, w := range []string{"rows          6", "refused       2", "landed        2", "dead          2", "REQUIRED_FIELD_MISSING", "and 3 more", "bulkhead dlq ls --pipeline contacts"} {
			if !strings.Contains(out, w) {
				t.Errorf("no %q in\n%s", w, out)
			}
		}
	})
	t.Run("a file that was loaded before is not published again, whatever it is packed in", func(t *testing.T) {
		text := rows("again", 500)
		file := s.write(t, "again.csv", text)
		if r, _ := s.run(t, ExitDone, file, "--pipeline", "accounts"); r.Published != 500 || r.Balance.Landed != 500 || r.Repeats != 0 || r.LoadedBefore {
			t.Errorf("%+v", r)
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		before := s.sequence(t, "accounts")
		r, said := s.run(t, ExitDone, s.write(t, "other-name.gz", packed.String()), "--pipeline", "accounts")
		if !r.LoadedBefore || r.Published != 0 || r.Balance.Landed != 500 || !strings.Contains(said, "--force") {
			t.Errorf("%+v\n%s", r, said)
		}
		if after := s.sequence(t, "accounts"); after != before {
			t.Errorf("the stream went from %d to %d", before, after)
		}
		t.Run("but with --force, and lands nothing twice", func(t *testing.T) {
			r, _ := s.run(t, ExitDone, file, "--pipeline", "accounts", "--force")
			if r.Published != 500 || r.Repeats != 500 || r.Balance.Landed != 500 || r.Balance.Accepted != 500 {
				t.Errorf("%+v", r)
			}
		})
		t.Run("under another run it is repeats", func(t *testing.T) {
			r, _ := s.run(t, ExitDone, file, "--pipeline", "accounts", "--run", "another")
			if r.Published != 500 || r.Repeats != 500 || r.Balance.Accepted != 0 || r.Run != "another" {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("a row that is a repeat of a record of another run that did not land is told with its line", func(t *testing.T) {
		file := s.write(t, "twice.csv", "id,name\nt1,A\nt2,#N/A\nt3,C\n") // no column can hold #N/A
		if r, _ := s.run(t, ExitPartly, file, "--pipeline", "accounts", "--run", "first"); r.Balance.Dead != 1 || r.RepeatsNotLanded != 0 {
			t.Errorf("%+v", r)
		}
		errorsFile := filepath.Join(s.dir, "twice-errors.csv")
		again := func(args ...string) load.Result {
			t.Helper()
			r, _ := s.run(t, ExitPartly, append([]string{file, "--pipeline", "accounts", "--errors", errorsFile}, args...)...)
			if r.Balance.Accepted != 0 || r.RepeatsNotLanded != 1 || len(r.Examples) != 1 {
				t.Fatalf("%+v", r)
			}
			if e := r.Examples[0]; e.Line != 3 || !e.Repeat || e.Run != "first" || e.State != "dead" || e.Code != "UNREPRESENTABLE" || e.Letter == "" {
				t.Errorf("%+v", e)
			}
			text, err := os.ReadFile(errorsFile)
			if err != nil || !strings.HasPrefix(string(text), "line,state,class,code,message,key,letter_id,run\n3,dead,") || !strings.HasSuffix(string(text), ",first\n") {
				t.Errorf("%s %v", text, err)
			}
			return r
		}
		if r := again("--run", "second", "--force"); r.Published != 3 || r.Repeats != 3 {
			t.Errorf("%+v", r)
		}
		t.Run("also by a load that publishes nothing, since all was loaded before", func(t *testing.T) {
			if r := again("--run", "second"); !r.LoadedBefore {
				t.Errorf("%+v", r)
			}
		})
		t.Run("as text, with the run", func(t *testing.T) {
			code, out, _ := invoke(t, "", "load", file, "--pipeline", "accounts", "--run", "second", "--ops", s.OpsHTTP, "--nats", s.NATSURL)
			if code != ExitPartly {
				t.Errorf("exit code %d", code)
			}
			for _, w := range []string{"LINE  RUN    STATE", "3     first  dead", "1 of them were brought by other runs", "bulkhead dlq ls --pipeline accounts"} {
				if !strings.Contains(out, w) {
					t.Errorf("no %q in\n%s", w, out)
				}
			}
		})
		t.Run("and not when a person has decided about it", func(t *testing.T) {
			code, _, errOut := invoke(t, "", "dlq", "discard", "--run", "first", "--reason", "a test", "--yes", "--ops", s.OpsHTTP)
			if code != ExitDone {
				t.Fatalf("exit code %d: %s", code, errOut)
			}
			if r, _ := s.run(t, ExitDone, file, "--pipeline", "accounts", "--run", "second"); r.RepeatsNotLanded != 0 || len(r.Problems) != 0 {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("where the definition names the key", func(t *testing.T) {
		t.Run("another file under the same run lands what is new in it", func(t *testing.T) {
			s.run(t, ExitDone, s.write(t, "day1.csv", "event,id,name\na1,n1,A\nb1,n2,B\nc1,n3,C\n"), "--pipeline", "events", "--run", "nightly")
			r, _ := s.run(t, ExitDone, s.write(t, "day2.csv", "event,id,name\na1,n1,A\nb2,n2,B changed\nc1,n3,C\n"), "--pipeline", "events", "--run", "nightly")
			if r.LoadedBefore || r.Published != 3 || r.Repeats != 2 || r.Balance.Accepted != 4 || r.Balance.Landed != 4 {
				t.Errorf("%+v", r)
			}
		})
		s.run(t, ExitPartly, s.write(t, "dead1.csv", "event,id,name\nd1,m1,A\nd2,m2,#N/A\nd3,m3,#N/A\n"), "--pipeline", "events", "--run", "yesterday")
		t.Run("the file of another day tells of its row that is dead since yesterday, and of no row of another file", func(t *testing.T) {
			r, _ := s.run(t, ExitPartly, s.write(t, "dead2.csv", "event,id,name\nd4,m4,D\nd1,m1,A\nd2,m2,#N/A\n"), "--pipeline", "events", "--run", "today")
			if r.Balance.Accepted != 1 || r.Balance.Landed != 1 || r.Repeats != 2 || r.RepeatsNotLanded != 1 || len(r.Examples) != 1 {
				t.Fatalf("%+v", r)
			}
			if e := r.Examples[0]; e.Line != 4 || e.Run != "yesterday" || e.Key != "d2" || e.Code != "UNREPRESENTABLE" {
				t.Errorf("%+v", e)
			}
		})
		t.Run("repeats of what landed are fine, whatever else of the pipeline is dead", func(t *testing.T) {
			if r, _ := s.run(t, ExitDone, s.write(t, "dead3.csv", "event,id,name\nd1,m1,A\n"), "--pipeline", "events", "--run", "today2"); r.Repeats != 1 || r.RepeatsNotLanded != 0 {
				t.Errorf("%+v", r)
			}
		})
		t.Run("a row that reuses a dead record's key is a letter of its own, and no repeat", func(t *testing.T) {
			r, _ := s.run(t, ExitPartly, s.write(t, "dead4.csv", "event,id,name\nd1,m1,A\nd2,m2,B\n"), "--pipeline", "events", "--run", "today3")
			if r.Repeats != 1 || r.RepeatsNotLanded != 0 || len(r.Examples) != 1 || r.Examples[0].Line != 3 || r.Examples[0].Code != "KEY_REUSED" || r.Examples[0].Repeat {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("a load that waits for room and is interrupted goes on with the same command, and lands every row once", func(t *testing.T) {
		const n = 30_000
		file := s.write(t, "interrupted.csv", rows("int", n))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		from := s.sequence(t, "narrow")
		var out, errOut bytes.Buffer
		done := make(chan int, 1)
		go func() {
			done <- Main(ctx, []string{"load", file, "--pipeline", "narrow", "--json", "--ops", s.OpsHTTP, "--nats", s.NATSURL}, strings.NewReader(""), &out, &errOut)
		}()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		code := -1
		for code < 0 {
			select {
			case code = <-done:
			case <-tick.C:
				if s.sequence(t, "narrow") > from+2 {
					cancel()
				}
			}
		}
		if code != ExitInterrupted || !strings.Contains(errOut.String(), "Run the same command again") {
			t.Fatalf("exit code %d: %s", code, errOut.String())
		}
		var first load.Result
		if err := json.Unmarshal(out.Bytes(), &first); err != nil || first.Published == 0 || first.Published >= n {
			t.Fatalf("%v %s", err, out.String())
		}
		r, _ := s.run(t, ExitDone, file, "--pipeline", "narrow")
		if r.Published != n || r.Repeats < first.Published || r.Balance.Landed != n || r.Balance.Accepted != n || r.LoadedBefore {
			t.Errorf("first %+v\nthen %+v", first, r)
		}
	})
	t.Run("where the definition names the key, lines are found all the same", func(t *testing.T) {
		file := s.write(t, "events.csv", "event,id,name\ne1,k1,\"a\nb\"\ne2,k2,#N/A\n,k3,c\ne4,k4,d\ne4,k4,another\n")
		check := func(r load.Result, dead int64) {
			t.Helper()
			got := map[int64]string{}
			for _, e := range r.Examples {
				got[e.Line] = e.Code
			}
			if r.Published != 5 || r.Balance.Landed != 2 || r.Balance.Dead != dead || len(r.Examples) != int(dead) || got[5] != "MISSING_KEY" || got[4] != "UNREPRESENTABLE" || got[7] != "KEY_REUSED" {
				t.Errorf("%+v", r)
			}
		}
		r, _ := s.run(t, ExitPartly, file, "--pipeline", "events")
		check(r, 3)
		again, _ := s.run(t, ExitPartly, file, "--pipeline", "events")
		check(again, 4) // a row without a key is no repeat of anything
	})
	t.Run("newline-delimited JSON from standard input", func(t *testing.T) {
		code, out, _ := invoke(t, `{"id":"nd1","name":"A"}`+"\n\n"+`{"id":"nd2",`+"\n"+`{"id":"nd3","name":"C","shoe":1}`+"\n",
			"load", "-", "--pipeline", "accounts", "--json", "--ops", s.OpsHTTP, "--nats", s.NATSURL)
		var r load.Result
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != ExitPartly || r.Format != "ndjson" || r.Balance.Landed != 1 || r.Balance.Dead != 2 {
			t.Fatalf("exit %d %v %s", code, err, out)
		}
		if r.Examples[0].Line != 3 || r.Examples[0].Code != "NOT_JSON" || r.Examples[1].Line != 4 || r.Examples[1].Code != "UNKNOWN_MEMBER" {
			t.Errorf("%+v", r.Examples)
		}
	})
	t.Run("--no-wait ends when everything is published, --wait when it is over", func(t *testing.T) {
		r, _ := s.run(t, ExitDone, s.write(t, "nowait.csv", rows("nw", 10)), "--pipeline", "accounts", "--no-wait")
		if r.Published != 10 || r.Followed || r.Complete {
			t.Errorf("%+v", r)
		}
		if r, _ = s.run(t, ExitDone, filepath.Join(s.dir, "nowait.csv"), "--pipeline", "accounts"); r.Balance.Landed != 10 {
			t.Errorf("%+v", r)
		}
		r, _ = s.run(t, ExitPartly, s.write(t, "wait.csv", rows("w", 10)), "--pipeline", "accounts", "--wait", "50ms")
		if r.Complete || !strings.Contains(r.Open, "--wait") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a paused pipeline ends the wait with the remedy", func(t *testing.T) {
		s.fault(t, "STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--")
		r, _ := s.run(t, ExitPartly, s.write(t, "paused.csv", rows("pa", 3)), "--pipeline", "accounts")
		if r.Complete || !strings.Contains(r.Open, "bulkhead pipelines resume accounts") || !strings.Contains(r.Open, "STORAGE_LIMIT_EXCEEDED") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("what cannot be used is refused before anything is published", func(t *testing.T) {
		for name, c := range map[string]struct {
			args []string
			code int
			says string
		}{
			"a file that is not there":     {[]string{filepath.Join(s.dir, "absent"), "--pipeline", "accounts"}, ExitUsage, "absent"},
			"no pipeline":                  {[]string{"-"}, ExitUsage, "--pipeline"},
			"an unknown pipeline":          {[]string{"-", "--pipeline", "nope"}, ExitNothing, "accounts, contacts, events, narrow"},
			"unknown columns":              {[]string{s.write(t, "u.csv", "id,shoe\n1,2\n"), "--pipeline", "accounts"}, ExitUsage, `"shoe"`},
			"no column for the key field":  {[]string{s.write(t, "k.csv", "name\n2\n"), "--pipeline", "accounts"}, ExitUsage, "External_Id__c"},
			"a quote that is never closed": {[]string{s.write(t, "q.csv", "id,name\n1,\"x\n"), "--pipeline", "accounts"}, ExitUsage, "line 2"},
			"both ways to wait":            {[]string{"-", "--pipeline", "accounts", "--wait", "1s", "--no-wait"}, ExitUsage, "exclude"},
			"a delimiter that is none":     {[]string{"-", "--pipeline", "accounts", "--delimiter", "ab"}, ExitUsage, "--delimiter"},
			"CSV's flags for NDJSON":       {[]string{"-", "--pipeline", "accounts", "--format", "ndjson", "--empty-null"}, ExitUsage, "CSV"},
			"a run that cannot be named":   {[]string{"-", "--pipeline", "accounts", "--run", "a b"}, ExitUsage, "--run"},
			"nothing on standard input":    {[]string{"-", "--pipeline", "accounts"}, ExitUsage, "empty"},
			"no broker at the address":     {[]string{s.write(t, "b.csv", "id,name\nb,b\n"), "--pipeline", "accounts", "--nats", "nats://127.0.0.1:1"}, ExitUnreachable, "nats://127.0.0.1:1"},
			"no ops at the address":        {[]string{"-", "--pipeline", "accounts", "--ops", "http://127.0.0.1:1"}, ExitUnreachable, "http://127.0.0.1:1"},
		} {
			t.Run(name, func(t *testing.T) {
				before := s.sequence(t, "accounts")
				code, out, errOut := invoke(t, "", append([]string{"load", "--json", "--ops", s.OpsHTTP, "--nats", s.NATSURL}, c.args...)...)
				if code != c.code || !strings.Contains(errOut, c.says) {
					t.Errorf("exit code %d, want %d, stderr %s", code, c.code, errOut)
				}
				if out != "" && c.code != ExitUnreachable {
					t.Errorf("stdout %s", out)
				}
				if after := s.sequence(t, "accounts"); after != before {
					t.Errorf("the stream went from %d to %d", before, after)
				}
			})
		}
	})
}

// sequence is the last one of a pipeline's stream.
func (s loads) sequence(t *testing.T, pipeline string) uint64 {
	t.Helper()
	info, err := bus.Info(t.Context(), s.conn, bus.RecordsStream(pipeline))
	if err != nil {
		t.Fatal(err)
	}
	return info.Last
}

// fault makes the simulator answer every row with an error from now on.
func (s loads) fault(t *testing.T, answer string) {
	t.Helper()
	rule, err := json.Marshal(map[string]any{"times": 0, "effect": map[string]any{"kind": "row_error", "error": answer}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.SimControlURL+"/faults", bytes.NewReader(rule))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		t.Fatalf("fault: %s %s", resp.Status, text)
	}
}
