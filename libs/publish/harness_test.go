package publish_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/publish"
	"bulkhead/libs/testkit"
)

// patience bounds every wait for something to happen.
const patience = time.Minute

type broker struct {
	server *local.NATS
	conn   *nats.Conn
	js     jetstream.JetStream
	bus    *bus.Conn
}

func connect(t testing.TB, url string) broker {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	on, err := bus.On(conn)
	if err != nil {
		t.Fatal(err)
	}
	return broker{conn: conn, js: on.JS, bus: on}
}

// start runs a server that has a stream for the pipeline p.
func start(t testing.TB, maxBytes int64) broker {
	t.Helper()
	server := testkit.NATS(t)
	b := connect(t, server.URL())
	b.server = server
	if err := bus.EnsureRecords(t.Context(), b.bus, "p", bus.Limits{MaxBytes: maxBytes}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b broker) publisher(t testing.TB, opts ...publish.Option) *publish.Publisher {
	t.Helper()
	p, err := publish.New(b.conn, "p", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stored returns the messages of the stream.
func (b broker) stored(t testing.TB) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := b.js.Stream(t.Context(), bus.RecordsStream("p"))
	if err != nil {
		t.Fatal(err)
	}
	info := s.CachedInfo().State
	var out []*jetstream.RawStreamMsg
	for seq := info.FirstSeq; seq <= info.LastSeq && info.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// records takes every stored message apart, as the extractor does.
func (b broker) records(t testing.TB) (bodies, keys []string) {
	t.Helper()
	for _, m := range b.stored(t) {
		rs, refused := bus.DecodeFrame(m.Header, m.Data)
		if refused != nil {
			t.Fatalf("message %d: %s", m.Sequence, refused.Message)
		}
		for _, r := range rs {
			bodies, keys = append(bodies, string(r.Body)), append(keys, r.Key)
		}
	}
	return bodies, keys
}

func add(t testing.TB, p *publish.Publisher, r publish.Record) {
	t.Helper()
	if err := p.Add(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func body(i int) []byte { return fmt.Appendf(nil, `{"id":"c-%d"}`, i) }
