package publish_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"bulkhead/libs/bus"
	"bulkhead/libs/publish"
	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
)

func TestFrames(t *testing.T) {
	for name, opts := range map[string][]publish.Option{
		"a batch carries bodies and keys":        {},
		"gzip changes nothing for who reads":     {publish.WithEncoding(publish.Gzip)},
		"zstd changes nothing for who reads":     {publish.WithEncoding(publish.Zstd)},
		"lines carry bodies, and no keys":        {publish.WithFormat(publish.NDJSON)},
		"compressed lines are read as any other": {publish.WithFormat(publish.NDJSON), publish.WithEncoding(publish.Gzip)},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, 8<<20)
			p := b.publisher(t, append(opts, publish.WithFrame(1<<10, 0))...)
			lines := strings.Contains(name, "lines")
			var want, keys []string
			for i := range 500 {
				r := publish.Record{Body: body(i)}
				if !lines {
					r.Key = fmt.Sprintf("k%d", i)
				}
				add(t, p, r)
				want, keys = append(want, string(r.Body)), append(keys, r.Key)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			gotBodies, gotKeys := b.records(t)
			if !slices.Equal(gotBodies, want) || !slices.Equal(gotKeys, keys) {
				t.Errorf("%d records came out of %d, or in another order", len(gotBodies), len(want))
			}
			if s := p.Stats(); s.Records != 500 || int(s.Frames) != len(b.stored(t)) || s.Frames < 5 || s.Again != 0 {
				t.Errorf("%+v", s)
			}
			ids := map[string]bool{}
			for _, m := range b.stored(t) {
				ids[m.Header.Get(nats.MsgIdHdr)] = true
			}
			if len(ids) != len(b.stored(t)) {
				t.Errorf("%d ids for %d frames", len(ids), len(b.stored(t)))
			}
		})
	}
	t.Run("a frame is a RecordBatch that any protobuf library reads", func(t *testing.T) {
		b := start(t, 1<<20)
		p := b.publisher(t)
		add(t, p, publish.Record{Key: "k", Body: []byte(`{"a":"\u0000"}`)})
		add(t, p, publish.Record{Body: nil})
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var batch recordv1.RecordBatch
		if err := proto.Unmarshal(b.stored(t)[0].Data, &batch); err != nil {
			t.Fatal(err)
		}
		want := &recordv1.RecordBatch{Records: []*recordv1.Record{{Body: []byte(`{"a":"\u0000"}`), Key: "k"}, {}}}
		if !proto.Equal(&batch, want) {
			t.Errorf("%v", &batch)
		}
	})
	t.Run("headers say run, time, trace and count", func(t *testing.T) {
		b := start(t, 1<<20)
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.FixedZone("x", 3600))
		p := b.publisher(t, publish.WithRun("nightly-1"), publish.WithEventTime(func() time.Time { return at }), publish.WithTraceparent(func() string { return trace }))
		add(t, p, publish.Record{Body: body(1)})
		add(t, p, publish.Record{Body: body(2)})
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := b.stored(t)[0].Header
		for name, want := range map[string]string{
			"Bulkhead-Run": "nightly-1", "Bulkhead-Event-Time": "2026-01-31T08:30:00Z", "traceparent": trace, "Bulkhead-Count": "2",
			"Content-Type": "application/x-protobuf",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("acknowledgements tell the sequence of each frame, in order", func(t *testing.T) {
		b := start(t, 1<<20)
		var acks []publish.Ack
		p := b.publisher(t, publish.WithFrame(0, 3), publish.WithAck(func(a publish.Ack) { acks = append(acks, a) }))
		for i := range 8 {
			add(t, p, publish.Record{Body: body(i)})
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(acks) != 3 || acks[0].Sequence != 1 || acks[2].Sequence != 3 || acks[0].Records != 3 || acks[2].Records != 2 || acks[1].Frame != 2 || acks[1].Stream != "RECORDS_p" {
			t.Errorf("%+v", acks)
		}
	})
	t.Run("whatever is added stays within the bounds and in order", func(t *testing.T) {
		b := start(t, 64<<20)
		rapid.Check(t, func(t *rapid.T) {
			aim := rapid.IntRange(1, 3000).Draw(t, "aim")
			most := rapid.IntRange(1, 20).Draw(t, "records")
			sizes := rapid.SliceOfN(rapid.IntRange(0, 4000), 0, 60).Draw(t, "sizes")
			var acks []publish.Ack
			p, err := publish.New(b.conn, "p", publish.WithFrame(aim, most), publish.WithAck(func(a publish.Ack) { acks = append(acks, a) }))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range sizes {
				if err := p.Add(context.Background(), publish.Record{Body: bytes.Repeat([]byte("x"), n)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			var n, at int
			for i, a := range acks {
				if a.Records > most || a.Records > 1 && a.Bytes > aim || i > 0 && a.Sequence != acks[i-1].Sequence+1 {
					t.Fatalf("frame %+v, aim %d, at most %d records", a, aim, most)
				}
				m, err := b.js.Stream(context.Background(), "RECORDS_p")
				if err != nil {
					t.Fatal(err)
				}
				msg, err := m.GetMsg(context.Background(), a.Sequence)
				if err != nil {
					t.Fatal(err)
				}
				rs, refused := bus.DecodeFrame(msg.Header, msg.Data)
				if refused != nil {
					t.Fatal(refused.Message)
				}
				for _, r := range rs {
					if len(r.Body) != sizes[at] {
						t.Fatalf("record %d has %d bytes, want %d", at, len(r.Body), sizes[at])
					}
					at++
				}
				n += a.Records
			}
			if n != len(sizes) {
				t.Fatalf("%d records of %d", n, len(sizes))
			}
		})
	})
}
