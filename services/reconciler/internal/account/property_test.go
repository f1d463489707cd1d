package account

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

// cases makes the properties of this file run that often, whatever the flag of the library says for the others.
func cases(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(before) })
}

// held is an org that answers logins and gives out result files, without a network.
type held map[string]string

// RoundTrip answers one request.
func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	body, kind := "", "text/csv"
	if r.URL.Path == "/services/oauth2/token" {
		kind = "application/json"
		body = `{"access_token":"t","instance_url":"http://127.0.0.1","token_type":"Bearer","id":"http://127.0.0.1/id/00D000000000001EAA/005000000000001AAA"}`
	} else {
		body = h[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// read reads the files with the product's own client into a reading of the chunk.
func (h held) read(t *rapid.T, c *salesforce.Client, x *Index, rows [][]string) *Reading {
	r := NewReading(x, nil)
	for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed, salesforce.Unprocessed} {
		results, err := c.Results(t.Context(), "750000000000001AAA", kind)
		if err != nil {
			t.Fatal(err)
		}
		f := r.Open(kind, results.Header())
		for {
			row, err := results.NextRaw()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = f.Take(row)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for r.NeedsRows() {
		for i, cells := range rows {
			if err := r.Row(i, cells); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.EndRows(len(rows)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// altered is how an org gives values back.
type altered struct {
	rnd                                       *rand.Rand // decides about values
	mix                                       *rand.Rand // decides about their order and their quotes
	bom, crlf, quotes, order, extra           bool
	blank                                     map[string]int // by file: the column that comes back blank, -1 = none
	lineEnds, blanks, forms, scale, dates, na bool
}

func draw(t *rapid.T) *altered {
	flags := rapid.Uint16().Draw(t, "alterations")
	on := func(bit int) bool { return flags>>bit&1 == 1 }
	return &altered{
		rnd: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), mix: rand.New(rand.NewPCG(uint64(flags), 3)), bom: on(0), crlf: on(1), quotes: on(2), order: on(3), extra: on(4),
		blanks: on(5), forms: on(6), scale: on(7), dates: on(8), na: on(9), lineEnds: on(10), blank: map[string]int{},
	}
}

// value is what comes back for a value that was sent.
func (a *altered) value(v string) string {
	if a.rnd.IntN(2) == 0 {
		return v
	}
	if a.lineEnds {
		v = strings.ReplaceAll(v, "\r\n", "\n")
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil && a.dates {
		return at.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if _, err := time.Parse(time.DateOnly, v); err == nil && a.dates {
		return v + "T00:00:00.000Z"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil && a.scale {
		if strings.Contains(v, ".") {
			return strings.TrimRight(strings.TrimRight(v, "0"), ".")
		}
		return v + ".00"
	}
	if v == nullValue && a.na {
		return ""
	}
	if a.blanks {
		v = strings.TrimSpace(v)
	}
	if a.forms {
		v = norm.NFC.String(v)
	}
	return v
}

// file writes a result file: own columns, then ours, each row a slice of cells in this order.
func (a *altered) file(name string, own, header []string, rows [][]string) string {
	changed := make([][]string, len(rows))
	for i, row := range rows {
		changed[i] = slices.Clone(row)
		for at := len(own); at < len(row); at++ {
			changed[i][at] = a.value(row[at])
			if column, blank := a.blank[name]; blank && at-len(own) == column {
				changed[i][at] = ""
			}
		}
	}
	header = append(slices.Clone(own), header...)
	if a.extra {
		header = append(header, "Extra")
	}
	at := make([]int, len(header))
	for i := range at {
		at[i] = i
	}
	if a.order {
		a.mix.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
	}
	a.mix.Shuffle(len(changed), func(i, j int) { changed[i], changed[j] = changed[j], changed[i] })
	var out strings.Builder
	if a.bom {
		out.WriteString("\ufeff")
	}
	line := func(cells []string) {
		for i, from := range at {
			if i > 0 {
				out.WriteByte(',')
			}
			cell := "more"
			if from < len(cells) {
				cell = cells[from]
			}
			if a.quotes && a.mix.IntN(2) == 0 || strings.ContainsAny(cell, ",\"\r\n") {
				cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
			out.WriteString(cell)
		}
		if a.crlf {
			out.WriteByte('\r')
		}
		out.WriteByte('\n')
	}
	line(header)
	for _, row := range changed {
		line(row)
	}
	return out.String()
}

// files writes the three result files for rows with fates: l, f, u, or m for none.
func (a *altered) files(header []string, rows [][]string, fates []byte, operation string) held {
	byFate := map[byte][][]string{}
	for i, cells := range rows {
		own := map[byte][]string{'l': {id18(i), "true"}, 'f': {"", "UNABLE_TO_LOCK_ROW:x:--"}}[fates[i]]
		if operation == pipeline.OperationUpdate || pipeline.Deletes(operation) {
			own = map[byte][]string{'l': {cells[0], "false"}, 'f': {cells[0], "UNABLE_TO_LOCK_ROW:x:--"}}[fates[i]]
		}
		byFate[fates[i]] = append(byFate[fates[i]], append(slices.Clone(own), cells...))
	}
	return held{
		"successfulResults":  a.file("successfulResults", []string{"sf__Id", "sf__Created"}, header, byFate['l']),
		"failedResults":      a.file("failedResults", []string{"sf__Id", "sf__Error"}, header, byFate['f']),
		"unprocessedrecords": a.file("unprocessedrecords", nil, header, byFate['u']),
	}
}

func client(t *testing.T, h *held) *salesforce.Client {
	t.Helper()
	c, err := salesforce.New(salesforce.Config{
		LoginURL: "http://127.0.0.1", AllowInsecureLoopback: true, ClientID: "id", ClientSecret: func() (string, error) { return "s", nil },
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return h.RoundTrip(r) })},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMatchingByKeySurvivesWhatSalesforceDoes(t *testing.T) {
	cases(t, 10_000)
	var now held
	c := client(t, &now)
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t)
		operation := rapid.SampledFrom(pipeline.Operations()).Draw(t, "operation")
		byID := operation == pipeline.OperationUpdate || pipeline.Deletes(operation)
		header, chunk := []string{"Ext__c", "Name", "Note"}, Chunk{Operation: operation, Object: "Account", Space: "main/Account/Ext__c", KeyField: "Ext__c"}
		if byID {
			header[0], chunk.Space, chunk.KeyField = "Id", "main/Account/Id:exact", "Id"
		}
		chunk.Rows, chunk.Header = rapid.IntRange(1, 20).Draw(t, "rows"), header
		rows, fates := make([][]string, chunk.Rows), make([]byte, chunk.Rows)
		for i := range rows {
			key := fmt.Sprintf(" Kéy-%d", i)
			if byID {
				key = id18(i)
			}
			rows[i] = []string{key, "N" + strconv.Itoa(a.rnd.IntN(3)), "a,\"b\"\r\nc"}
			fates[i] = "lfum"[a.rnd.IntN(4)]
		}
		x, err := NewIndex(chunk)
		if err != nil {
			t.Fatal(err)
		}
		for i, cells := range rows {
			if err := x.Add(i, []byte(cells[0])); err != nil {
				t.Fatal(err)
			}
		}
		now = a.files(header, rows, fates, operation)
		first := now.read(t, c, x, rows)
		if s := first.Summary(); s.Contradiction != "" || s.Unclear != 0 {
			t.Fatalf("%+v", s)
		}
		o := first.Finish(Job{State: salesforce.StateJobComplete})
		if string(o.States) != string(fates) {
			t.Fatalf("%s, want %s", o.States, fates)
		}
		for i, fate := range fates {
			want := ""
			if fate == 'l' {
				want = id18(i)
			}
			if o.ID(i) != want {
				t.Fatalf("row %d became %q, want %q", i, o.ID(i), want)
			}
		}
	})
}

// template is a content that a test sends some copies of.
func template(a *altered, name string) []string {
	return []string{
		name,
		[]string{"1.50", "100", "-0.10", "#N/A", "", "7"}[a.rnd.IntN(6)],
		[]string{"2026-03-01", "", "1999-12-31"}[a.rnd.IntN(3)],
		[]string{"2026-03-01T10:00:00+02:00", "", "2026-03-01T08:00:00Z"}[a.rnd.IntN(3)],
		[]string{" a,\"b\"\r\nc ", "cafe\u0301 ", "", "x"}[a.rnd.IntN(4)],
	}
}

func TestMatchingByContentSurvivesWhatSalesforceDoes(t *testing.T) {
	cases(t, 10_000)
	var now held
	c := client(t, &now)
	header := []string{"Name", "Amount", "Close", "At", "Note"}
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t)
		var rows [][]string
		var fates []byte
		kinds := rapid.IntRange(1, 5).Draw(t, "contents")
		for k := range kinds {
			content := template(a, "N"+strconv.Itoa(k))
			copies := 1 + a.rnd.IntN(3)
			if rapid.IntRange(0, 9).Draw(t, "many") == 0 {
				copies = 1 + a.rnd.IntN(50)
			}
			for range copies {
				rows = append(rows, content)
				fates = append(fates, "lfum"[a.rnd.IntN(4)])
			}
		}
		if rapid.Bool().Draw(t, "a column in the wrong case") {
			a.blank["failedResults"] = 1 + a.rnd.IntN(len(header)-1)
		}
		a.rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j], fates[i], fates[j] = rows[j], rows[i], fates[j], fates[i] })
		chunk := Chunk{Rows: len(rows), Operation: pipeline.OperationInsert, Object: "Account", Space: "main/Account/content-p:exact", Header: header}
		x, err := NewIndex(chunk)
		if err != nil {
			t.Fatal(err)
		}
		seed := a.rnd.Uint64()
		read := func() (*Outcome, Read) {
			a.rnd = rand.New(rand.NewPCG(seed, 2)) // the same alterations, in another order
			now = a.files(header, rows, fates, pipeline.OperationInsert)
			r := now.read(t, c, x, rows)
			return r.Finish(Job{State: salesforce.StateJobComplete}), r.Summary()
		}
		o, s := read()
		if s.Contradiction != "" || s.Unclear != 0 {
			t.Fatalf("%+v", s)
		}
		// The law: of each content as many rows have an outcome as the files say, and the ids are those of its copies.
		got, want := map[string]string{}, map[string]string{}
		for i, cells := range rows {
			got[cells[0]] += string(o.States[i])
			want[cells[0]] += string(fates[i])
		}
		for name := range want {
			if sorted(got[name]) != sorted(want[name]) {
				t.Fatalf("%s: %s, want %s", name, sorted(got[name]), sorted(want[name]))
			}
		}
		for i, cells := range rows {
			if o.States[i] != 'l' {
				continue
			}
			n := slices.IndexFunc(rows, func([]string) bool { return false })
			for j := range rows {
				if fates[j] == 'l' && id18(j) == o.ID(i) {
					n = j
				}
			}
			if n < 0 || rows[n][0] != cells[0] {
				t.Fatalf("row %d of content %s got the id %q", i, cells[0], o.ID(i))
			}
		}
		again, s2 := read()
		if string(again.States) != string(o.States) || string(again.IDs) != string(o.IDs) || s2.Digest != s.Digest {
			t.Fatal("the same files give another outcome")
		}
	})
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func TestContentThatIsNotToldApartIsNeverGuessed(t *testing.T) {
	cases(t, 2_000)
	var now held
	c := client(t, &now)
	header := []string{"Name", "Phone"}
	rapid.Check(t, func(t *rapid.T) {
		a := &altered{rnd: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), mix: rand.New(rand.NewPCG(1, 1)), blank: map[string]int{"successfulResults": 1, "failedResults": 1, "unprocessedrecords": 1}}
		var rows [][]string
		var fates []byte
		for i := range rapid.IntRange(2, 6).Draw(t, "rows") {
			rows = append(rows, []string{"Same", strconv.Itoa(i)})
			fates = append(fates, "lfum"[a.rnd.IntN(4)])
		}
		x, err := NewIndex(Chunk{Rows: len(rows), Operation: pipeline.OperationInsert, Object: "Account", Header: header})
		if err != nil {
			t.Fatal(err)
		}
		now = a.files(header, rows, fates, pipeline.OperationInsert)
		o := now.read(t, c, x, rows).Finish(Job{State: salesforce.StateJobComplete})
		alike := strings.Count(string(fates), string(fates[:1])) == len(fates)
		for i, state := range o.States {
			// Rows differ in a column that no file shows: what is said of one may be meant for another, unless the same is said of all.
			if state != 'm' && (!alike || fates[i] != state || state == 'l') {
				t.Fatalf("row %d is %c of %s, from %s", i, state, o.States, fates)
			}
		}
		if o.Missing > 0 && o.Doubt == "" {
			t.Fatal("nothing is said of rows that are in doubt")
		}
	})
}
