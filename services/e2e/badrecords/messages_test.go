package badrecords

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/libs/bus"
	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
)

// message is one message of a case, whose record ends in one way.
type message struct {
	n    int
	name string
	// pipeline that it is published to; "" = widgets. subject replaces that pipeline's.
	pipeline, subject string
	header            nats.Header
	// body holds $ID for the entity, $SF for the row that was seeded for it, $SF15 for the short form of that id, $ALIEN for a row of another object.
	body string
	// entity is what $ID stands for; "" = a value of its own.
	entity  string
	verdict string
	// seed is a row that the org holds before, beside its external id; nil = none.
	seed map[string]string
	// want are fields that the org's row has afterwards ("" = empty), sent the cells as they were uploaded.
	want, sent map[string]string
	// says is a part of the refusal.
	says string
}

const (
	landed                = "landed"
	repeat                = "repeat"
	superseded            = "superseded"
	refusedByThePublisher = "refused by the publisher"

	notJSON         = "dead NOT_JSON"
	notAnObject     = "dead NOT_AN_OBJECT"
	badUTF8         = "dead BAD_UTF8"
	nulCharacter    = "dead NUL_CHARACTER"
	unknownMember   = "dead UNKNOWN_MEMBER"
	wrongType       = "dead WRONG_TYPE"
	noExternalID    = "dead MISSING_EXTERNAL_ID"
	tooLarge        = "dead TOO_LARGE"
	unrepresentable = "dead UNREPRESENTABLE"
	keyReused       = "dead KEY_REUSED"
	versionConflict = "dead VERSION_CONFLICT"
	frameUnreadable = "dead FRAME_UNREADABLE"
)

// with is a record of one more member.
func with(member, value string) string { return `{"id":"$ID","` + member + `":` + value + `}` }

func named(value string) string { return with("name", value) }

// batched is a record in a batch, whose length must stay what the batch says.
const batched = `{"id":"batched","name":"x"}`

// f is fields of a row.
type f = map[string]string

const mebi = 1 << 20

