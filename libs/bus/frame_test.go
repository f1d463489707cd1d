package bus_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

const ndjson = bus.TypeNDJSON

func TestDecodeFrame(t *testing.T) {
	for _, c := range []struct {
		name   string
		header nats.Header
		body   string
		want   []string
		code   string
	}{
		{"no content type is one record", nil, "{\"a\":1}\n{\"b\":2}", []string{"{\"a\":1}\n{\"b\":2}"}, ""},
		{"JSON is one record", header("Content-Type", "application/json; charset=utf-8"), `{"a":1}`, []string{`{"a":1}`}, ""},
		{"an empty message is one record, for the mapping to refuse", nil, "", []string{""}, ""},
		{"a frame is a record a line", header("Content-Type", ndjson), "{\"a\":1}\n{\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}, ""},
		{"its last line needs no line feed", header("Content-Type", ndjson), "{\"a\":1}\n{\"b\":2}", []string{`{"a":1}`, `{"b":2}`}, ""},
		{"CRLF ends lines too", header("Content-Type", ndjson), "{\"a\":1}\r\n{\"b\":2}\r\n", []string{`{"a":1}`, `{"b":2}`}, ""},
		{"blank lines are no records", header("Content-Type", ndjson), "\n{\"a\":1}\n\n \t\r\n{\"b\":2}\n\n", []string{`{"a":1}`, `{"b":2}`}, ""},
		{"a byte order mark is skipped", header("Content-Type", ndjson), "\xef\xbb\xbf{\"a\":1}", []string{`{"a":1}`}, ""},
		{"lines that are no JSON are records, for the mapping to refuse", header("Content-Type", ndjson), "x\n\xff\n", []string{"x", "\xff"}, ""},
		{"a header in another case counts", header("content-type", strings.ToUpper(ndjson)), "1\n2", []string{"1", "2"}, ""},
		{"the count that fits", header("Content-Type", ndjson, "Bulkhead-Count", "2"), "1\n2", []string{"1", "2"}, ""},
		{"a good run and time", header("Bulkhead-Run", "load-2026.01_a", "Bulkhead-Event-Time", "2026-01-31T09:30:00+01:00"), "1", []string{"1"}, ""},
		{"a malformed trace is ignored", header("traceparent", "zz"), "1", []string{"1"}, ""},
		{"identity is no encoding", header("Content-Encoding", "identity"), "1", []string{"1"}, ""},

		{"an empty frame", header("Content-Type", ndjson), "\n\n", nil, record.CodeFrameUnreadable},
		{"a count that does not fit", header("Content-Type", ndjson, "Bulkhead-Count", "3"), "1\n2", nil, record.CodeFrameUnreadable},
		{"a count of one record that does not fit", header("Bulkhead-Count", "2"), "1", nil, record.CodeFrameUnreadable},
		{"a count that is none", header("Bulkhead-Count", "-1"), "1", nil, record.CodeFrameUnreadable},
		{"too many records", header("Content-Type", ndjson), strings.Repeat("1\n", bus.MaxFrameRecords+1), nil, record.CodeFrameUnreadable},
		{"too many bytes", header("Content-Type", ndjson), strings.Repeat(strings.Repeat("x", 1023)+"\n", 901), nil, record.CodeFrameUnreadable},
		{"a type that nobody knows", header("Content-Type", "text/csv"), "1", nil, record.CodeFrameUnreadable},
		{"a type that is none", header("Content-Type", ";;;"), "1", nil, record.CodeFrameUnreadable},
		{"a run that is none", header("Bulkhead-Run", "a b"), "1", nil, record.CodeFrameUnreadable},
		{"a run that is too long", header("Bulkhead-Run", strings.Repeat("a", 65)), "1", nil, record.CodeFrameUnreadable},
		{"a time that is none", header("Bulkhead-Event-Time", "yesterday"), "1", nil, record.CodeFrameUnreadable},
		{"a message id that can be no key", header("Nats-Msg-Id", strings.Repeat("a", 2000)), "1", nil, record.CodeTooLarge},
		{"a message id that is no text", header("Nats-Msg-Id", "\xff"), "1", nil, record.CodeBadUTF8},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, refusal := bus.DecodeFrame(c.header, []byte(c.body))
			if c.code != "" {
				if refusal == nil || refusal.Code != c.code || refusal.Message == "" || refusal.Content != record.HashRaw([]byte(c.body)) || got != nil {
					t.Errorf("%+v, %d records", refusal, len(got))
				}
				return
			}
			if refusal != nil || len(got) != len(c.want) {
				t.Fatalf("%+v, %d records", refusal, len(got))
			}
			for i, r := range got {
				if r.Idx != uint32(i) || string(r.Body) != c.want[i] {
					t.Errorf("%d: %q", r.Idx, r.Body)
				}
			}
		})
	}
	t.Run("a message id names a single record, never one of a frame", func(t *testing.T) {
		got, _ := bus.DecodeFrame(header("Nats-Msg-Id", "m-1"), []byte("{}"))
		if got[0].Key != "m-1" {
			t.Errorf("%+v", got)
		}
		got, _ = bus.DecodeFrame(header("Nats-Msg-Id", "m-1", "Content-Type", ndjson), []byte("{}"))
		if got[0].Key != "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a full frame of the most records passes", func(t *testing.T) {
		got, refusal := bus.DecodeFrame(header("Content-Type", ndjson), []byte(strings.Repeat("1\n", bus.MaxFrameRecords)))
		if refusal != nil || len(got) != bus.MaxFrameRecords {
			t.Errorf("%v, %d", refusal, len(got))
		}
	})
}

