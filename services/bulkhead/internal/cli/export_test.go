package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	landedCSV = "pipeline,key,salesforce_id\ncontacts,evt-1,003000000000001AAA\ncontacts,\"evt\n\"\"2\"\"\",003000000000002AAA\n"
	failedND  = `{"key":"evt-3","state":"dead","message":"a \"quote\""}` + "\n"
)

// fakeExports answers as ops does; announced is the number of records that it promises.
func fakeExports(t *testing.T, announced int, body string) (address string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.String())
		switch {
		case r.URL.Query().Get("pipeline") == "nope":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"code":5,"message":"pipeline \"nope\" is not defined"}`)
		case r.URL.Query().Get("run") == "broken":
			w.Header().Set("Bulkhead-Records", "2")
			fmt.Fprint(w, body)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Bulkhead-Records", fmt.Sprint(announced))
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked
}

func TestExport(t *testing.T) {
	for name, c := range map[string]struct {
		args      []string
		announced int
		body      string
		want      int
		asked     string
	}{
		"export-landed":           {[]string{"landed", "--pipeline", "contacts"}, 2, landedCSV, ExitDone, "/v1/exports/landed?format=csv&pipeline=contacts"},
		"export-failed":           {[]string{"failed", "--pipeline", "contacts", "--run", "r", "--format", "ndjson"}, 1, failedND, ExitDone, "/v1/exports/failed?format=ndjson&pipeline=contacts&run=r"},
		"export-nothing":          {[]string{"landed", "--pipeline", "contacts"}, 0, "pipeline,key\n", ExitNothing, ""},
		"export-unknown-pipeline": {[]string{"landed", "--pipeline", "nope"}, 0, "", ExitNothing, ""},
		"export-no-pipeline":      {[]string{"failed"}, 0, "", ExitUsage, ""},
		"export-bad-format":       {[]string{"failed", "--pipeline", "contacts", "--format", "xlsx"}, 0, "", ExitUsage, ""},
		"export-too-few":          {[]string{"failed", "--pipeline", "contacts", "--format", "ndjson"}, 2, failedND, ExitFailed, ""},
		"export-broken":           {[]string{"failed", "--pipeline", "contacts", "--format", "ndjson", "--run", "broken"}, 2, failedND, ExitFailed, ""},
	} {
		t.Run(name+" prints and exits as written", func(t *testing.T) {
			ops, asked := fakeExports(t, c.announced, c.body)
			code, out, errOut := invoke(t, "", append([]string{"--ops", ops, "export"}, c.args...)...)
			if code != c.want || c.asked != "" && (len(*asked) != 1 || (*asked)[0] != c.asked) {
				t.Errorf("exit %d, want %d; asked %q", code, c.want, *asked)
			}
			golden(t, "commands/"+name+".text.txt", "exit "+itoa(code)+"\n--- stdout\n"+out+"--- stderr\n"+strings.ReplaceAll(errOut, ops, "http://ops"))
		})
	}
	t.Run("a file is complete or is not there, and belongs to whoever asked", func(t *testing.T) {
		ops, _ := fakeExports(t, 2, landedCSV)
		dir := t.TempDir()
		file := filepath.Join(dir, "landed.csv")
		code, out, errOut := invoke(t, "", "--ops", ops, "export", "landed", "--pipeline", "contacts", "--output", file)
		if code != ExitDone || !strings.HasPrefix(out, "2 landed records of contacts written to ") || errOut != "" {
			t.Errorf("exit %d, %q, %q", code, out, errOut)
		}
		text, err := os.ReadFile(file)
		if err != nil || string(text) != landedCSV {
			t.Errorf("%q %v", text, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		if code, _, _ := invoke(t, "", "--ops", ops, "export", "landed", "--pipeline", "contacts", "--run", "broken", "--output", file); code != ExitFailed {
			t.Errorf("exit %d", code)
		}
		if again, err := os.ReadFile(file); err != nil || string(again) != landedCSV {
			t.Errorf("a broken export replaced a whole one: %q %v", again, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	t.Run("--json tells what was written, and needs a file", func(t *testing.T) {
		ops, _ := fakeExports(t, 1, failedND)
		file := filepath.Join(t.TempDir(), "failed.ndjson")
		code, out, _ := invoke(t, "", "--ops", ops, "export", "failed", "--pipeline", "contacts", "--format", "ndjson", "--json", "-o", file)
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != ExitDone {
			t.Fatalf("exit %d, %q: %v", code, out, err)
		}
		if got["records"] != 1.0 || got["bytes"] != float64(len(failedND)) || got["output"] != file || got["kind"] != "failed" {
			t.Errorf("%v", got)
		}
		code, out, errOut := invoke(t, "", "--ops", ops, "export", "failed", "--pipeline", "contacts", "--json")
		if code != ExitUsage || out != "" || !strings.Contains(errOut, "--output") {
			t.Errorf("exit %d, %q, %q", code, out, errOut)
		}
	})
	t.Run("a directory that is not there exits 2, an address where nothing listens 6", func(t *testing.T) {
		ops, _ := fakeExports(t, 1, failedND)
		if code, _, _ := invoke(t, "", "--ops", ops, "export", "failed", "--pipeline", "c", "-o", filepath.Join(t.TempDir(), "no", "f.csv")); code != ExitUsage {
			t.Errorf("exit %d", code)
		}
		code, _, errOut := invoke(t, "", "--ops", "http://127.0.0.1:1", "export", "failed", "--pipeline", "c")
		if code != ExitUnreachable || !strings.Contains(errOut, "http://127.0.0.1:1") {
			t.Errorf("exit %d, %q", code, errOut)
		}
	})
	t.Run("on a terminal nothing that a record says takes hold of it, however it is cut", func(t *testing.T) {
		var out strings.Builder
		w := &terminalWriter{to: &out}
		for _, b := range []byte("a\x1b[31mb\né\u202eo") {
			if _, err := w.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.flush(); err != nil || out.String() != `a\x1b[31mb`+"\n"+`é\u202eo` {
			t.Errorf("%q %v", out.String(), err)
		}
	})
}
