package conformance

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

var insertContact = spec{"object": "Contact", "operation": "insert"}

// asked is a request for a result file as another API version.
func (o *org) asked(version, id, name string) string {
	o.t.Helper()
	return o.want(o.call("GET", "/services/data/"+version+"/jobs/ingest/"+id+"/"+name, ""), http.StatusOK).body
}

// is fails the test unless a file is as it should be, byte for byte.
func (o *org) is(name, got, want string) {
	o.t.Helper()
	if got != want {
		o.t.Errorf("%s: got %q\nwant %q", name, got, want)
	}
}

func TestResultFiles(t *testing.T) {
	t.Run("are written byte for byte as recorded", func(t *testing.T) {
		o := theOrg(t)
		const header = "LastName,Conf_Level__c,Conf_Key__c,Birthdate"
		bad, good := o.key("recorded1"), o.key("recorded2")
		id, info := o.process(insertContact, header+"\nNoemi Miller,low,"+bad+",2003-04-xx\n\"Ada \"\"L\"\"\",,"+good+",2003-04-05\n")
		o.ends(info, "JobComplete", 2, 1)
		o.is(failed, o.file(id, failed), `"sf__Id","sf__Error",`+header+"\n"+
			`"","INVALID_FIELD:Failed to deserialize field at col 3. Due to, '2003-04-xx' is not a valid value for the type xsd:date:Birthdate --",`+
			`"Noemi Miller","low","`+bad+`","2003-04-xx"`+"\n")
		record := o.rows(id, successful)[0]["sf__Id"]
		o.is(successful, o.file(id, successful), `"sf__Id","sf__Created",`+header+"\n"+
			`"`+record+`","true","Ada ""L""","","`+good+`","2003-04-05"`+"\n")
		o.is(unprocessed, o.file(id, unprocessed), header+"\n")
	})
	t.Run("repeat the header as it was uploaded, in quotes where it had some", func(t *testing.T) {
		o := theOrg(t)
		for i, header := range []string{`"Phone","Conf_Key__c","Name"`, `Phone,"Conf_Key__c",Name`, `Name,Phone,Conf_Key__c`} {
			columns := strings.Split(strings.ReplaceAll(header, `"`, ""), ",")
			row := make([]string, 3)
			for c, name := range columns {
				row[c] = map[string]string{"Phone": "1", "Name": "N", "Conf_Key__c": o.key(fmt.Sprint("echo", i))}[name]
			}
			id, info := o.process(insertAccount, header+"\n"+strings.Join(row, ",")+"\n")
			o.ends(info, "JobComplete", 1, 0)
			got, _, _ := strings.Cut(o.file(id, successful), "\n")
			o.is(successful, got, `"sf__Id","sf__Created",`+header)
			o.is(failed, o.file(id, failed), `"sf__Id","sf__Error",`+header+"\n")
			o.is(unprocessed, o.file(id, unprocessed), header+"\n")
		}
	})
	t.Run("have every value in quotes, empty ones too", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name,Phone", `every,"a ""b"", c",`))
		_, row, _ := strings.Cut(o.file(id, successful), "\n")
		o.is(successful, row[20:], `,"true","`+o.key("every")+`","a ""b"", c",""`+"\n")
	})
	t.Run("say true of created rows and false of all others", func(t *testing.T) {
		o := theOrg(t)
		created := func(s spec, content string) string {
			id, info := o.process(s, content)
			o.ends(info, "JobComplete", 1, 0)
			return o.rows(id, successful)[0]["sf__Created"]
		}
		content := o.csv("Conf_Key__c,Name", "created,A")
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name", "created2,A"))
		record := o.rows(id, successful)[0]["sf__Id"]
		got := []string{
			o.rows(id, successful)[0]["sf__Created"], created(upsertAccount, content), created(upsertAccount, content),
			created(insertAccount.with("operation", "update"), "Id,Name\n"+record+",B\n"),
			created(insertAccount.with("operation", "delete"), "Id\n"+record+"\n"),
		}
		if want := []string{"true", "true", "false", "false", "false"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("leave sf__Id of rows that were not inserted empty", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertContact, o.csv("Conf_Key__c,LastName,Birthdate", "noid,A,yesterday"))
		o.ends(info, "JobComplete", 1, 1)
		if got := o.rows(id, failed)[0]["sf__Id"]; got != "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("name the record of a failed update from version 53.0 on", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertContact, o.csv("Conf_Key__c,LastName", "version,A"))
		record := o.rows(id, successful)[0]["sf__Id"]
		id, info := o.process(insertContact.with("operation", "update"), "Id,Birthdate\n"+record+",yesterday\n")
		o.ends(info, "JobComplete", 1, 1)
		for version, want := range map[string]string{"v52.0": "", "v53.0": record} {
			if got := table(t, o.asked(version, id, failed), ',')[0]["sf__Id"]; got != want {
				t.Errorf("%s: got %q, want %q", version, got, want)
			}
		}
	})
	t.Run("give rows that were never tried back as they were uploaded, without columns of Salesforce", func(t *testing.T) {
		o := theOrg(t)
		content := "no_such_field,\"Name\",Phone\n1,\"in quotes\",\n2,without,\"\"\n3,\"a \"\"b\"\"\n, c\",5\n"
		id, info := o.process(insertAccount, content)
		o.ends(info, "Failed", 0, 0)
		got := o.file(id, unprocessed)
		if len(got) != len(content) || !strings.HasPrefix(got, "no_such_field,\"Name\",Phone\n") {
			t.Errorf("got %q", got)
		}
		for _, row := range []string{"1,\"in quotes\",\n", "2,without,\"\"\n", "3,\"a \"\"b\"\"\n, c\",5\n"} {
			if !strings.Contains(got, row) {
				t.Errorf("%q is not in %q", row, got)
			}
		}
		for name, second := range map[string]string{successful: "sf__Created", failed: "sf__Error"} {
			o.is(name, o.file(id, name), `"sf__Id","`+second+`",no_such_field,"Name",Phone`+"\n")
		}
	})
	t.Run("are a header alone when they have no rows", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name", "alone,A"))
		o.is(failed, o.file(id, failed), "\"sf__Id\",\"sf__Error\",Conf_Key__c,Name\n")
		o.is(unprocessed, o.file(id, unprocessed), "Conf_Key__c,Name\n")
	})
	t.Run("are UTF-8 text/csv without a byte order mark, and say so", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name", "charset,Zoë"))
		a := o.want(o.call("GET", ingest+"/"+id+"/"+successful, ""), http.StatusOK)
		if got := a.header.Get("Content-Type"); !strings.EqualFold(strings.ReplaceAll(got, " ", ""), "text/csv;charset=UTF-8") {
			t.Errorf("got %q", got)
		}
		if !strings.HasPrefix(a.body, `"sf__Id"`) || !strings.Contains(a.body, `"Zoë"`) {
			t.Errorf("got %q", a.body)
		}
	})
	t.Run("come whole, in one piece, whatever parameters ask", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.numbered("whole", 30))
		a := o.want(o.call("GET", ingest+"/"+id+"/"+successful+"?maxRecords=2&locator=MTA", ""), http.StatusOK)
		if got := table(t, a.body, ','); len(got) != 30 || a.header.Get("Sforce-Locator") != "" {
			t.Errorf("%d rows, %v", len(got), a.header)
		}
	})
	t.Run("come compressed when the caller asks", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.numbered("gzip", 30))
		a := o.want(o.call("GET", ingest+"/"+id+"/"+successful, "", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }), http.StatusOK)
		if a.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("got %v", a.header)
		}
		z, err := gzip.NewReader(bytes.NewReader([]byte(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || len(table(t, string(got), ',')) != 30 {
			t.Errorf("%v: %q", err, got)
		}
	})
	t.Run("have rows in an order of their own", func(t *testing.T) {
		o := aSim(t)
		id, _ := o.process(insertAccount, o.numbered("order", 300))
		var got, want []string
		for _, row := range o.rows(id, successful) {
			got = append(got, row["Conf_Key__c"])
		}
		for i := range 300 {
			want = append(want, o.key(fmt.Sprint("order", i)))
		}
		if slices.Equal(got, want) {
			t.Error("the rows stand as they were uploaded")
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("got %d other rows", len(got))
		}
	})
	t.Run("may have line breaks inside the text of an error", func(t *testing.T) {
		o := aSim(t)
		const text = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Guard: execution of BeforeInsert\n\ncaused by: \"boom\"\r\nTrigger.Guard: line 1, column 1:--"
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.RowError, Error: text}})
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name", "trace1,A", "trace2,B"))
		var got []string
		for _, row := range table(t, strings.ReplaceAll(o.file(id, failed), "\r\n", "<CRLF>"), ',') {
			got = append(got, strings.ReplaceAll(row["sf__Error"], "<CRLF>", "\r\n"))
		}
		if !slices.Equal(got, []string{text}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("may be distorted by a fault: rows left out, doubled, rewritten, foreign", func(t *testing.T) {
		o := aSim(t)
		rule := func(kind string, columns map[string]string, keys ...string) {
			e := simtest.Effect{Columns: columns}
			switch kind {
			case "lose":
				e.Kind = simtest.LoseRows
			case "double":
				e.Kind = simtest.DoubleRows
			case "rewrite":
				e.Kind = simtest.RewriteRows
			default:
				e.Kind = simtest.ForeignRows
			}
			f := simtest.Fault{Effect: e}
			if keys != nil {
				f.Where = &simtest.Where{Keys: keys}
			}
			o.sim.AddFault(f)
		}
		rule("lose", nil, o.key("lost"))
		rule("double", nil, o.key("doubled"))
		rule("rewrite", map[string]string{"Conf_Key__c": `other "key"`, "sf__Id": "001000000000000AAA", "no such column": "x"}, o.key("rewritten"))
		rule("rewrite", map[string]string{"sf__Error": "ODD:", "Name": "x"}, o.key("refused"))
		rule("foreign", map[string]string{"Name": "Nobody's"})
		id, info := o.process(upsertAccount, o.csv("Conf_Key__c,Name,Industry", "lost,A,", "doubled,B,", "rewritten,C,", "refused,#N/A,", "plain,D,"))
		o.ends(info, "JobComplete", 5, 1)
		names := map[string]int{}
		for _, row := range o.rows(id, successful) {
			names[row["Name"]]++
			switch row["Name"] {
			case "C":
				if row["Conf_Key__c"] != `other "key"` || row["sf__Id"] != "001000000000000AAA" || row["sf__Created"] != "true" {
					t.Errorf("got %q", row)
				}
			case "Nobody's":
				if !strings.HasPrefix(row["Conf_Key__c"], "foreign-") || len(row["sf__Id"]) != 18 {
					t.Errorf("got %q", row)
				}
			}
		}
		if want := (map[string]int{"B": 2, "C": 1, "D": 1, "Nobody's": 1}); fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", names, want)
		}
		if bad := o.rows(id, failed); len(bad) != 1 || bad[0]["sf__Error"] != "ODD:" || bad[0]["Name"] != "x" {
			t.Errorf("got %q", bad)
		}
	})
}

