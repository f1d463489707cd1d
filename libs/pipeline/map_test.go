package pipeline_test

import (
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// widgets is a definition with a column of every type.
const widgets = `
apiVersion: bulkhead/v1
kind: Pipeline
name: widgets
org: main
object: Widget__c
operation: upsert
externalId: Ext__c
map:
  - {from: id, to: Ext__c, type: string, required: true}
  - {from: name, to: Name, type: string}
  - {from: price, to: Price__c, type: number}
  - {from: active, to: Active__c, type: boolean}
  - {from: born, to: Born__c, type: date}
  - {from: seen, to: Seen__c, type: datetime}
  - {from: owner, to: OwnerId, type: id}
  - {from: parent.id, to: Parent__r.Ext__c, type: string}
  - {const: "Web", to: Source__c}
`

func define(t testing.TB, yaml string) *pipeline.Definition {
	t.Helper()
	d, _, err := pipeline.ParseDefinition([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMapAnswersToEveryBadRecord walks the catalogue of bad published records (code "" = it goes through, cells as given).
func TestMapAnswersToEveryBadRecord(t *testing.T) {
	d := define(t, widgets)
	name := func(v string) string { return `{"id":"w1","name":` + v + `}` }
	row := func(column int, cell string) []string {
		cells := make([]string, 9)
		cells[0], cells[8] = "w1", "Web"
		cells[column] = cell
		return cells
	}
	for _, c := range []struct {
		name, body, code string
		cells            []string
	}{
		{"an empty payload", "", record.CodeNotJSON, nil},
		{"only blanks", " \n\t", record.CodeNotJSON, nil},
		{"null", "null", record.CodeNotAnObject, nil},
		{"an array at the top", `[{"id":"w1"}]`, record.CodeNotAnObject, nil},
		{"a string at the top", `"w1"`, record.CodeNotAnObject, nil},
		{"truncated JSON", `{"id":"w1","na`, record.CodeNotJSON, nil},
		{"truncated between members", `{"id":"w1",`, record.CodeNotJSON, nil},
		{"trailing garbage", `{"id":"w1"}x`, record.CodeNotJSON, nil},
		{"two documents in one message", `{"id":"w1"}{"id":"w2"}`, record.CodeNotJSON, nil},
		{"two documents on two lines", "{\"id\":\"w1\"}\n{\"id\":\"w2\"}", record.CodeNotJSON, nil},
		{"single quotes", `{'id':'w1'}`, record.CodeNotJSON, nil},
		{"a trailing comma", `{"id":"w1",}`, record.CodeNotJSON, nil},
		{"a comment", `{"id":"w1"/*x*/}`, record.CodeNotJSON, nil},
		{"a bad escape", `{"id":"\q"}`, record.CodeNotJSON, nil},
		{"the byte 0xFF in a string", "{\"id\":\"w1\",\"name\":\"a\xffb\"}", record.CodeBadUTF8, nil},
		{"an overlong sequence", "{\"id\":\"w1\",\"name\":\"\xc0\xaf\"}", record.CodeBadUTF8, nil},
		{"a UTF-8 byte order mark", "\xef\xbb\xbf" + name(`"x"`), "", row(1, "x")},
		{"UTF-16", "\xff\xfe{\x00}\x00", record.CodeBadUTF8, nil},
		{"UTF-16 without a mark", "{\x00\"\x00i\x00", record.CodeNotJSON, nil},
		{"a lone surrogate", name(`"\ud800"`), record.CodeBadUTF8, nil},
		{"surrogates in the wrong order", name(`"\udc00\ud800"`), record.CodeBadUTF8, nil},
		{"a surrogate before something else", name(`"\ud83d\u0041"`), record.CodeBadUTF8, nil},
		{"U+0000 in a value", name(`"a\u0000b"`), record.CodeNULCharacter, nil},
		{"a bare NUL in a value", "{\"id\":\"w1\",\"name\":\"a\x00b\"}", record.CodeNULCharacter, nil},
		{"other control characters", name(`"a\u0001\u001bb"`), "", row(1, "a\x01\x1bb")},
		{"a bare line feed in a string", "{\"id\":\"w1\",\"name\":\"a\nb\"}", record.CodeNotJSON, nil},
		{"U+2028 and U+2029", name("\"\u2028\u2029\""), "", row(1, "\u2028\u2029")},
		{"an emoji with a joiner, as bytes", name(`"🧑‍🚀"`), "", row(1, "🧑‍🚀")},
		{"an emoji as a pair of surrogates", name(`"\ud83d\ude80"`), "", row(1, "🚀")},
		{"a bidi override", name("\"a\u202eb\""), "", row(1, "a\u202eb")},
		{"a missing id", `{"name":"x"}`, record.CodeMissingExternalID, nil},
		{"an id of null", `{"id":null}`, record.CodeMissingExternalID, nil},
		{"an empty id", `{"id":""}`, record.CodeMissingExternalID, nil},
		{"an id of blanks", `{"id":"  "}`, record.CodeMissingExternalID, nil},
		{"an id of 10 KB", `{"id":"` + strings.Repeat("x", 10_000) + `"}`, record.CodeTooLarge, nil},
		{"an id with a line feed", `{"id":"a\nb"}`, record.CodeUnrepresentable, nil},
		{"an id that is a number", `{"id":7}`, record.CodeWrongType, nil},
		{"an id that is #N/A", `{"id":"#N/A"}`, record.CodeUnrepresentable, nil},
		{"an unknown member", `{"id":"w1","colour":"red"}`, record.CodeUnknownMember, nil},
		{"an unknown member inside", `{"id":"w1","parent":{"id":"p","x":1}}`, record.CodeUnknownMember, nil},
		{"a member in another case", `{"ID":"w1"}`, record.CodeUnknownMember, nil},
		{"a member with a comma and a quote", `{"id":"w1","a,\"b":1}`, record.CodeUnknownMember, nil},
		{"a member of Salesforce's own", `{"id":"w1","sf__Id":"x"}`, record.CodeUnknownMember, nil},
		{"a member twice", `{"id":"w1","id":"w2"}`, record.CodeNotJSON, nil},
		{"a member twice, once escaped", `{"id":"w1","\u0069d":"w2"}`, record.CodeNotJSON, nil},
		{"a member twice, far inside", `{"id":"w1","name":{"a":1,"b":2,"a":3}}`, record.CodeNotJSON, nil},
		{"256 characters, which the org judges", name(`"` + strings.Repeat("x", 256) + `"`), "", row(1, strings.Repeat("x", 256))},
		{"a field longer than any", name(`"` + strings.Repeat("x", 131_073) + `"`), record.CodeTooLarge, nil},
		{"a record longer than any", name(`"` + strings.Repeat("x", 950_000) + `"`), record.CodeTooLarge, nil},
		{"a number as a string", `{"id":"w1","price":"12.50"}`, "", row(2, "12.50")},
		{"a number of trailing zeros", `{"id":"w1","price":12.50}`, "", row(2, "12.50")},
		{"1e400", `{"id":"w1","price":1e400}`, record.CodeWrongType, nil},
		{"NaN", `{"id":"w1","price":NaN}`, record.CodeNotJSON, nil},
		{"NaN as a string", `{"id":"w1","price":"NaN"}`, record.CodeWrongType, nil},
		{"Infinity as a string", `{"id":"w1","price":"Infinity"}`, record.CodeWrongType, nil},
		{"a hexadecimal number", `{"id":"w1","price":"0x10"}`, record.CodeWrongType, nil},
		{"a leading zero", `{"id":"w1","price":012}`, record.CodeNotJSON, nil},
		{"2^63+1", `{"id":"w1","price":9223372036854775809}`, "", row(2, "9223372036854775809")},
		{"20 digits", `{"id":"w1","price":12345678901234567.890}`, "", row(2, "12345678901234567.890")},
		{"a number with an exponent", `{"id":"w1","price":-1.5E+3}`, "", row(2, "-1.5E+3")},
		{"the boolean yes", `{"id":"w1","active":"yes"}`, record.CodeWrongType, nil},
		{"the boolean 1", `{"id":"w1","active":1}`, record.CodeWrongType, nil},
		{"false", `{"id":"w1","active":false}`, "", row(3, "false")},
		{"the date 31/12/2026", `{"id":"w1","born":"31/12/2026"}`, record.CodeWrongType, nil},
		{"the 30th of February", `{"id":"w1","born":"2026-02-30"}`, record.CodeWrongType, nil},
		{"the 29th of a leap year", `{"id":"w1","born":"2028-02-29"}`, "", row(4, "2028-02-29")},
		{"a date with a time", `{"id":"w1","born":"2026-02-03T00:00:00Z"}`, record.CodeWrongType, nil},
		{"a time without a zone", `{"id":"w1","seen":"2026-02-03T04:05:06"}`, record.CodeWrongType, nil},
		{"a time with a zone", `{"id":"w1","seen":"2026-02-03T04:05:06.789+01:00"}`, "", row(5, "2026-02-03T04:05:06.789+01:00")},
		{"the year 0000", `{"id":"w1","born":"0000-01-01"}`, record.CodeWrongType, nil},
		{"the year 99999", `{"id":"w1","born":"99999-01-01"}`, record.CodeWrongType, nil},
		{"23:59:60", `{"id":"w1","seen":"2026-02-03T23:59:60Z"}`, record.CodeWrongType, nil},
		{"a time in 2099", `{"id":"w1","seen":"2099-12-31T23:59:59Z"}`, "", row(5, "2099-12-31T23:59:59Z")},
		{"null", `{"id":"w1","name":null}`, "", row(1, pipeline.Null)},
		{"null instead of an object", `{"id":"w1","parent":null}`, "", row(7, pipeline.Null)},
		{"an object without what is mapped", `{"id":"w1","parent":{}}`, "", row(7, "")},
		{"a string instead of an object", `{"id":"w1","parent":"p"}`, record.CodeWrongType, nil},
		{"the text #N/A", name(`"#N/A"`), record.CodeUnrepresentable, nil},
		{"the text #N/A between blanks", name(`" #N/A "`), record.CodeUnrepresentable, nil},
		{"an empty string", name(`""`), record.CodeUnrepresentable, nil},
		{"comma, quote and line ends inside", name(`"a,\"b\"\r\nc\nd\re"`), "", row(1, "a,\"b\"\nc\nd\re")},
		{"only blanks in a value", name(`"   "`), "", row(1, "   ")},
		{"a formula", name(`"=cmd|' /C calc'!A0"`), "", row(1, "=cmd|' /C calc'!A0")},
		{"a leading apostrophe", name(`"'x"`), "", row(1, "'x")},
		{"markup", name(`"<script>alert(1)</script>"`), "", row(1, "<script>alert(1)</script>")},
		{"a Salesforce id of 15", `{"id":"w1","owner":"005000000000AbC"}`, "", row(6, "005000000000AbCAAU")},
		{"a Salesforce id of 18", `{"id":"w1","owner":"005000000000AbCAAU"}`, "", row(6, "005000000000AbCAAU")},
		{"a Salesforce id whose suffix does not fit", `{"id":"w1","owner":"005000000000AbCAAA"}`, record.CodeWrongType, nil},
		{"an object as a value", name(`{"a":1}`), record.CodeWrongType, nil},
		{"an array as a value", name(`["a"]`), record.CodeWrongType, nil},
		{"gzip without its header", "\x1f\x8b\x08\x00\x00\x00\x00\x00", record.CodeNotJSON, nil},
		{"10,000 brackets", name(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), record.CodeNotJSON, nil},
		{"10,000 open objects", strings.Repeat(`{"a":`, 10_000), record.CodeNotJSON, nil},
		{"400,000 elements", name("[0" + strings.Repeat(",0", 400_000) + "]"), record.CodeWrongType, nil},
		{"SQL", name(`"'; DROP TABLE x"`), "", row(1, "'; DROP TABLE x")},
		{"an empty object", `{}`, record.CodeEmptyObject, nil},
		{"an e-mail address as id", `{"id":"Ada@Example.com"}`, "", []string{"Ada@Example.com", "", "", "", "", "", "", "", "Web"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, refusal := d.Map([]byte(c.body))
			if c.code != "" {
				if refusal == nil || refusal.Code != c.code || refusal.Message == "" || refusal.Content == (record.Hash{}) {
					t.Fatalf("got %+v (row %q), want %s", refusal, m.Cells, c.code)
				}
				if len(refusal.Message) > 2000 {
					t.Errorf("a message of %d bytes", len(refusal.Message))
				}
				return
			}
			if refusal != nil {
				t.Fatal(refusal)
			}
			if strings.Join(m.Cells, "\x00") != strings.Join(c.cells, "\x00") {
				t.Errorf("got %q, want %q", m.Cells, c.cells)
			}
			for i, cell := range m.Cells {
				if named := contains(m.Named, i); named != (cell != "") {
					t.Errorf("column %d %q: named is %v", i, cell, named)
				}
			}
		})
	}
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func TestMapFindsTheEntity(t *testing.T) {
	d := define(t, widgets)
	entity := func(id string) record.Hash {
		m, refusal := d.Map([]byte(`{"id":"` + id + `"}`))
		if refusal != nil {
			t.Fatal(refusal)
		}
		if m.Entity != id {
			t.Errorf("%q is shown as %q", id, m.Entity)
		}
		return d.EntityHash(m.Entity)
	}
	for _, group := range [][]string{{"ABC", "abc"}, {"caf\u00e9", "cafe\u0301"}, {" a", "a", "a "}} {
		for _, id := range group[1:] {
			if entity(id) != entity(group[0]) {
				t.Errorf("%q and %q are two entities", id, group[0])
			}
		}
	}
}

func TestMapKeys(t *testing.T) {
	with := func(key string) *pipeline.Definition {
		return define(t, widgets+"key: "+key+"\nunknownMembers: ignore\n")
	}
	key := func(t *testing.T, d *pipeline.Definition, body string) string {
		t.Helper()
		m, refusal := d.Map([]byte(body))
		if refusal != nil {
			t.Fatal(refusal)
		}
		return m.Key
	}
	t.Run("a member names the event", func(t *testing.T) {
		d := with("[event_id]")
		if got := key(t, d, `{"id":"w1","event_id":"e1"}`); got != "e1" {
			t.Error(got)
		}
		if got := key(t, d, `{"id":"w1","event_id":9007199254740993}`); got != "9007199254740993" {
			t.Error(got)
		}
	})
	t.Run("a member inside an object can", func(t *testing.T) {
		if got := key(t, with("[meta.event]"), `{"id":"w1","meta":{"event":"e1"}}`); got != "e1" {
			t.Error(got)
		}
	})
	t.Run("several members never run into each other", func(t *testing.T) {
		d := with("[a, b]")
		if key(t, d, `{"id":"w1","a":"x|y","b":"z"}`) == key(t, d, `{"id":"w1","a":"x","b":"y|z"}`) {
			t.Error("two events share a key")
		}
		if key(t, d, `{"id":"w1","a":"x\\","b":"|z"}`) == key(t, d, `{"id":"w1","a":"x","b":"\\||z"}`) {
			t.Error("two events share a key")
		}
	})
	t.Run("a definition without key members names none", func(t *testing.T) {
		if got := key(t, define(t, widgets), `{"id":"w1"}`); got != "" {
			t.Error(got)
		}
	})
	for _, c := range []struct{ name, body, code, key, entity string }{
		{"an absent key", `{"id":"w1"}`, record.CodeMissingKey, "", "w1"},
		{"a key of null", `{"id":"w1","event_id":null}`, record.CodeMissingKey, "", "w1"},
		{"an empty key", `{"id":"w1","event_id":""}`, record.CodeMissingKey, "", "w1"},
		{"an object as key", `{"id":"w1","event_id":{}}`, record.CodeMissingKey, "", "w1"},
		{"a key that is too long", `{"id":"w1","event_id":"` + strings.Repeat("x", 2000) + `"}`, record.CodeTooLarge, "", "w1"},
		{"a refused value beside a readable key", `{"id":"W1","event_id":"e1","price":"x"}`, record.CodeWrongType, "e1", "W1"},
		{"a missing id beside a readable key", `{"event_id":"e1"}`, record.CodeMissingExternalID, "e1", ""},
		{"bad UTF-8 beside a readable key", "{\"id\":\"w1\",\"event_id\":\"e1\",\"name\":\"\xff\"}", record.CodeBadUTF8, "e1", "w1"},
		{"bad UTF-8 in the key", "{\"id\":\"w1\",\"event_id\":\"\xff\"}", record.CodeBadUTF8, "", "w1"},
		{"U+0000 beside a readable key", `{"id":"w1","event_id":"e1","name":"\u0000"}`, record.CodeNULCharacter, "e1", "w1"},
	} {
		t.Run(c.name+" is told with what could be read", func(t *testing.T) {
			_, r := with("[event_id]").Map([]byte(c.body))
			if r == nil || r.Code != c.code || r.Key != c.key || r.Entity != c.entity {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestMapPolicies(t *testing.T) {
	t.Run("ignored members are ignored", func(t *testing.T) {
		d := define(t, widgets+"unknownMembers: ignore\n")
		if _, r := d.Map([]byte(`{"id":"w1","x":{"y":[1,2]}}`)); r != nil {
			t.Error(r)
		}
	})
	t.Run("an empty string can mean null", func(t *testing.T) {
		m, r := define(t, widgets+"emptyString: null\n").Map([]byte(`{"id":"w1","name":""}`))
		if r != nil || m.Cells[1] != pipeline.Null || !contains(m.Named, 1) {
			t.Errorf("%v %q", r, m.Cells)
		}
	})
	t.Run("an empty string can be left to Salesforce, and then says nothing", func(t *testing.T) {
		m, r := define(t, widgets+"emptyString: keep\n").Map([]byte(`{"id":"w1","name":""}`))
		if r != nil || m.Cells[1] != "" || contains(m.Named, 1) {
			t.Errorf("%v %q", r, m.Cells)
		}
	})
	t.Run("a required member must say something", func(t *testing.T) {
		d := define(t, strings.Replace(widgets, "to: Name, type: string", "to: Name, type: string, required: true", 1)+"emptyString: keep\n")
		for _, body := range []string{`{"id":"w1"}`, `{"id":"w1","name":null}`, `{"id":"w1","name":""}`} {
			if _, r := d.Map([]byte(body)); r == nil || r.Code != record.CodeWrongType || len(r.Fields) != 1 || r.Fields[0] != "name" {
				t.Errorf("%s: %+v", body, r)
			}
		}
	})
	t.Run("a message names at most twenty unknown members", func(t *testing.T) {
		var b strings.Builder
		b.WriteString(`{"id":"w1"`)
		for range 2000 {
			b.WriteString(`,"` + strings.Repeat("x", 100) + string(rune('a'+b.Len()%26)) + strings.Repeat("y", b.Len()%97) + `":1`)
		}
		_, r := define(t, widgets).Map([]byte(b.String() + "}"))
		if r == nil || len(r.Fields) > 20 || len(r.Message) > 3000 {
			t.Errorf("%+v", r)
		}
	})
}
