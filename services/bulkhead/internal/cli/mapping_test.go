package cli

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const mappingDefinition = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: last_name, to: LastName, type: string}
  - {from: id, to: External_Id__c, type: string, required: true}
  - {const: "Web", to: LeadSource}
`

func TestMappingTest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	definition := write("contacts.yaml", mappingDefinition)
	run := func(stdin string, args ...string) (int, string, string) {
		t.Helper()
		code, out, errOut := invoke(t, stdin, append([]string{"mapping", "test"}, args...)...)
		return code, out, strings.ReplaceAll(errOut, dir, "DIR")
	}
	t.Run("prints the CSV as it would be uploaded", func(t *testing.T) {
		code, out, errOut := run("\xef\xbb\xbf"+`{"id":"C-1","last_name":"Alder, Ada"}`+"\r\n\n"+`{"id":"C-2","last_name":null}`, definition, "-")
		want := "External_Id__c,LastName,LeadSource\nC-1,\"Alder, Ada\",Web\nC-2,#N/A,Web\n"
		if code != ExitDone || out != want || errOut != "2 rows, 0 refused\n" {
			t.Errorf("exit %d\n%s\n%s", code, out, errOut)
		}
	})
	bad := write("bad.ndjson", `{"id":"C-1"}`+"\n"+`{"id":`+"\n\n"+`{"id":"C-3","colour":"red"}`+"\n"+`{"id":"`+strings.Repeat("x", 1<<20)+`"}`+"\n"+`{"last_name":"Alder"}`+"\n"+`{"id":"C-7"}`)
	t.Run("names what would be refused with its line and exits 3", func(t *testing.T) {
		code, out, errOut := run("", definition, bad)
		if code != ExitPartly || out != "External_Id__c,LastName,LeadSource\nC-1,,Web\nC-7,,Web\n" {
			t.Errorf("exit %d\n%s", code, out)
		}
		for _, want := range []string{"DIR/bad.ndjson:2: NOT_JSON: ", "DIR/bad.ndjson:4: UNKNOWN_MEMBER: ", "DIR/bad.ndjson:5: TOO_LARGE: ", "DIR/bad.ndjson:6: MISSING_EXTERNAL_ID: ", "2 rows, 4 refused"} {
			if !strings.Contains(errOut, want) {
				t.Errorf("stderr lacks %q:\n%s", want, errOut)
			}
		}
	})
	t.Run("as JSON is one object without CSV", func(t *testing.T) {
		code, out, _ := run("", definition, bad, "--json")
		if code != ExitPartly || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, `{"header":["External_Id__c","LastName","LeadSource"],"rows":2,"refused":4,"refusals":[{"line":2,"code":"NOT_JSON"`) {
			t.Errorf("exit %d\n%s", code, out)
		}
	})
	t.Run("says that rows are looked up when their column becomes Id", func(t *testing.T) {
		update := write("update.yaml", strings.Replace(mappingDefinition, "upsert", "update", 1))
		if _, _, errOut := run(`{"id":"C-1"}`, update, "-"); !strings.Contains(errOut, "External_Id__c becomes Id") {
			t.Error(errOut)
		}
	})
	t.Run("exits 2 when the definition or the file cannot be read", func(t *testing.T) {
		wrong := write("wrong.yaml", mappingDefinition+"colour: red\n")
		for _, args := range [][]string{{wrong, "-"}, {definition, filepath.Join(dir, "nothing")}, {filepath.Join(dir, "nothing"), "-"}, {"-", "-"}, {definition, dir}} {
			if code, _, errOut := run("", args...); code != ExitUsage || errOut == "" {
				t.Errorf("%v: exit %d, %q", args, code, errOut)
			}
		}
	})
	t.Run("exits 4 when there is no record", func(t *testing.T) {
		if code, _, _ := run("\n\n", definition, "-"); code != ExitNothing {
			t.Errorf("exit %d", code)
		}
	})
}

func TestLineReader(t *testing.T) {
	t.Run("cuts lines of any length within its bound and reads over longer ones", func(t *testing.T) {
		const most = 40
		text := "short\r\n\n" + strings.Repeat("a", most) + "\r\n" + strings.Repeat("b", most+1) + "\n" + strings.Repeat("c", 500) + "\nlast"
		l := &lineReader{r: bufio.NewReaderSize(strings.NewReader(text), 16), most: most}
		var got []string
		for {
			line, tooLong, err := l.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if tooLong {
				got = append(got, "too long")
				continue
			}
			got = append(got, string(line))
		}
		want := "short||" + strings.Repeat("a", most) + "|too long|too long|last"
		if strings.Join(got, "|") != want {
			t.Errorf("%q", got)
		}
	})
}

func TestPointInTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-22T03:00:00Z": "2026-11-22T03:00:00Z", "2026-11-22T03:00:00+02:00": "2026-11-22T01:00:00Z",
		"90m": "2026-11-22T10:30:00Z", "24h": "2026-11-21T12:00:00Z", "7d": "2026-11-15T12:00:00Z",
		"yesterday": "", "": "", "d": "", "-1h": "", "0s": "", "5": "", "2026-11-22": "", "2026-11-23T00:00:00Z": "",
	} {
		t.Run(text+" is a time or is refused", func(t *testing.T) {
			at, err := pointInTime(text, now)
			if want == "" && err == nil || want != "" && (err != nil || at.UTC().Format(time.RFC3339) != want) {
				t.Errorf("%s, %v", at, err)
			}
		})
	}
}
