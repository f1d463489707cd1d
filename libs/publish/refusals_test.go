package publish_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/publish"
	"bulkhead/libs/testkit"
)

func TestRefusals(t *testing.T) {
	b := start(t, 8<<20)
	t.Run("a record that fits no frame is refused alone", func(t *testing.T) {
		p := b.publisher(t)
		add(t, p, publish.Record{Body: body(1)})
		var large *publish.TooLargeError
		if err := p.Add(t.Context(), publish.Record{Body: make([]byte, bus.MaxFrameBytes)}); !errors.As(err, &large) || large.Max != bus.MaxFrameBytes {
			t.Fatalf("%v", err)
		}
		largest := bytes.Repeat([]byte("x"), p.MaxRecordBytes()-8)
		add(t, p, publish.Record{Body: largest})
		add(t, p, publish.Record{Body: body(2)})
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, _ := b.records(t); len(got) != 3 || got[0] != string(body(1)) || got[2] != string(body(2)) {
			t.Errorf("%d records", len(got))
		}
	})
	for name, r := range map[string]publish.Record{
		"a key with a line end is refused":    {Key: "a\nb", Body: body(1)},
		"a key that is too long is refused":   {Key: strings.Repeat("k", 10_000), Body: body(1)},
		"a key that is no UTF-8 is refused":   {Key: "\xff", Body: body(1)},
		"a line cannot carry a key":           {Key: "lines", Body: body(1)},
		"a line cannot carry a line end":      {Body: []byte("{\n}")},
		"a line that is blank is no record":   {Body: []byte(" \t")},
		"a line without a byte is no record":  {},
		"a record after these is still taken": {},
	} {
		t.Run(name, func(t *testing.T) {
			format := publish.Batch
			if strings.Contains(name, "line ") && !strings.Contains(name, "key with") {
				format = publish.NDJSON
			}
			p := b.publisher(t, publish.WithFormat(format))
			if strings.HasSuffix(name, "still taken") {
				add(t, p, publish.Record{Body: body(1)})
				return
			}
			var bad *publish.RecordError
			if err := p.Add(t.Context(), r); !errors.As(err, &bad) || bad.Reason == "" {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a pipeline without a stream is named, with the remedy", func(t *testing.T) {
		p, err := publish.New(b.conn, "nosuch")
		if err != nil {
			t.Fatal(err)
		}
		add(t, p, publish.Record{Body: body(1)})
		err = p.Flush(t.Context())
		if !errors.Is(err, publish.ErrNoStream) || !strings.Contains(err.Error(), "records.nosuch") || !strings.Contains(err.Error(), "applied") {
			t.Errorf("%v", err)
		}
	})
	t.Run("options and names that cannot be are refused", func(t *testing.T) {
		for _, name := range []string{"", "Contacts", "a.b", "a*", ">", strings.Repeat("a", 41)} {
			if _, err := publish.New(b.conn, name); err == nil {
				t.Errorf("pipeline %q was taken", name)
			}
		}
		for i, o := range []publish.Option{
			publish.WithRun("a b"), publish.WithRun(""), publish.WithEncoding("br"), publish.WithFormat(7), publish.WithFrame(1<<20, 0),
			publish.WithFrame(0, 10_001), publish.WithFrame(-1, 0), publish.WithAckTimeout(0),
		} {
			if _, err := publish.New(b.conn, "p", o); err == nil {
				t.Errorf("option %d was taken", i)
			}
		}
		if _, err := publish.New(nil, "p"); err == nil {
			t.Error("no connection was taken")
		}
	})
	t.Run("a closed publisher takes nothing", func(t *testing.T) {
		p := b.publisher(t)
		if err := errors.Join(p.Close(t.Context()), p.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := p.Add(t.Context(), publish.Record{Body: body(1)}); !errors.Is(err, publish.ErrClosed) {
			t.Errorf("%v", err)
		}
		if err := p.Flush(t.Context()); !errors.Is(err, publish.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a smaller max_payload of the server is kept to", func(t *testing.T) {
		server, err := local.StartNATS(t.Context(), local.NATSOptions{MaxPayload: 64 << 10, Logger: testkit.Logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
		b := connect(t, server.URL())
		if err := bus.EnsureRecords(t.Context(), b.bus, "p", bus.Limits{MaxBytes: 8 << 20}); err != nil {
			t.Fatal(err)
		}
		p := b.publisher(t)
		var large *publish.TooLargeError
		if err := p.Add(t.Context(), publish.Record{Body: make([]byte, 64<<10)}); !errors.As(err, &large) {
			t.Fatalf("%v", err)
		}
		for i := range 20 {
			add(t, p, publish.Record{Body: bytes.Repeat([]byte("x"), 10_000+i)})
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, _ := b.records(t); len(got) != 20 {
			t.Errorf("%d records", len(got))
		}
	})
}
