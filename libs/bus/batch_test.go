package bus_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
)

func one(body, key string) *recordv1.Record { return &recordv1.Record{Body: []byte(body), Key: key} }

// batch is what any publisher with the generated code sends.
func batch(records ...*recordv1.Record) []byte {
	b, err := proto.Marshal(&recordv1.RecordBatch{Records: records})
	if err != nil {
		panic(err)
	}
	return b
}

// wire writes one field of bytes.
func wire(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func TestDecodeBatch(t *testing.T) {
	kind := header("Content-Type", bus.TypeProtobuf)
	t.Run("records come in their order, with their keys", rapid.MakeCheck(func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *recordv1.Record {
			body := rapid.OneOf(rapid.String(), rapid.Map(rapid.SampledFrom([]int{125, 127, 128, 16_383, 16_384}), func(n int) string { return strings.Repeat("x", n) }))
			return one(body.Draw(t, "body"), rapid.StringMatching(`[a-zA-Z0-9:é./-]{0,20}`).Draw(t, "key"))
		}), 1, 20).Draw(t, "records")
		got, refusal := bus.DecodeFrame(kind, batch(records...))
		if refusal != nil || len(got) != len(records) {
			t.Fatalf("%+v, %d records", refusal, len(got))
		}
		for i, r := range got {
			if r.Idx != uint32(i) || !bytes.Equal(r.Body, records[i].GetBody()) || r.Key != records[i].GetKey() || r.Refusal != nil {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
	}))
	t.Run("an empty body is a record, for the mapping to refuse", func(t *testing.T) {
		got, refusal := bus.DecodeFrame(kind, batch(one("", ""), one("{}", "")))
		if refusal != nil || len(got) != 2 || len(got[0].Body) != 0 || string(got[1].Body) != "{}" {
			t.Fatalf("%+v, %+v", got, refusal)
		}
	})
	t.Run("Nats-Msg-Id names the frame, never a record", func(t *testing.T) {
		got, _ := bus.DecodeFrame(header("Content-Type", bus.TypeProtobuf, "Nats-Msg-Id", "m"), batch(one("{}", "")))
		if len(got) != 1 || got[0].Key != "" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("the most records pass, and bodies are not copied", func(t *testing.T) {
		records := make([]*recordv1.Record, bus.MaxFrameRecords)
		for i := range records {
			records[i] = one("{}", "")
		}
		frame := batch(records...)
		got, refusal := bus.DecodeFrame(header("Content-Type", bus.TypeProtobuf, "Bulkhead-Count", "10000"), frame)
		if refusal != nil || len(got) != bus.MaxFrameRecords || &got[0].Body[0] != &frame[4] {
			t.Fatalf("%+v, %d records", refusal, len(got))
		}
	})
	for _, c := range []struct {
		name, key, code string
	}{
		{"a key that is too long", strings.Repeat("k", record.MaxKeyBytes+1), record.CodeTooLarge},
		{"a key that is no text", "\xff", record.CodeBadUTF8},
		{"a key with U+0000", "a\x00", record.CodeNULCharacter},
		{"a key with a line feed", "a\nb", record.CodeUnrepresentable},
	} {
		t.Run(c.name+" refuses its record and no other", func(t *testing.T) {
			bad := append(wire(1, []byte(`{"id":"bad"}`)), wire(2, []byte(c.key))...)
			frame := append(append(batch(one(`{"id":"a"}`, "a")), wire(1, bad)...), batch(one(`{"id":"b"}`, "b"))...)
			got, refusal := bus.DecodeFrame(kind, frame)
			if refusal != nil || len(got) != 3 || got[0].Refusal != nil || got[2].Refusal != nil || got[2].Key != "b" || got[2].Idx != 2 {
				t.Fatalf("%+v, %+v", got, refusal)
			}
			r := got[1]
			if r.Refusal == nil || r.Refusal.Code != c.code || r.Key != "" || string(r.Body) != `{"id":"bad"}` || r.Refusal.Content != record.HashRaw(r.Body) {
				t.Fatalf("%+v", r)
			}
		})
	}
	long := batch(one(strings.Repeat("x", 100), "k"))
	tooMany := bytes.Repeat(wire(1, nil), bus.MaxFrameRecords+1)
	for _, c := range []struct {
		name, count, says string
		body              []byte
	}{
		{"nothing at all", "", "no record", nil},
		{"a batch that was cut", "", "ends too early", long[:50]},
		{"a batch that was cut in its first number", "", "ends too early", long[:1]},
		{"a batch that was cut between records", "2", "says 2 records", batch(one("{}", ""))},
		{"a count that does not fit", "1", "holds 2", batch(one("{}", ""), one("{}", ""))},
		{"too many records", "", "more than 10000", tooMany},
		{"too many bytes", "", "smaller frames", batch(one(strings.Repeat("x", bus.MaxFrameBytes), ""))},
		{"JSON where a batch should be", "", "", []byte(`{"id":"a"}`)},
		{"a field that a newer publisher writes", "", "field 3", wire(1, append(wire(1, []byte("{}")), wire(3, []byte("x"))...))},
		{"a field of the batch that a newer publisher writes", "", "field 2", append(wire(2, []byte("x")), batch(one("{}", ""))...)},
		{"a body twice", "", "twice", wire(1, append(wire(1, []byte("{}")), wire(1, []byte("[]"))...))},
		{"a number where a body should be", "", "another type", wire(1, protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7))},
		{"a length beyond the end", "", "ends too early", []byte{0x0a, 0xff, 0xff, 0xff, 0x7f}},
		{"a length beyond all numbers", "", "no protobuf", append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 11)...)},
		{"the field 0", "", "no protobuf", []byte{0x02, 0x00}},
	} {
		t.Run(c.name+" makes the frame unreadable", func(t *testing.T) {
			h := header("Content-Type", bus.TypeProtobuf, "Bulkhead-Count", c.count)
			got, refusal := bus.DecodeFrame(h, c.body)
			if refusal == nil || got != nil || refusal.Code != record.CodeFrameUnreadable || !strings.Contains(refusal.Message, c.says) || refusal.Content != record.HashRaw(c.body) {
				t.Fatalf("%+v, %d records", refusal, len(got))
			}
		})
	}
}