func TestDecodeSome(t *testing.T) {
	lines := []byte("\n{\"a\":1}\n\n{\"b\":2}\nx\n{\"d\":4}\n")
	records := batch(one("{}", "k-0"), one("x", strings.Repeat("k", 2000)), one("y", "k-2"))
	for _, c := range []struct {
		name   string
		header nats.Header
		body   []byte
		places []uint32
		want   []string
	}{
		{"gives the lines of these places", header("Content-Type", ndjson), lines, []uint32{1, 3}, []string{"1:{\"b\":2}", "3:{\"d\":4}"}},
		{"gives the records of these places", header("Content-Type", bus.TypeProtobuf), records, []uint32{0, 2}, []string{"0:{}", "2:y"}},
		{"gives a single record", nil, []byte("{}"), []uint32{0}, []string{"0:{}"}},
		{"gives one that is asked for twice once", header("Content-Type", ndjson), lines, []uint32{2, 2}, []string{"2:x"}},
		{"gives nothing for a place behind the end", header("Content-Type", ndjson), lines, []uint32{4, 9}, nil},
		{"gives nothing when nothing is wanted", header("Content-Type", bus.TypeProtobuf), records, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, refusal := bus.DecodeSome(c.header, c.body, c.places)
			var said []string
			for _, r := range got {
				said = append(said, fmt.Sprintf("%d:%s", r.Idx, r.Body))
			}
			if refusal != nil || !slices.Equal(said, c.want) {
				t.Errorf("%q, %+v", said, refusal)
			}
		})
	}
	t.Run("gives nothing of a message that cannot be taken apart", func(t *testing.T) {
		for _, h := range []nats.Header{header("Content-Type", "text/csv"), header("Content-Type", ndjson, "Bulkhead-Count", "9"), header("Content-Type", bus.TypeProtobuf)} {
			if got, refusal := bus.DecodeSome(h, lines, []uint32{0}); refusal == nil || got != nil {
				t.Errorf("%v: %v", h, got)
			}
		}
	})
}

func TestTraceparent(t *testing.T) {
	good := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := bus.Traceparent(header("traceparent", good)); got != good {
		t.Error(got)
	}
	for _, bad := range []string{
		"", "00", strings.ToUpper(good), good + "-x", "ff" + good[2:], "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-" + strings.Repeat("0", 16) + "-01", strings.Repeat(good, 9),
	} {
		if got := bus.Traceparent(header("traceparent", bad)); got != "" {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

// FuzzDecodeFrame checks what holds for every message: records or one refusal, never both, indices without gaps, and bounds.
func FuzzDecodeFrame(f *testing.F) {
	for _, seed := range []string{"", "{}", "{}\n{}", "\n\n", "\xef\xbb\xbf{}\r\n", "\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		f.Add(ndjson, "1", "", []byte(seed))
		f.Add("", "", "", []byte(seed))
	}
	frame := batch(one("{}", "k"), one("", ""))
	f.Add(bus.TypeProtobuf, "2", "", frame)
	f.Add(bus.TypeProtobuf, "", "gzip", gzipped(f, frame))
	f.Add(bus.TypeProtobuf, "", "ZSTD", zstded(f, frame))
	f.Add(ndjson, "", "gzip", gzipped(f, []byte("{}\n{}")))
	f.Add(ndjson, "", "gzip, zstd", gzipped(f, []byte("{}\n{}")))
	f.Fuzz(func(t *testing.T, contentType, count, encoding string, body []byte) {
		h := nats.Header{"Content-Type": {contentType}, "Bulkhead-Count": {count}, "Content-Encoding": {encoding}}
		before := bytes.Clone(body)
		got, refusal := bus.DecodeFrame(h, body)
		if !bytes.Equal(before, body) {
			t.Fatal("the message was changed")
		}
		if (refusal == nil) != (len(got) > 0) || len(got) > bus.MaxFrameRecords {
			t.Fatalf("%d records and %+v", len(got), refusal)
		}
		if refusal != nil && (refusal.Message == "" || !utf8.ValidString(refusal.Message) || refusal.Content != record.HashRaw(body) || refusal.Code != record.CodeFrameUnreadable) {
			t.Fatalf("%+v", refusal)
		}
		plain := encoding == ""
		size, rest := 0, body
		for i, r := range got {
			if r.Idx != uint32(i) {
				t.Fatalf("record %d has the index %d", i, r.Idx)
			}
			if r.Refusal != nil && (r.Key != "" || r.Refusal.Message == "" || r.Refusal.Code == "") || r.Refusal == nil && record.CheckKey("", r.Key) != nil {
				t.Fatalf("%+v", r)
			}
			if size += len(r.Body); !plain && size > bus.MaxFrameBytes {
				t.Fatalf("%d bytes were unpacked", size)
			}
			if !plain || contentType != ndjson {
				continue
			}
			at := bytes.Index(rest, r.Body)
			if at < 0 {
				t.Fatalf("record %d is not in the message: %q", i, r.Body)
			}
			rest = rest[at+len(r.Body):]
		}
	})
}

func BenchmarkDecodeFrame(b *testing.B) {
	var body bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&body, "{\"id\":\"con-%d\",\"first_name\":\"Ada\",\"last_name\":\"Example\"}\n", i)
	}
	h := header("Content-Type", ndjson)
	b.SetBytes(int64(body.Len()))
	for b.Loop() {
		if _, r := bus.DecodeFrame(h, body.Bytes()); r != nil {
			b.Fatal(r)
		}
	}
}
