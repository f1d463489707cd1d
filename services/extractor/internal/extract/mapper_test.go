package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
	"bulkhead/services/extractor/internal/decide"
)

func mapperOf(t testing.TB, yaml string) *mapper {
	t.Helper()
	def, _, err := pipeline.ParseDefinition([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	ordinals := map[string]int{}
	for i, c := range def.Header() {
		ordinals[c] = len(def.Header()) - i
	}
	return newMapper(def, ordinals)
}

func TestMapper(t *testing.T) {
	t.Parallel()
	const content = `{"id":"a","last":"L"}`
	plain, withKey := definition(defaultMap), definition(defaultMap, keyed)
	msgID := nats.Header{jetstream.MsgIDHeader: {"m-1"}}
	inserts, contents := other("insert", "correlation: External_Id__c", defaultMap), other("insert", "correlation: content", contentMap)
	batch, err := proto.Marshal(&recordv1.RecordBatch{Records: []*recordv1.Record{{Key: "b-1", Body: []byte(content)}}})
	if err != nil {
		t.Fatal(err)
	}
	batched := nats.Header{bus.HeaderContentType: {bus.TypeProtobuf}, jetstream.MsgIDHeader: {"frame-1"}}
	frame := nats.Header{bus.HeaderContentType: {bus.TypeNDJSON}, jetstream.MsgIDHeader: {"frame-1"}}
	body := mapperOf(t, plain).message(nil, bus.Msg{Seq: 1, Data: []byte(content)})[0].Content
	for _, c := range []struct {
		name   string
		yaml   string
		header nats.Header
		data   string
		kind   decide.KeyKind
		key    string
	}{
		{"the definition's members name the event before anything else", withKey, msgID, `{"event":"e1","id":"a"}`, decide.KeyNamed, "e1"},
		{"a key of the form that is made for records without one is not taken", plain, nats.Header{jetstream.MsgIDHeader: {"@7.0"}}, content, decide.KeyUnknown, "@1.0"},
		{"a member of such a form is not taken either", withKey, nil, `{"event":"@7.0","id":"a"}`, decide.KeyUnknown, "@1.0"},
		{"a member that should name the event and is absent is not replaced by the message id", withKey, msgID, `{"id":"a"}`, decide.KeyUnknown, "@1.0"},
		{"the message id names a single record", plain, msgID, content, decide.KeyNamed, "m-1"},
		{"the message id names a single record that is no JSON", plain, msgID, `{`, decide.KeyNamed, "m-1"},
		{"in a frame the message id names no record", plain, frame, content, decide.KeyFromBody, record.BodyKey(body, record.Place{Seq: 1})},
		{"without any key the body makes one", plain, nil, content, decide.KeyFromBody, record.BodyKey(body, record.Place{Seq: 1})},
		{"without key and entity the place makes one", plain, nil, `{"last":"L"}`, decide.KeyUnknown, "@1.0"},
		{"a message id that cannot be a key is refused under its place", plain, nats.Header{jetstream.MsgIDHeader: {"a\x01b"}}, content, decide.KeyUnknown, "@1.0"},
		{"a batch gives each record its key", plain, batched, string(batch), decide.KeyNamed, "b-1"},
		{"the key in a batch names an insert", inserts, batched, string(batch), decide.KeyNamed, "b-1"},
		{"an insert is not named by its body", inserts, nil, content, decide.KeyUnknown, "@1.0"},
		{"an insert is not named by its frame", inserts, frame, content, decide.KeyUnknown, "@1.0"},
		{"an insert without a key field is named by its message", contents, msgID, `{"last":"L"}`, decide.KeyNamed, "m-1"},
		{"an insert without a key field that nothing names has its place", contents, nil, `{"last":"L"}`, decide.KeyUnknown, "@1.0"},
		{"an unreadable frame is one record", plain, frame, "\n\n", decide.KeyUnknown, "@1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := mapperOf(t, c.yaml).message(nil, bus.Msg{Seq: 1, Header: c.header, Data: []byte(c.data)})
			if len(got) != 1 || !got[0].Last {
				t.Fatalf("%d candidates", len(got))
			}
			got[0].NameByBody(testPipeline)
			if got[0].KeyKind != c.kind || got[0].Key != c.key || got[0].KeyHash != record.HashKey(testPipeline, c.key) {
				t.Errorf("key %q of kind %d, want %q of kind %d", got[0].Key, got[0].KeyKind, c.key, c.kind)
			}
		})
	}

	t.Run("records of a frame have rising places and the last one says so", func(t *testing.T) {
		t.Parallel()
		got := mapperOf(t, plain).message(nil, bus.Msg{Seq: 9, Header: frame, Data: []byte(content + "\n{}\n" + content)})
		var places []string
		var last []bool
		for _, c := range got {
			places, last = append(places, c.Place.String()), append(last, c.Last)
		}
		if diff := cmp.Diff([]string{"9.0", "9.1", "9.2"}, places); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]bool{false, false, true}, last); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("a batch's key that can be none refuses its record alone, under its place and without an entity", func(t *testing.T) {
		t.Parallel()
		batch := nats.Header{bus.HeaderContentType: {bus.TypeProtobuf}}
		got := mapperOf(t, plain).message(nil, bus.Msg{Seq: 9, Header: batch, Data: batchOf(t, "k-1", content, "a\x01b", content, "k-3", `{"id":"b","last":"L"}`)})
		var keys, codes []string
		for _, c := range got {
			keys = append(keys, c.Key)
			code := ""
			if c.Refusal != nil {
				code = c.Refusal.Code
			}
			codes = append(codes, code)
		}
		if diff := cmp.Diff([]string{"k-1", "@9.1", "k-3"}, keys); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"", record.CodeUnrepresentable, ""}, codes); diff != "" {
			t.Error(diff)
		}
		bad := got[1]
		if bad.Cells != nil || bad.HasEntity || bad.Lane != record.LaneNone || bad.KeyKind != decide.KeyUnknown ||
			bad.KeyHash != record.HashKey(testPipeline, "@9.1") || bad.Content != record.HashRaw([]byte(content)) || string(bad.Payload) != content {
			t.Errorf("%+v", bad)
		}
	})

	t.Run("columns are those that the record names, by their ordinals", func(t *testing.T) {
		t.Parallel()
		got := mapperOf(t, plain).message(nil, bus.Msg{Seq: 1, Data: []byte(`{"id":"a","email":null}`)})[0]
		// The ordinals of the test run backwards: 3 is the external id, 1 the last column.
		if diff := cmp.Diff([]int{1, 3}, got.Columns.Ordinals()); diff != "" {
			t.Error(diff)
		}
	})
}

