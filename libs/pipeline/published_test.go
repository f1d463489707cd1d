package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// published is a message as upstream may publish it, and what becomes of it before anybody asks ledger or org.
type published struct {
	// n is its number in the catalogue of bad published records.
	n      int
	name   string
	header nats.Header
	body   string
	// verdict is a code of the contract; "" = it goes through.
	verdict string
	// cell is what a column that goes through holds, "<column>=<cell>"; "" = nothing is asked.
	cell string
	// lines and mappings define the pipeline; "" and none = that of the widgets.
	lines    string
	mappings []string
}

func gzipBomb(t *testing.T, size int64) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.LimitReader(blanks{}, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func wide(s string, order func(uint16) []byte) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		b.Write(order(unit))
	}
	return b.String()
}

func members(n int) string {
	var b strings.Builder
	b.WriteString(`{"id":"w1"`)
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String() + "}"
}

func TestPublishedRecords(t *testing.T) {
	named := func(v string) string { return `{"id":"w1","name":` + v + `}` }
	little := func(u uint16) []byte { return []byte{byte(u), byte(u >> 8)} }
	const update, remove = "operation: update\nexternalId: Ext__c\n", "operation: delete\nexternalId: Ext__c\n"
	cases := []published{
		{n: 1, name: "an empty payload", body: "", verdict: record.CodeNotJSON},
		{n: 2, name: "null", body: "null", verdict: record.CodeNotAnObject},
		{n: 3, name: "an array at the top", body: `[{"id":"w1"}]`, verdict: record.CodeNotAnObject},
		{n: 4, name: "truncated JSON", body: `{"id":"w1","na`, verdict: record.CodeNotJSON},
		{n: 5, name: "trailing garbage", body: `{"id":"w1"} x`, verdict: record.CodeNotJSON},
		{n: 6, name: "two documents in one message", body: `{"id":"w1"}{"id":"w2"}`, verdict: record.CodeNotJSON},
		{n: 7, name: "the byte 0xFF in a string", body: named("\"\xff\""), verdict: record.CodeBadUTF8},
		{n: 8, name: "a byte order mark", body: "\xef\xbb\xbf" + named(`"x"`), cell: "Name=x"},
		{n: 9, name: "UTF-16 with its mark", body: "\xff\xfe" + wide(named(`"x"`), little), verdict: record.CodeBadUTF8},
		{n: 10, name: "a lone surrogate", body: named(`"\ud800"`), verdict: record.CodeBadUTF8},
		{n: 11, name: "U+0000 in a value", body: named(`"\u0000"`), verdict: record.CodeNULCharacter},
		{n: 12, name: "other control characters", body: named(`"a\u0001\u001fb"`), cell: "Name=a\x01\x1fb"},
		{n: 13, name: "U+2028 and U+2029", body: named(`"\u2028\u2029"`), cell: "Name=\u2028\u2029"},
		{n: 14, name: "an emoji of several characters", body: named(`"👩‍🚀"`), cell: "Name=👩‍🚀"},
		{n: 15, name: "a bidi override", body: named("\"a\u202eb\""), cell: "Name=a\u202eb"},
		{n: 16, name: "a decomposed id is sent composed", body: "{\"id\":\"cafe\u0301\"}", cell: "Ext__c=caf\u00e9"},
		{n: 17, name: "an id in capitals", body: `{"id":"ABC"}`, cell: "Ext__c=ABC"},
		{n: 18, name: "an id with blanks at its ends", body: `{"id":" abc "}`, cell: "Ext__c=abc"},
		{n: 19, name: "a missing id", body: `{"name":"x"}`, verdict: record.CodeMissingExternalID},
		{n: 20, name: "an id of 10 KB", body: `{"id":"` + strings.Repeat("x", 10<<10) + `"}`, verdict: record.CodeTooLarge},
		{n: 21, name: "an id that could widen a subject", body: `{"id":"a.*.>"}`, cell: "Ext__c=a.*.>"},
		{n: 21, name: "an id with a line feed", body: `{"id":"a\nb"}`, verdict: record.CodeUnrepresentable},
		{n: 32, name: "a delete without its key", body: `{"id":null}`, verdict: record.CodeMissingExternalID, lines: remove, mappings: []string{mapExt}},
		{n: 33, name: "an update without its key", body: `{"name":"x"}`, verdict: record.CodeMissingExternalID, lines: update, mappings: []string{mapExt, mapName}},
		{n: 34, name: "an insert that carries an Id", body: `{"event":"e","id":"a","Id":"005000000000AbC"}`, verdict: record.CodeUnknownMember, lines: correlated, mappings: []string{mapExt}},
		{n: 35, name: "an upsert whose key is null", body: `{"id":null}`, verdict: record.CodeMissingExternalID},
		{n: 36, name: "an upsert whose key is empty", body: `{"id":""}`, verdict: record.CodeMissingExternalID},
		{n: 37, name: "an unknown member", body: `{"id":"w1","colour":"red"}`, verdict: record.CodeUnknownMember},
		{n: 40, name: "a member twice", body: `{"id":"w1","name":"a","name":"a"}`, verdict: record.CodeNotJSON},
		{n: 41, name: "a member in another case, which is another member", body: `{"id":"w1","Name":"a"}`, verdict: record.CodeUnknownMember},
		{n: 42, name: "a member with comma, quote and line feed", body: `{"id":"w1","a,\"\n":1}`, verdict: record.CodeUnknownMember},
		{n: 43, name: "members of Salesforce's own", body: `{"id":"w1","sf__Id":"x","sf__Error":"y"}`, verdict: record.CodeUnknownMember},
		{n: 44, name: "256 characters, of which the org judges", body: named(`"` + strings.Repeat("é", 256) + `"`), cell: "Name=" + strings.Repeat("é", 256)},
		{n: 45, name: "32,001 characters, of which the org judges", body: named(`"` + strings.Repeat("x", 32_001) + `"`)},
		{n: 45, name: "131,073 characters, which no field holds", body: named(`"` + strings.Repeat("x", 131_073) + `"`), verdict: record.CodeTooLarge},
		{
			n: 46, name: "a row of 400,001 characters", verdict: record.CodeTooLarge, lines: "operation: upsert\nexternalId: Ext__c\n",
			body:     `{"id":"a","b":"` + strings.Repeat("x", 131_072) + `","c":"` + strings.Repeat("x", 131_072) + `","d":"` + strings.Repeat("x", 131_072) + `","e":"` + strings.Repeat("x", 6_784) + `"}`,
			mappings: []string{mapExt, "from: b, to: B__c", "from: c, to: C__c", "from: d, to: D__c", "from: e, to: E__c"},
		},
		{n: 47, name: "5,001 members", body: members(5001), verdict: record.CodeUnknownMember},
		{n: 49, name: "a number as text", body: `{"id":"w1","price":"12.50"}`, cell: "Price__c=12.50"},
		{n: 50, name: "1e400", body: `{"id":"w1","price":1e400}`, verdict: record.CodeWrongType},
		{n: 50, name: "NaN", body: `{"id":"w1","price":NaN}`, verdict: record.CodeNotJSON},
		{n: 50, name: "Infinity as text", body: `{"id":"w1","price":"Infinity"}`, verdict: record.CodeWrongType},
		{n: 51, name: "2^63+1", body: `{"id":"w1","price":9223372036854775809}`, cell: "Price__c=9223372036854775809"},
		{n: 52, name: "20 digits", body: `{"id":"w1","price":12345678901234567.890}`, cell: "Price__c=12345678901234567.890"},
		{n: 53, name: "the boolean yes", body: `{"id":"w1","active":"yes"}`, verdict: record.CodeWrongType},
		{n: 54, name: "31/12/2026", body: `{"id":"w1","born":"31/12/2026"}`, verdict: record.CodeWrongType},
		{n: 55, name: "the 30th of February", body: `{"id":"w1","born":"2026-02-30"}`, verdict: record.CodeWrongType},
		{n: 56, name: "a time without a zone", body: `{"id":"w1","seen":"2026-02-03T04:05:06"}`, verdict: record.CodeWrongType},
		{n: 57, name: "the year 0000", body: `{"id":"w1","born":"0000-01-01"}`, verdict: record.CodeWrongType},
		{n: 57, name: "the year 99999", body: `{"id":"w1","seen":"99999-01-01T00:00:00Z"}`, verdict: record.CodeWrongType},
		{n: 58, name: "23:59:60", body: `{"id":"w1","seen":"2026-02-03T23:59:60Z"}`, verdict: record.CodeWrongType},
		{n: 59, name: "null", body: named("null"), cell: "Name=#N/A"},
		{n: 60, name: "the text #N/A", body: named(`"#N/A"`), verdict: record.CodeUnrepresentable},
		{n: 61, name: "an empty string", body: named(`""`), verdict: record.CodeUnrepresentable},
		{n: 61, name: "an empty string that means null", body: `{"id":"a","name":""}`, cell: "Name=#N/A", lines: update + "emptyString: null\n", mappings: []string{mapExt, mapName}},
		{n: 61, name: "an empty string that is kept", body: `{"id":"a","name":""}`, cell: "Name=", lines: update + "emptyString: keep\n", mappings: []string{mapExt, mapName}},
		{n: 62, name: "comma, quote and line ends", body: named(`"a,\"b\"\nc\rd\r\ne"`), cell: "Name=a,\"b\"\nc\rd\ne"},
		{n: 63, name: "only spaces", body: named(`"   "`), cell: "Name=   "},
		{n: 64, name: "a formula", body: named(`"=cmd|'/C calc'!A0"`), cell: "Name==cmd|'/C calc'!A0"},
		{n: 65, name: "a leading apostrophe", body: named(`"'x"`), cell: "Name='x"},
		{n: 66, name: "markup", body: named(`"<script>alert(1)</script>"`), cell: "Name=<script>alert(1)</script>"},
		{n: 67, name: "an id of 15 characters", body: `{"id":"w1","owner":"005000000000AbC"}`, cell: "OwnerId=005000000000AbCAAU"},
		{n: 69, name: "an id whose checksum does not fit", body: `{"id":"w1","owner":"005000000000AbCAAA"}`, verdict: record.CodeWrongType},
		{n: 70, name: "a relationship that nobody declared", body: `{"id":"w1","Account.Ext__c":"x"}`, verdict: record.CodeUnknownMember},
		{n: 72, name: "an object as value", body: named(`{"a":1}`), verdict: record.CodeWrongType},
		{n: 72, name: "an array as value", body: named(`[1]`), verdict: record.CodeWrongType},
		{n: 73, name: "gzip that no header tells of", body: gzipBomb(t, 100), verdict: record.CodeNotJSON},
		{n: 74, name: "a bomb of gzip", header: nats.Header{"Content-Encoding": {"gzip"}}, body: gzipBomb(t, 64<<20), verdict: record.CodeFrameUnreadable},
		{n: 75, name: "a nesting of 10,000", body: named(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), verdict: record.CodeNotJSON},
		{n: 76, name: "a million elements", body: named("[0" + strings.Repeat(",0", 999_999) + "]"), verdict: record.CodeTooLarge},
		{n: 80, name: "an event time in 2099", header: nats.Header{"Bulkhead-Event-Time": {"2099-12-31T23:59:59Z"}}, body: named(`"x"`), cell: "Name=x"},
		{n: 81, name: "10,000 headers", header: manyHeaders(10_000), body: named(`"x"`), cell: "Name=x"}, // brokers refuse such a message; its header costs nothing here
		{n: 84, name: "a malformed traceparent", header: nats.Header{"traceparent": {"00-zz"}}, body: named(`"x"`), cell: "Name=x"},
		{n: 85, name: "an e-mail address as key", body: `{"id":"Ada@Example.com"}`, cell: "Ext__c=Ada@Example.com"},
		{n: 86, name: "SQL", body: named(`"'; DROP TABLE records;--"`), cell: "Name='; DROP TABLE records;--"},
		{n: 88, name: "a tombstone", header: nats.Header{"Operation": {"delete"}}, body: "", verdict: record.CodeNotJSON},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d: %s", c.n, c.name), func(t *testing.T) {
			text := widgets
			if c.lines != "" {
				text = document(c.lines, c.mappings...)
			}
			code, cells := verdict(t, define(t, text), c.header, []byte(c.body))
			if code != c.verdict {
				t.Fatalf("%q, want %q", code, c.verdict)
			}
			if column, want, asked := strings.Cut(c.cell, "="); asked && cells[column] != want {
				t.Errorf("%s is %q, want %q", column, cells[column], want)
			}
		})
	}
	t.Run("two spellings of one id are one entity (16, 17, 18)", func(t *testing.T) {
		d := define(t, widgets)
		for _, group := range [][]string{{"caf\u00e9", "cafe\u0301"}, {"ABC", "abc"}, {" abc ", "abc"}} {
			if d.EntityHash(group[0]) != d.EntityHash(group[1]) {
				t.Errorf("%q", group)
			}
		}
	})
	t.Run("operations are the definition's, and those that are none are refused there (29, 30, 31)", func(t *testing.T) {
		for _, operation := range []string{"UPSERT", "merge"} {
			if _, _, err := pipeline.ParseDefinition([]byte(document("operation: "+operation+"\nexternalId: Ext__c\n", mapExt))); err == nil {
				t.Errorf("%s is taken", operation)
			}
		}
		d, warnings, err := pipeline.ParseDefinition([]byte(document("operation: hardDelete\nexternalId: Ext__c\n", mapExt)))
		if err != nil || !d.Resolves() || !slices.ContainsFunc(warnings, func(w pipeline.Warning) bool { return strings.Contains(w.Text, "Recycle Bin") }) {
			t.Errorf("hardDelete is taken without a warning, or not at all: %v, %v", warnings, err)
		}
	})
}

func manyHeaders(n int) nats.Header {
	h := nats.Header{}
	for i := range n {
		h[fmt.Sprintf("X-%d", i)] = []string{"x"}
	}
	return h
}

// verdict takes a message apart and maps its one record, as the extractor does before it asks the ledger.
func verdict(t *testing.T, d *pipeline.Definition, header nats.Header, body []byte) (code string, cells map[string]string) {
	t.Helper()
	raw, refusal := bus.DecodeFrame(header, body)
	if refusal == nil {
		if len(raw) != 1 {
			t.Fatalf("%d records", len(raw))
		}
		var m pipeline.Mapped
		if m, refusal = d.Map(raw[0].Body); refusal == nil {
			cells = map[string]string{}
			for i, column := range d.Header() {
				cells[column] = m.Cells[i]
			}
			return "", cells
		}
	}
	if refusal.Message == "" || refusal.Content == (record.Hash{}) || !slices.Contains(record.RefusalCodes(), refusal.Code) {
		t.Errorf("%+v", refusal)
	}
	return refusal.Code, nil
}
