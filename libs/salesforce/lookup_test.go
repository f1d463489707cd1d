package salesforce

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const describedContact = `{"name":"Contact","fields":[{"name":"Id","type":"id"},{"name":"Code__c","type":"string"},{"name":"Number__c","type":"double"},
	{"name":"Born__c","type":"date"},{"name":"Seen__c","type":"datetime"},{"name":"Mail__c","type":"email"},{"name":"Main__c","type":"boolean"}]}`

// asked is the query of a request; false if it is none.
func asked(r *http.Request) (string, bool) {
	return r.URL.Query().Get("q"), r.URL.Path == base+"/query"
}

// lookupOrg describes Contact and answers each query by a function.
func lookupOrg(t *testing.T, answer func(soql string, w http.ResponseWriter)) *scriptedOrg {
	t.Helper()
	return newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if soql, ok := asked(r); ok {
			answer(soql, w)
			return
		}
		_, _ = io.WriteString(w, describedContact)
	})
}

func queries(o *scriptedOrg) []string {
	var out []string
	for _, c := range o.calls() {
		if u, err := url.Parse(c.uri); err == nil && u.Path == base+"/query" {
			out = append(out, u.Query().Get("q"))
		}
	}
	return out
}

const noRows = `{"totalSize":0,"done":true,"records":[]}`

