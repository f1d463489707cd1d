package bus_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
)

// gzipped packs with the standard library: what is read is not what wrote it.
func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func zstded(t testing.TB, data []byte, options ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, options...)
	must(t, err)
	defer func() { must(t, w.Close()) }()
	return w.EncodeAll(data, nil)
}

// zstdStream packs without knowing the size beforehand, as a pipe does.
func zstdStream(t testing.TB, data io.Reader, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, options...)
	must(t, err)
	_, err = io.Copy(w, data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// zeros reads as n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestDecodeEncodings(t *testing.T) {
	lines := []byte("{\"id\":\"a\"}\n{\"id\":\"b\"}\n")
	frame := func(encoding string, more ...string) nats.Header {
		return header(append([]string{"Content-Type", ndjson, "Content-Encoding", encoding}, more...)...)
	}
	for _, c := range []struct {
		name   string
		header nats.Header
		body   []byte
	}{
		{"gzip", frame("gzip"), gzipped(t, lines)},
		{"zstd", frame("zstd"), zstded(t, lines)},
		{"zstd whose size is not told", frame("zstd"), zstdStream(t, bytes.NewReader(lines))},
		{"zstd without a checksum", frame("zstd"), zstded(t, lines, zstd.WithEncoderCRC(false))},
		{"zstd at its best", frame("zstd"), zstdStream(t, bytes.NewReader(lines), zstd.WithEncoderLevel(zstd.SpeedBestCompression))},
		{"an encoding in capitals", frame(" GZip "), gzipped(t, lines)},
		{"a header in small letters", header("content-type", ndjson, "content-encoding", "zstd"), zstded(t, lines)},
		{"identity beside an encoding", frame("identity, gzip"), gzipped(t, lines)},
		{"several gzip members, which are one body", frame("gzip"), append(gzipped(t, lines[:5]), gzipped(t, lines[5:])...)},
		{"several zstd frames, which are one body", frame("zstd"), append(zstded(t, lines[:5]), zstded(t, lines[5:])...)},
		{"a count that fits what is inside", frame("gzip", "Bulkhead-Count", "2"), gzipped(t, lines)},
		{"a byte order mark inside", frame("gzip"), gzipped(t, append([]byte("\xef\xbb\xbf"), lines...))},
		{"a batch", header("Content-Type", bus.TypeProtobuf, "Content-Encoding", "zstd"), zstded(t, batch(one(`{"id":"a"}`, ""), one(`{"id":"b"}`, "")))},
	} {
		t.Run(c.name+" is unpacked", func(t *testing.T) {
			for range 3 { // what is kept for the next one must not shine through
				got, refusal := bus.DecodeFrame(c.header, c.body)
				if refusal != nil || len(got) != 2 || string(got[0].Body) != `{"id":"a"}` || string(got[1].Body) != `{"id":"b"}` {
					t.Fatalf("%+v, %+v", got, refusal)
				}
			}
		})
	}
	t.Run("a single record is unpacked too, and its message id stays its key", func(t *testing.T) {
		got, refusal := bus.DecodeFrame(header("Content-Encoding", "gzip", "Nats-Msg-Id", "m"), gzipped(t, []byte("{}")))
		if refusal != nil || len(got) != 1 || string(got[0].Body) != "{}" || got[0].Key != "m" {
			t.Fatalf("%+v, %+v", got, refusal)
		}
	})
	t.Run("records stay what they are when other messages are unpacked", func(t *testing.T) {
		got, _ := bus.DecodeFrame(frame("gzip"), gzipped(t, lines))
		if _, refusal := bus.DecodeFrame(frame("gzip"), gzipped(t, bytes.Repeat([]byte("x"), 1000))); refusal != nil {
			t.Fatal(refusal)
		}
		if string(got[1].Body) != `{"id":"b"}` {
			t.Errorf("%q", got[1].Body)
		}
	})
	t.Run("whatever was packed comes back", rapid.MakeCheck(func(rt *rapid.T) {
		body := []byte(rapid.StringMatching(`[^\x1f\x28][a-z0-9]{0,300}`).Draw(rt, "body"))
		repeated := bytes.Repeat(body, rapid.IntRange(1, 200).Draw(rt, "times"))
		for encoding, packed := range map[string][]byte{"gzip": gzipped(t, repeated), "zstd": zstded(t, repeated)} {
			got, refusal := bus.DecodeFrame(header("Content-Encoding", encoding), packed)
			if refusal != nil || len(got) != 1 || !bytes.Equal(got[0].Body, repeated) {
				rt.Fatalf("%s: %+v", encoding, refusal)
			}
		}
	}))
	t.Run("the largest frame passes, and one byte more does not", func(t *testing.T) {
		largest := bytes.Repeat([]byte("x"), bus.MaxFrameBytes)
		for encoding, pack := range map[string]func([]byte) []byte{
			"gzip": func(b []byte) []byte { return gzipped(t, b) },
			"zstd": func(b []byte) []byte { return zstded(t, b) },
		} {
			got, refusal := bus.DecodeFrame(frame(encoding), pack(largest))
			if refusal != nil || len(got) != 1 || len(got[0].Body) != bus.MaxFrameBytes {
				t.Fatalf("%s: %+v", encoding, refusal)
			}
			_, refusal = bus.DecodeFrame(frame(encoding), pack(append(largest, 'x')))
			if refusal == nil || !strings.Contains(refusal.Message, "921600 bytes") {
				t.Fatalf("%s: %+v", encoding, refusal)
			}
		}
	})
	wrongSum := gzipped(t, lines)
	wrongSum[len(wrongSum)-8]++
	wrongLength := gzipped(t, lines)
	wrongLength[len(wrongLength)-1]++
	wrongZstd := zstded(t, lines)
	wrongZstd[len(wrongZstd)-1]++
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256)) //nolint:gosec // a test's noise
	}
	for _, c := range []struct {
		name   string
		header nats.Header
		body   []byte
		says   string
	}{
		{"an encoding that nobody knows", frame("br"), lines, `"br" is not known: use gzip or zstd`},
		{"two encodings", frame("gzip, zstd"), gzipped(t, lines), "more than one encoding"},
		{"one encoding twice", frame("gzip, gzip"), gzipped(t, gzipped(t, lines)), "more than one encoding"},
		{"two encodings in two headers", nats.Header{"Content-Type": {ndjson}, "Content-Encoding": {"gzip", "gzip"}}, gzipped(t, lines), "more than one encoding"},
		{"two encodings in headers of two spellings", nats.Header{"Content-Encoding": {"gzip"}, "content-encoding": {"zstd"}}, gzipped(t, lines), "more than one encoding"},
		{"gzip within gzip", frame("gzip"), gzipped(t, gzipped(t, lines)), "compressed twice"},
		{"zstd within gzip", frame("gzip"), gzipped(t, zstded(t, lines)), "compressed twice"},
		{"gzip within zstd", frame("zstd"), zstded(t, gzipped(t, lines)), "compressed twice"},
		{"an empty body as gzip", frame("gzip"), nil, "ends too early"},
		{"an empty body as zstd", frame("zstd"), nil, "empty"},
		{"nothing as gzip", frame("gzip"), gzipped(t, nil), "no record"},
		{"a body that is not packed", frame("gzip"), lines, "does not begin as gzip"},
		{"a body that is not packed, as zstd", frame("zstd"), lines, "does not begin as zstd"},
		{"gzip said to be zstd", frame("zstd"), gzipped(t, lines), "does not begin as zstd"},
		{"gzip that was cut", frame("gzip"), gzipped(t, lines)[:20], "ends too early"},
		{"gzip that was cut in its trailer", frame("gzip"), gzipped(t, lines)[:len(gzipped(t, lines))-1], "ends too early"},
		{"gzip without its trailer", frame("gzip"), gzipped(t, lines)[:len(gzipped(t, lines))-8], "ends too early"},
		{"gzip with another checksum", frame("gzip"), wrongSum, "checksum"},
		{"gzip with another length", frame("gzip"), wrongLength, "checksum or length"},
		{"gzip with something behind it", frame("gzip"), append(gzipped(t, lines), "tail of it"...), "something follows its end"},
		{"gzip with zeros behind it", frame("gzip"), append(gzipped(t, lines), make([]byte, 10)...), "something follows its end"},
		{"zstd that was cut", frame("zstd"), zstded(t, lines)[:10], "ends too early"},
		{"zstd with another checksum", frame("zstd"), wrongZstd, "checksum"},
		{"zstd with something behind it", frame("zstd"), append(zstded(t, lines), "tail"...), ""},
		{"zstd with a window beyond bounds", frame("zstd"), zstdStream(t, zeros(bus.MaxFrameBytes), zstd.WithWindowSize(64<<20)), "window"},
		{"zstd with a dictionary", frame("zstd"), []byte("\x28\xb5\x2f\xfd\x23\x01\x00\x00\x00\x05\x01\x00\x00"), "dictionary"},
		{"noise as gzip", frame("gzip"), append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), noise...), ""},
		{"noise as zstd", frame("zstd"), append([]byte("\x28\xb5\x2f\xfd"), noise...), ""},
		{"a count that does not fit what is inside", frame("gzip", "Bulkhead-Count", "3"), gzipped(t, lines), "says 3 records"},
	} {
		t.Run(c.name+" is refused with words", func(t *testing.T) {
			got, refusal := bus.DecodeFrame(c.header, c.body)
			if refusal == nil || got != nil || refusal.Code != record.CodeFrameUnreadable || !strings.Contains(refusal.Message, c.says) || refusal.Content != record.HashRaw(c.body) {
				t.Fatalf("%+v, %+v", got, refusal)
			}
		})
	}
}

