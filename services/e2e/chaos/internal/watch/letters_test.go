package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/chaos/internal/history"
)

func since() func() float64 {
	start := time.Now()
	return func() float64 { return float64(time.Since(start).Microseconds()) / 1000 }
}

// dlq is a stream of letters, and its reader.
type dlq struct {
	t    *testing.T
	js   jetstream.JetStream
	path string
}

func newDLQ(t *testing.T) *dlq {
	t.Helper()
	url := testkit.NATS(t).URL()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	d := &dlq{t: t, js: js, path: filepath.Join(t.TempDir(), history.LettersFile)}
	out, err := history.Create(d.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Letters(ctx, history.Target{PlainNATSURL: url, Since: since()}, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		out.Close()
	})
	return d
}

func (d *dlq) make() jetstream.Stream {
	d.t.Helper()
	s, err := d.js.CreateStream(d.t.Context(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{"dlq.*.*"}, AllowDirect: true, Storage: jetstream.MemoryStorage,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *dlq) publish(key string) uint64 {
	d.t.Helper()
	ack, err := d.js.Publish(d.t.Context(), "dlq.parts.data", fmt.Appendf(nil,
		`{"id":"i-%s","pipeline":"parts","key":%q,"generation":1,"class":"data","code":"NOT_JSON","message":"no","payload_base64":"e30=","origin":{"stream":"RECORDS_parts","sequence":7,"index":2},"attempts":[{"n":1,"job_id":"750","class":"data"}]}`, key, key))
	if err != nil {
		d.t.Fatal(err)
	}
	return ack.Sequence
}

// await waits until the file holds these keys, in this order.
func (d *dlq) await(want ...string) []history.Letter {
	d.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var all []history.Letter
	var keys []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-tick.C {
		var err error
		if all, err = history.ReadAll[history.Letter](d.path); err != nil {
			d.t.Fatal(err)
		}
		keys = nil
		for _, l := range all {
			keys = append(keys, l.Key)
		}
		if slices.Equal(keys, want) {
			return all
		}
	}
	d.t.Fatalf("the file holds %v, want %v", keys, want)
	return nil
}

func TestLetters(t *testing.T) {
	t.Run("letters are read as they come, whole, with a deleted one left out", func(t *testing.T) {
		d := newDLQ(t)
		s := d.make()
		d.publish("a")
		gone := d.publish("b")
		if err := s.DeleteMsg(t.Context(), gone+1); err == nil {
			t.Fatal("what is not there cannot be deleted")
		}
		got := d.await("a", "b")[0]
		if got.ID != "i-a" || got.Seq != 1 || got.Subject != "dlq.parts.data" || got.Text != "no" || got.Payload != "{}" || got.Generation != 1 ||
			got.Origin != (history.Place{Seq: 7, Index: 2}) || len(got.Attempts) != 1 || got.Attempts[0].Job != "750" {
			t.Errorf("%+v", got)
		}
		if err := s.DeleteMsg(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		d.publish("c")
		d.await("a", "b", "c")
	})
	t.Run("a stream that is deleted and made again is read again from its start", func(t *testing.T) {
		d := newDLQ(t)
		d.make()
		d.publish("a")
		d.publish("b")
		d.await("a", "b")
		if err := d.js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		d.make()
		d.publish("c")
		d.await("a", "b", "c")
	})
	t.Run("what is no letter is kept with its bytes", func(t *testing.T) {
		l := parse([]byte("{"))
		if l.ID != "" || l.Payload != "{" || l.Text == "" {
			t.Errorf("%+v", l)
		}
	})
}