// messages are those that need nothing but themselves, in the order in which they are published.
func messages(t testing.TB) []message {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	array := func(n int) string { return "[0" + strings.Repeat(",0", n-1) + "]" }
	encoded := func(how string) nats.Header { return nats.Header{bus.HeaderContentEncoding: {how}} }
	batch := nats.Header{bus.HeaderContentType: {bus.TypeProtobuf}}
	return []message{
		{n: 1, name: "nothing at all", body: "", verdict: notJSON},
		{n: 1, name: "a frame of nothing", header: nats.Header{bus.HeaderContentType: {bus.TypeNDJSON}}, body: "", verdict: frameUnreadable, says: "no record"},
		{n: 2, name: "null", body: "null", verdict: notAnObject},
		{n: 3, name: "an array", body: `[{"id":"$ID"}]`, verdict: notAnObject},
		{n: 4, name: "half a document", body: `{"id":"$ID","na`, verdict: notJSON},
		{n: 5, name: "a document and more", body: `{"id":"$ID"} x`, verdict: notJSON},
		{n: 6, name: "two documents", body: `{"id":"$ID"}{"id":"b"}`, verdict: notJSON},
		{n: 7, name: "a byte that is no UTF-8", body: named("\"\xff\""), verdict: badUTF8},
		{n: 8, name: "a byte order mark", body: "\xef\xbb\xbf" + named(`"x"`), verdict: landed, want: f{"Name": "x"}},
		{n: 9, name: "UTF-16 with its mark", body: "\xff\xfe" + utf16le(named(`"x"`)), verdict: badUTF8},
		{n: 10, name: "half a surrogate pair", body: named(`"\ud800"`), verdict: badUTF8},
		{n: 11, name: "U+0000, escaped", body: named(`"a\u0000b"`), verdict: nulCharacter},
		{n: 12, name: "U+0001 and U+001F", body: named(`"a\u0001\u001fb"`), verdict: landed, want: f{"Name": "a\x01\x1fb"}},
		{n: 13, name: "line and paragraph separators", body: named(`"\u2028\u2029x"`), verdict: landed, want: f{"Name": "\u2028\u2029x"}},
		{n: 14, name: "an astronaut", body: named(`"👩‍🚀 \ud83d\ude80"`), verdict: landed, want: f{"Name": "👩‍🚀 🚀"}},
		{n: 15, name: "a bidi override", body: named("\"a\u202eb\""), verdict: landed, want: f{"Name": "a\u202eb"}},
		{n: 19, name: "no id", body: `{"name":"x"}`, verdict: noExternalID},
		{n: 20, name: "as a member", body: `{"id":` + long(10<<10) + "}", verdict: tooLarge},
		{n: 20, name: "as the key of a record in a batch", header: batch, entity: "batched", body: batchOf(t, batched, strings.Repeat("k", 10<<10)), verdict: tooLarge},
		{n: 21, name: "signs that widen a subject", entity: "a.*.>.b", body: named(`"x"`), verdict: landed, want: f{"Name": "x"}},
		{n: 21, name: "a line feed", body: `{"id":"a\nb"}`, verdict: unrepresentable},
		{n: 25, name: "nobody's", subject: "records.nobody", body: named(`"x"`), verdict: refusedByThePublisher},
		{n: 32, name: "null", pipeline: "deletes", body: `{"id":null}`, verdict: noExternalID},
		{n: 33, name: "absent", pipeline: "updates", body: `{"name":"x"}`, verdict: noExternalID},
		{n: 34, name: "beside the mapped members", pipeline: "inserts", body: `{"event":"$ID","id":"$ID","Id":"005000000000AbC"}`, verdict: unknownMember},
		{n: 35, name: "null", body: `{"id":null,"name":"x"}`, verdict: noExternalID},
		{n: 36, name: "empty", body: `{"id":"","name":"x"}`, verdict: noExternalID},
		{n: 37, name: "a colour", body: with("colour", `"red"`), verdict: unknownMember, says: "colour"},
		{n: 40, name: "the name", body: `{"id":"$ID","name":"a","name":"b"}`, verdict: notJSON, says: "name"},
		{n: 41, name: "Name for name", body: with("Name", `"a"`), verdict: unknownMember, says: "Name"},
		{n: 42, name: "all three", body: with(`a,\"\n`, "1"), verdict: unknownMember},
		{n: 43, name: "both", body: `{"id":"$ID","sf__Id":"x","sf__Error":"y"}`, verdict: unknownMember},
		{n: 44, name: "of two bytes each", body: named(`"` + strings.Repeat("é", 256) + `"`), verdict: "dead STRING_TOO_LONG"},
		{n: 44, name: "255 of them", body: named(`"` + strings.Repeat("é", 255) + `"`), verdict: landed, want: f{"Name": strings.Repeat("é", 255)}},
		{n: 45, name: "in a field of 32,000", body: with("notes", long(32_001)), verdict: "dead STRING_TOO_LONG"},
		{n: 45, name: "more than any field holds", body: with("notes", long(131_073)), verdict: tooLarge},
		{
			n: 46, name: "in four members", verdict: tooLarge,
			body: `{"id":"$ID","name":` + long(131_072) + `,"notes":` + long(131_072) + `,"more":` + long(131_072) + `,"rest":` + long(6_785) + "}",
		},
		{n: 47, name: "all unknown", body: members(5001), verdict: unknownMember},
		{n: 48, name: "a byte too many", body: named(long(mebi)), verdict: refusedByThePublisher},
		{n: 49, name: "12.50 in quotes", body: with("exact", `"12.50"`), verdict: landed, want: f{"Exact__c": "12.50"}},
		{n: 50, name: "1e400", body: with("price", "1e400"), verdict: wrongType},
		{n: 50, name: "NaN", body: with("price", "NaN"), verdict: notJSON},
		{n: 50, name: "Infinity", body: with("price", "-Infinity"), verdict: notJSON},
		{n: 50, name: "NaN in quotes", body: with("price", `"NaN"`), verdict: wrongType},
		{n: 51, name: "bare", body: with("exact", "9223372036854775809"), verdict: landed, want: f{"Exact__c": "9223372036854775809"}},
		{n: 52, name: "with a point", body: with("exact", "12345678901234567.890"), verdict: landed, want: f{"Exact__c": "12345678901234567.890"}},
		{n: 53, name: "in quotes", body: with("active", `"yes"`), verdict: wrongType},
		{n: 54, name: "with slashes", body: with("born", `"31/12/2026"`), verdict: wrongType},
		{n: 55, name: "a day that is none", body: with("born", `"2026-02-30"`), verdict: wrongType},
		{n: 56, name: "nobody knows when", body: with("seen", `"2026-02-03T04:05:06"`), verdict: wrongType},
		{n: 57, name: "a year of nothing", body: with("born", `"0000-01-01"`), verdict: wrongType},
		{n: 57, name: "a year of five digits", body: with("seen", `"99999-01-01T00:00:00Z"`), verdict: wrongType},
		{n: 58, name: "a leap second", body: with("seen", `"2026-02-03T23:59:60Z"`), verdict: wrongType},
		{n: 59, name: "over a name", seed: f{"Name": "old", "Exact__c": "1"}, body: named("null"), verdict: landed, want: f{"Name": "", "Exact__c": "1"}, sent: f{"Name": "#N/A"}},
		{n: 60, name: "as a name", body: named(`"#N/A"`), verdict: unrepresentable},
		{n: 61, name: "refused", body: named(`""`), verdict: unrepresentable},
		{n: 61, name: "as null", pipeline: "nulls", seed: f{"Name": "old"}, body: named(`""`), verdict: landed, want: f{"Name": ""}},
		{n: 61, name: "left alone", pipeline: "keeps", seed: f{"Name": "old"}, body: `{"id":"$ID","name":"","exact":2}`, verdict: landed, want: f{"Name": "old", "Exact__c": "2"}},
		{n: 62, name: "all of them", body: named(`"a,\"b\"\nc\rd\r\ne\r\r\n\nf"`), verdict: landed, want: f{"Name": "a,\"b\"\nc\rd\ne\n\nf"}},
		{n: 63, name: "three", body: named(`"   "`), verdict: landed, sent: f{"Name": "   "}},
		{n: 64, name: "a call of a program", body: named(`"=cmd|'/C calc'!A0"`), verdict: landed, want: f{"Name": "=cmd|'/C calc'!A0"}},
		{n: 64, name: "in an export", entity: "=2+5", body: with("colour", `"=cmd|'/C calc'!A0"`), verdict: unknownMember},
		{n: 65, name: "before a word", body: named(`"'x"`), verdict: landed, want: f{"Name": "'x"}},
		{n: 66, name: "a script", body: named(`"<script>alert(1)</script>"`), verdict: landed, want: f{"Name": "<script>alert(1)</script>"}},
		{n: 67, name: "of the row itself", pipeline: "idents", seed: f{"Name": "old"}, body: `{"id":"$SF15","name":"new"}`, verdict: landed, want: f{"Name": "new"}},
		{n: 67, name: "of another row", body: with("widget", `"$SF15"`), seed: f{"Name": "its own parent"}, verdict: landed, want: f{"Widget__c": "$SF"}},
		{n: 68, name: "as a parent", body: with("widget", `"$ALIEN"`), verdict: "dead MALFORMED_ID"},
		{n: 68, name: "as the row itself", pipeline: "idents", body: `{"id":"$ALIEN","name":"x"}`, verdict: "dead MALFORMED_ID"},
		{n: 69, name: "as a parent", body: with("widget", `"a00000000000AbCAAB"`), verdict: wrongType},
		{n: 70, name: "in a record", body: with("Widget__r.Ext__c", `"x"`), verdict: unknownMember},
		{n: 72, name: "an object", body: named(`{"a":1}`), verdict: wrongType},
		{n: 72, name: "an array", body: named(`["a"]`), verdict: wrongType},
		{n: 73, name: "a record", body: zipped(t, []byte(named(`"x"`))), verdict: notJSON},
		{n: 74, name: "by gzip", header: encoded(bus.EncodingGzip), body: gzipBomb(), verdict: frameUnreadable},
		{n: 74, name: "by zstd", header: encoded(bus.EncodingZstd), body: zstdBomb(), verdict: frameUnreadable},
		{n: 75, name: "of arrays", body: named(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), verdict: notJSON},
		{n: 75, name: "of objects in a member that nobody maps", body: with("deep", strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)), verdict: notJSON},
		{n: 76, name: "plain", body: named(array(mebi)), verdict: refusedByThePublisher},
		{n: 76, name: "compressed", header: encoded(bus.EncodingGzip), body: zipped(t, []byte(named(array(mebi)))), verdict: frameUnreadable},
		{n: 76, name: "300,000", body: named(array(300_000)), verdict: wrongType},
		{n: 77, name: "in the batch", header: batch, body: batchOf(t, batched, "") + string(protowire.AppendString(protowire.AppendTag(nil, 9, protowire.BytesType), "v2")), verdict: frameUnreadable},
		{n: 78, name: "the newer one first", pipeline: "version", entity: "back", body: `{"id":"$ID","v":2,"name":"newer"}`, verdict: landed, want: f{"Name": "newer"}},
		{n: 78, name: "then the older one", pipeline: "version", entity: "back", body: `{"id":"$ID","v":1,"name":"older"}`, verdict: superseded, want: f{"Name": "newer"}},
		{n: 79, name: "the first", pipeline: "version", entity: "same", body: `{"id":"$ID","v":7,"name":"one"}`, verdict: landed, want: f{"Name": "one"}},
		{n: 79, name: "the other", pipeline: "version", entity: "same", body: `{"id":"$ID","v":7,"name":"two"}`, verdict: versionConflict, want: f{"Name": "one"}},
		{n: 80, name: "far ahead", entity: "time", header: nats.Header{bus.HeaderEventTime: {"2099-12-31T23:59:59Z"}}, body: named(`"first"`), verdict: landed, want: f{"Name": "second"}},
		{n: 80, name: "long ago, and newer", entity: "time", header: nats.Header{bus.HeaderEventTime: {"1999-12-31T23:59:59Z"}}, body: named(`"second"`), verdict: landed, want: f{"Name": "second"}},
		{n: 81, name: "short ones", header: manyHeaders(10_000, "x"), body: named(`"x"`), verdict: refusedByThePublisher},
		{n: 81, name: "long ones", header: manyHeaders(10_000, strings.Repeat("x", 128)), body: named(`"x"`), verdict: refusedByThePublisher},
		{n: 81, name: "as many as a broker takes", header: manyHeaders(6_000, ""), body: named(`"x"`), verdict: landed, want: f{"Name": "x"}},
		{n: 82, name: "too many", subject: "records.widgets.x", body: named(`"x"`), verdict: refusedByThePublisher},
		{n: 82, name: "too few", subject: "records", body: named(`"x"`), verdict: refusedByThePublisher},
		{n: 84, name: "letters for digits", header: nats.Header{bus.HeaderTraceparent: {"00-zz"}}, body: named(`"x"`), verdict: landed, want: f{"Name": "x"}},
		{n: 86, name: "as a name", body: named(`"'; DROP TABLE extractor.records;--"`), verdict: landed, want: f{"Name": "'; DROP TABLE extractor.records;--"}},
		{n: 86, name: "as an id", entity: "'); DELETE FROM extractor.records;--", body: named(`"x"`), verdict: landed, want: f{"Name": "x"}},
		{n: 88, name: "empty, with a header", pipeline: "deletes", header: nats.Header{"Operation": {"delete"}}, body: "", verdict: notJSON},
		{n: 88, name: "a record", pipeline: "deletes", seed: f{"Name": "old"}, body: `{"id":"$ID"}`, verdict: landed, want: deleted},
	}
}