// awaitProcessed waits until a job shows so many rows as processed.
func (o *org) awaitProcessed(id string, rows float64) {
	o.t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for o.info(id)["numberRecordsProcessed"] != rows {
		select {
		case <-look.C:
		case <-late:
			o.t.Fatalf("got %v, want %v rows processed", o.info(id), rows)
		}
	}
}

func TestOpenQuestionsOfResultFiles(t *testing.T) {
	t.Run("the delimiter of result files is what the switch says", func(t *testing.T) {
		o := aSim(t)
		job := insertAccount.with("columnDelimiter", "TAB")
		good := "Conf_Key__c\t\"Name\"\tPhone\nx-1\ta, b\t\n"
		bad := "no_such_field\t\"Name\"\nx-2\ta, b\n"
		for _, tc := range []struct {
			position             switches.Position
			landed, refused, raw string
			delimiter            rune
		}{
			{switches.JobDelimiter, "\"true\"\t\"x-1\"\t\"a, b\"\t\"\"\n", "\"sf__Id\"\t\"sf__Error\"\tConf_Key__c\t\"Name\"\tPhone\n", bad, '\t'},
			{switches.Comma, "\"true\",\"x-1\",\"a, b\",\"\"\n", "\"sf__Id\",\"sf__Error\",Conf_Key__c,\"Name\",Phone\n", "no_such_field,\"Name\"\nx-2,\"a, b\"\n", ','},
		} {
			o.sim.Move(switches.ResultDelimiter, tc.position)
			o.sim.Reset()
			o.signIn()
			o.sim.Move(switches.ResultDelimiter, tc.position)
			id, info := o.process(job, good)
			o.ends(info, "JobComplete", 1, 0)
			if _, row, _ := strings.Cut(o.file(id, successful), "\n"); len(row) < 21 || row[21:] != tc.landed {
				t.Errorf("%s: got %q, want %q at the end", tc.position, row, tc.landed)
			}
			if row := table(t, o.file(id, successful), tc.delimiter)[0]; row["Name"] != "a, b" {
				t.Errorf("got %q", row)
			}
			o.is(failed, o.file(id, failed), tc.refused)
			id, _ = o.process(job, bad)
			o.is(unprocessed, o.file(id, unprocessed), tc.raw)
		}
	})
	t.Run("the line ends of result files are what the switch says", func(t *testing.T) {
		for position, ending := range map[switches.Position]string{switches.LF: "\n", switches.JobLineEnding: "\r\n"} {
			o := aSim(t)
			o.sim.Move(switches.ResultLineEnding, position)
			id, info := o.process(insertText.with("lineEnding", "CRLF"), "Conf_Key__c,Conf_A__c\r\nx-1,\"a\r\nb\"\r\n")
			o.ends(info, "JobComplete", 1, 0)
			lines := strings.SplitN(o.file(id, successful), "\n", 2)
			o.is(successful, lines[0]+"\n", `"sf__Id","sf__Created",Conf_Key__c,Conf_A__c`+ending)
			o.is(successful, lines[1][20:], ",\"true\",\"x-1\",\"a\r\nb\""+ending)
			o.is(failed, o.file(id, failed), `"sf__Id","sf__Error",Conf_Key__c,Conf_A__c`+ending)
			id, _ = o.process(insertText.with("lineEnding", "CRLF"), "no_such_field\r\na\r\n")
			o.is(unprocessed, o.file(id, unprocessed), "no_such_field"+ending+"a"+ending)
		}
	})
	t.Run("result files of an unfinished job are what the switch says", func(t *testing.T) {
		o := aSim(t)
		rows := 250
		o.sim.Set(map[string]any{"transaction_rows": 100, "batch_rows": 100})
		o.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobStall, Rows: &rows}})
		id := o.create(insertAccount)
		files := map[string]string{
			successful: "\"sf__Id\",\"sf__Created\",Conf_Key__c,Name\n", failed: "\"sf__Id\",\"sf__Error\",Conf_Key__c,Name\n", unprocessed: "Conf_Key__c,Name\n",
		}
		refusedAll := func(state string) {
			for name := range files {
				if message := o.refused(o.call("GET", ingest+"/"+id+"/"+name, ""), http.StatusBadRequest, "INVALIDJOBSTATE"); !strings.Contains(message, state) {
					t.Errorf("got %q", message)
				}
			}
		}
		refusedAll("Open")
		o.upload(id, strings.Replace(o.numbered("unfinished", 400), ",N\n", ",#N/A\n", 1))
		o.want(o.patch(id, "UploadComplete"), http.StatusOK)
		o.awaitProcessed(id, 250)
		refusedAll("InProgress")
		o.sim.Move(switches.UnfinishedResults, switches.ResultsHeaderOnly)
		for name, header := range files {
			o.is(name, o.file(id, name), header)
		}
		o.sim.Move(switches.UnfinishedResults, switches.ResultsPartial)
		if good, bad := o.rows(id, successful), o.rows(id, failed); len(good) != 249 || len(bad) != 1 {
			t.Errorf("%d good rows, %d bad ones", len(good), len(bad))
		}
		o.is(unprocessed, o.file(id, unprocessed), files[unprocessed])
		o.want(o.patch(id, "Aborted"), http.StatusOK)
		if rest := o.rows(id, unprocessed); len(rest) != 150 {
			t.Errorf("%d rows are left", len(rest))
		}
	})
}