func TestDecodeBombs(t *testing.T) {
	const gib = 1 << 30
	var bomb bytes.Buffer
	w, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	must(t, err)
	_, err = io.Copy(w, zeros(gib/4))
	must(t, err)
	must(t, w.Close())
	stream := zstdStream(t, zeros(gib))
	claims := append([]byte("\x28\xb5\x2f\xfd\xe0"), 0, 0, 0, 0x40, 0, 0, 0, 0) // one segment of 1 GiB, and no block
	small := zstded(t, make([]byte, 64<<10))
	for _, c := range []struct {
		name, encoding string
		body           []byte
	}{
		{"gzip", "gzip", bomb.Bytes()},
		{"zstd", "zstd", stream},
		{"zstd that claims its size", "zstd", claims},
		{"many gzip members", "gzip", bytes.Repeat(gzipped(t, make([]byte, 64<<10)), 2000)},
		{"many zstd frames", "zstd", bytes.Repeat(small, 20_000)},
		{"many empty gzip members", "gzip", bytes.Repeat(gzipped(t, nil), 40_000)},
		{"many empty zstd frames", "zstd", bytes.Repeat(zstded(t, nil, zstd.WithZeroFrames(true)), 60_000)},
	} {
		t.Run("a bomb of "+c.name+" takes one frame's memory and is refused", func(t *testing.T) {
			h := header("Content-Type", ndjson, "Content-Encoding", c.encoding)
			bus.DecodeFrame(h, c.body[:len(c.body)/2]) // what is made once for all is no part of it
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, refusal := bus.DecodeFrame(h, c.body)
			runtime.ReadMemStats(&after)
			if refusal == nil || refusal.Code != record.CodeFrameUnreadable {
				t.Fatalf("%+v", refusal)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > bus.MaxFrameBytes+(256<<10) {
				t.Errorf("%d bytes were taken for one of %d", taken, len(c.body))
			}
		})
	}
	t.Run("a batch of half a million empty records takes none", func(t *testing.T) {
		body := bytes.Repeat(wire(1, nil), bus.MaxFrameBytes/2)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, refusal := bus.DecodeFrame(header("Content-Type", bus.TypeProtobuf), body)
		runtime.ReadMemStats(&after)
		if refusal == nil || after.TotalAlloc-before.TotalAlloc > 4<<20 {
			t.Errorf("%+v, %d bytes", refusal, after.TotalAlloc-before.TotalAlloc)
		}
	})
}