// deleted is want of a row that is there no more.
var deleted = f{"deleted": "yes"}

func utf16le(s string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		b.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return b.String()
}

func members(n int) string {
	var b strings.Builder
	b.WriteString(`{"id":"$ID"`)
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String() + "}"
}

func manyHeaders(n int, value string) nats.Header {
	h := nats.Header{}
	for i := range n {
		h[fmt.Sprintf("X-%d", i)] = []string{value}
	}
	return h
}

func batchOf(t testing.TB, body, key string) string {
	t.Helper()
	out, err := proto.Marshal(&recordv1.RecordBatch{Records: []*recordv1.Record{{Body: []byte(body), Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func zipped(t testing.TB, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// gzipBomb is a gigabyte of blanks, as the largest message that the broker takes holds it: the format allows members one behind the other.
var gzipBomb = sync.OnceValue(func() string {
	const room = mebi - 1024 // for the headers, which the broker counts too
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 8*mebi)) // a buffer takes everything
	_ = w.Close()
	return strings.Repeat(b.String(), room/b.Len())
})

// zstdBomb is a gigabyte of blanks in one piece.
var zstdBomb = sync.OnceValue(func() string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // of its options
	}
	blanks := bytes.Repeat([]byte(" "), 8*mebi)
	for range 128 {
		_, _ = w.Write(blanks)
	}
	_ = w.Close()
	return b.String()
})