// batchOf makes a RecordBatch of keys and bodies in turn.
func batchOf(t testing.TB, keysAndBodies ...string) []byte {
	t.Helper()
	var b recordv1.RecordBatch
	for i := 0; i < len(keysAndBodies); i += 2 {
		b.Records = append(b.Records, &recordv1.Record{Key: keysAndBodies[i], Body: []byte(keysAndBodies[i+1])})
	}
	out, err := proto.Marshal(&b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"id":"a"}`), "", "")
	f.Add([]byte("{\"id\":\"a\"}\n{}"), bus.TypeNDJSON, "m")
	f.Add([]byte("\xff\x00"), bus.TypeNDJSON, "\xff")
	f.Add(batchOf(f, "k", `{"id":"a"}`, "a\x01b", `{"id":"b"}`, "@1.0", "{"), bus.TypeProtobuf, "m")
	m := mapperOf(f, definition(defaultMap))
	f.Fuzz(func(t *testing.T, data []byte, contentType, id string) {
		h := nats.Header{bus.HeaderContentType: {contentType}, jetstream.MsgIDHeader: {id}}
		got := m.message(nil, bus.Msg{Seq: 1, Header: h, Data: data})
		if len(got) == 0 || !got[len(got)-1].Last {
			t.Fatal("a message gave no record, or none that is its last")
		}
		for i, c := range got {
			c.NameByBody(testPipeline)
			if c.Place != (record.Place{Seq: 1, Idx: uint32(i)}) || c.Key == "" || (c.Refusal == nil) == (c.Cells == nil) || c.HasEntity != (c.Lane >= 0) {
				t.Fatalf("candidate %d is %+v", i, c)
			}
		}
	})
}