func TestLookup(t *testing.T) {
	t.Run("rows come with their id, their own spelling of the value and the further fields", func(t *testing.T) {
		o := lookupOrg(t, func(_ string, w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"totalSize":2,"done":true,"records":[
				{"attributes":{"type":"Contact"},"Id":"003000000000001","Code__c":"AB'c","Name":"One","Account":{"Name":"Up"}},
				{"attributes":{"type":"Contact"},"Id":"003000000000002AAA","Code__c":"x","Name":null,"Account":null}]}`)
		})
		found, err := o.client().Lookup(t.Context(), "Contact", "Code__c", []string{"ab'C", " x", "x"}, "Name", "Account.Name", "code__c")
		if err != nil || len(found) != 2 {
			t.Fatalf("got %v, %v", found, err)
		}
		if f := found[0]; f.ID != "003000000000001AAA" || f.Value != "AB'c" || f.More["Name"] != "One" || f.More["Account.Name"] != "Up" || f.More["code__c"] != "AB'c" {
			t.Errorf("got %+v", f)
		}
		if f := found[1]; f.More["Name"] != "" || f.More["Account.Name"] != "" {
			t.Errorf("got %+v", f)
		}
		want := `SELECT Id,Code__c,Name,Account.Name FROM Contact WHERE Code__c IN ('ab\'C','x')`
		if got := queries(o); len(got) != 1 || got[0] != want {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("values are literals of the field's type, and what it cannot hold is not asked", func(t *testing.T) {
		for _, c := range []struct {
			field  string
			values []string
			list   string
		}{
			{"Number__c", []string{"1.50", "-7", "+3", "seven", "1e9", "1 OR 1=1"}, "-7,1.50,3"},
			{"Born__c", []string{"2024-02-29", "2023-02-29", "29.02.2024"}, "2024-02-29"},
			{"Seen__c", []string{"2024-02-29T12:00:00+02:00", "2024-02-29"}, "2024-02-29T10:00:00.000Z"},
			{"Mail__c", []string{"a@b.example"}, "'a@b.example'"},
			{"Main__c", []string{"TRUE", "yes"}, "true"},
			{"Id", []string{"003000000000001", "003000000000001AAA", "003000000000001ZZZ", "x' OR Id != '"}, "'003000000000001AAA'"},
			{"Code__c", []string{"a\nb", strings.Repeat("é", MaxSOQLLiteralRunes+1), "\xff"}, `'a\nb'`},
		} {
			o := lookupOrg(t, func(_ string, w http.ResponseWriter) { _, _ = io.WriteString(w, noRows) })
			if _, err := o.client().Lookup(t.Context(), "Contact", c.field, c.values); err != nil {
				t.Errorf("%s: %v", c.field, err)
			}
			if got := queries(o); len(got) != 1 || !strings.HasSuffix(got[0], " WHERE "+c.field+" IN ("+c.list+")") {
				t.Errorf("%s: asked %q", c.field, got)
			}
		}
	})
	t.Run("nothing is asked when no value can be there", func(t *testing.T) {
		o := lookupOrg(t, func(_ string, w http.ResponseWriter) { _, _ = io.WriteString(w, noRows) })
		found, err := o.client().Lookup(t.Context(), "Contact", "Number__c", []string{"x"})
		if err != nil || found != nil || len(queries(o)) != 0 {
			t.Errorf("got %v, %v after %q", found, err, queries(o))
		}
	})
	t.Run("values that do not fit one URI are spread, each asked once", func(t *testing.T) {
		var values []string
		for i := range 1000 {
			values = append(values, fmt.Sprintf("käse %04d%s!", i, strings.Repeat("'", i%40)))
		}
		o := lookupOrg(t, func(_ string, w http.ResponseWriter) { _, _ = io.WriteString(w, noRows) })
		if _, err := o.client().Lookup(t.Context(), "Contact", "Code__c", values); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(queries(o), "\n")
		for _, v := range values {
			if n := strings.Count(all, QuoteSOQL(v)); n != 1 {
				t.Fatalf("%q was asked %d times", v, n)
			}
		}
		calls, most := o.calls(), 0
		for _, c := range calls[1:] {
			most = max(most, len(c.uri)+len(o.server.URL))
		}
		if most > MaxURIBytes || most < MaxURIBytes-1500 {
			t.Errorf("the longest URI has %d bytes, the limit is %d", most, MaxURIBytes)
		}
	})
	t.Run("a value that very many rows have is cut off, its neighbours are not", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			soql, first := asked(r)
			switch {
			case strings.HasSuffix(r.URL.Path, "/describe"):
				_, _ = io.WriteString(w, describedContact)
			case !first:
				writeRows(w, 0, 1_000_000, 2000, "many", "0r8-2")
			case strings.Contains(soql, "'many'"):
				writeRows(w, 0, 1_000_000, 1500, "many", "0r8-1")
			default:
				writeRows(w, 1_000_000, 1, 1, "one", "")
			}
		})
		found, err := o.client().Lookup(t.Context(), "Contact", "Code__c", []string{"many", "a", "one"})
		if err != nil {
			t.Fatal(err)
		}
		if n := slices.IndexFunc(found, func(f Found) bool { return f.Value == "one" }); n < 0 {
			t.Error("the neighbour was lost")
		}
		if len(found) != MaxLookupRows+2 {
			t.Errorf("%d rows were told", len(found))
		}
	})
	t.Run("what the org says of the object is kept an hour, and asked again for a field that it did not name", func(t *testing.T) {
		now := time.Unix(1_700_000_000, 0)
		o := lookupOrg(t, func(_ string, w http.ResponseWriter) { _, _ = io.WriteString(w, noRows) })
		c := o.client(func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		look := func(field string) (int, error) {
			before := len(o.calls())
			_, err := c.Lookup(t.Context(), "Contact", field, []string{"1"})
			return len(o.calls()) - before, err
		}
		for i, want := range []int{2, 1, 1} {
			if got, err := look("Code__c"); got != want || err != nil {
				t.Errorf("look-up %d made %d calls, %v", i, got, err)
			}
		}
		if got, err := look("Nope__c"); got != 1 || !Definite(err) || !strings.Contains(err.Error(), "no field Nope__c") {
			t.Errorf("an unknown field made %d calls, %v", got, err)
		}
		now = now.Add(describeAge)
		if got, err := look("Code__c"); got != 2 || err != nil {
			t.Errorf("an hour later it made %d calls, %v", got, err)
		}
	})
	t.Run("what is no look-up is refused before it is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client()
		for name, try := range map[string]func() error{
			"object": func() error { _, err := c.Lookup(t.Context(), "Con tact", "Id", []string{"x"}); return err },
			"field":  func() error { _, err := c.Lookup(t.Context(), "Contact", "a=1 OR Id", []string{"x"}); return err },
			"more":   func() error { _, err := c.Lookup(t.Context(), "Contact", "Id", []string{"x"}, "a,b"); return err },
			"parent": func() error { _, err := c.Lookup(t.Context(), "Contact", "Id", []string{"x"}, "a..b"); return err },
			"blank":  func() error { _, err := c.Lookup(t.Context(), "Contact", "Id", []string{"x", " \t"}); return err },
			"values": func() error {
				_, err := c.Lookup(t.Context(), "Contact", "Id", make([]string, MaxLookupValues+1))
				return err
			},
		} {
			if err := try(); !Definite(err) || len(o.calls()) != 0 {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	t.Run("an error gives no rows, and a reply that does not add up is no answer", func(t *testing.T) {
		for _, reply := range []string{
			`{"totalSize":1,"done":true,"records":[{"Code__c":"x"}]}`,
			`{"totalSize":1,"done":true,"records":[{"Id":"003000000000001AAA"}]}`,
			`{"totalSize":1,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/0r8-1","records":[]}`,
		} {
			o := lookupOrg(t, func(_ string, w http.ResponseWriter) { _, _ = io.WriteString(w, reply) })
			if found, err := o.client().Lookup(t.Context(), "Contact", "Code__c", []string{"x"}); err == nil || Definite(err) || found != nil {
				t.Errorf("%s: got %v, %v", reply, found, err)
			}
		}
		o := lookupOrg(t, func(_ string, w http.ResponseWriter) { writeError(w, 400, "INVALID_FIELD", "No such column") })
		if _, err := o.client().Lookup(t.Context(), "Contact", "Code__c", []string{"x"}); !Definite(err) {
			t.Errorf("got %v", err)
		}
	})
}

func writeRows(w io.Writer, from, total, n int, value, next string) {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"Id":"%015d","Code__c":"%s"}`, from+i, value))
	}
	end := `"done":true`
	if next != "" {
		end = `"done":false,"nextRecordsUrl":"/services/data/v66.0/query/` + next + `"`
	}
	_, _ = fmt.Fprintf(w, `{"totalSize":%d,%s,"records":[%s]}`, total, end, strings.Join(rows, ","))
}

func TestRecord(t *testing.T) {
	const id = "003000000000001AAA"
	t.Run("fields come by the names that were asked", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"attributes":{"type":"Contact"},"Id":"`+id+`","Name":"One","Code__c":null,"Number__c":1.50}`)
		})
		got, err := o.client().Record(t.Context(), "Contact", id, "name", "Code__c", "Number__c")
		if err != nil || len(got) != 3 || got["name"] != "One" || got["Code__c"] != "" || got["Number__c"] != "1.50" {
			t.Errorf("got %v, %v", got, err)
		}
		if uri := o.calls()[0].uri; uri != base+"/sobjects/Contact/"+id+"?fields=name%2CCode__c%2CNumber__c" {
			t.Errorf("asked %s", uri)
		}
	})
	t.Run("a row that is not there is not found", func(t *testing.T) {
		for _, code := range []string{"NOT_FOUND", "ENTITY_IS_DELETED"} {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { writeError(w, 404, code, "gone") })
			if _, err := o.client().Record(t.Context(), "Contact", id, "Id"); !IsNotFound(err) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("a reply without a field that was asked is no answer", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Id":"`+id+`"}`) })
		_, err := o.client().Record(t.Context(), "Contact", id, "Name")
		if _, ok := errors.AsType[*Error](err); !ok || Definite(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what is no record is refused before it is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client()
		for _, try := range []struct {
			object, id string
			fields     []string
		}{{"Con/tact", id, []string{"Id"}}, {"Contact", "../limits", []string{"Id"}}, {"Contact", id, nil}, {"Contact", id, []string{"a,b"}}} {
			if _, err := c.Record(t.Context(), try.object, try.id, try.fields...); !Definite(err) || len(o.calls()) != 0 {
				t.Errorf("%+v: got %v", try, err)
			}
		}
	})
}

func TestBatchesHoldEachLiteralOnceAndFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literals := rapid.SliceOf(rapid.Map(rapid.String(), QuoteSOQL)).Draw(t, "literals")
		room := rapid.IntRange(0, 200).Draw(t, "room")
		var all []string
		for batch := range batches(literals, room) {
			if len(batch) == 0 || len(batch) > 1 && encodedLen(strings.Join(batch, ",")) > room {
				t.Fatalf("a batch of %d literals takes %d bytes of %d", len(batch), encodedLen(strings.Join(batch, ",")), room)
			}
			all = append(all, batch...)
		}
		if !slices.Equal(all, literals) {
			t.Fatalf("got %q, want %q", all, literals)
		}
	})
}

// FuzzLiteral wants that no value ends its own literal, whatever it holds: the rest of it would be read as part of the query.
func FuzzLiteral(f *testing.F) {
	for _, kind := range []string{"string", "double", "date", "datetime", "boolean", "id"} {
		f.Add(kind, "o'neil\\' OR Id != '")
		f.Add(kind, "2024-02-29T12:00:00.5+01:00")
	}
	bare := regexp.MustCompile(`^[-+0-9.:TZa-z]+$`)
	f.Fuzz(func(t *testing.T, kind, value string) {
		literal, ok := literalOf(kind, value)
		if !ok {
			return
		}
		inside, quoted := strings.CutPrefix(literal, "'")
		if !quoted {
			if !bare.MatchString(literal) {
				t.Fatalf("%q became %q", value, literal)
			}
			return
		}
		escaped := false
		for i, r := range inside {
			switch {
			case escaped:
				escaped = false
			case r == '\\':
				escaped = true
			case r == '\'' && i != len(inside)-1:
				t.Fatalf("%q became %q, which ends at %d", value, literal, i)
			}
		}
		if escaped || !strings.HasSuffix(inside, "'") {
			t.Fatalf("%q became %q, which does not end", value, literal)
		}
	})
}
