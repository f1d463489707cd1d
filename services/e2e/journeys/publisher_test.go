package journeys

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func bodyOf(t *testing.T, body any) []byte {
	t.Helper()
	if text, ok := body.(string); ok {
		return []byte(text)
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fields is one record.
type fields map[string]any

// contact is a record that lands by itself.
func contact(id string) fields {
	return fields{
		"id": id, "first_name": "First " + id, "last_name": "Last " + id, "email": id + "@people.example", "phone": "+1 555 0100",
	}
}

// account is a record that lands by itself.
func account(id string) fields {
	return fields{"id": id, "name": "Name of " + id, "phone": "+1 555 0101", "website": "https://" + id + ".example", "industry": "Energy"}
}

// with returns a copy with one member changed; without returns one with a member left out.
func (f fields) with(name string, value any) fields {
	out := fields{}
	for k, v := range f {
		out[k] = v
	}
	out[name] = value
	return out
}

func (f fields) without(name string) fields {
	out := f.with(name, nil)
	delete(out, name)
	return out
}

// keysOf makes keys of a common prefix, from 0 to below n.
func keysOf(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%06d", prefix, i)
	}
	return out
}

// messagesOf makes one message for each key; the key of the record is its entity with evt- in front.
func messagesOf(keys []string, record func(id string) fields) []message {
	out := make([]message, len(keys))
	for i, k := range keys {
		out[i] = message{id: "evt-" + k, body: record(k)}
	}
	return out
}

// framesOf packs records as newline-delimited JSON, per records in a frame.
func framesOf(t *testing.T, records []fields, per int) [][]byte {
	t.Helper()
	var out [][]byte
	for len(records) > 0 {
		n := min(per, len(records))
		var frame bytes.Buffer
		for _, r := range records[:n] {
			frame.Write(bodyOf(t, r))
			frame.WriteByte('\n')
		}
		out, records = append(out, frame.Bytes()), records[n:]
	}
	return out
}

// client is a plain NATS client of a stack.
type client struct {
	nc *nats.Conn
	js jetstream.JetStream
}

func (s *stack) client(t *testing.T) client {
	t.Helper()
	nc, err := nats.Connect(s.natsURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return client{nc, js}
}

// message is one record as a message of its own.
type message struct {
	id   string // Nats-Msg-Id, which is the record's key
	body any    // JSON; a string goes as it is
}

// publish sends messages and waits until the broker has acknowledged each.
func (c client) publish(t *testing.T, pipeline string, messages ...message) {
	t.Helper()
	var waiting []jetstream.PubAckFuture
	for _, m := range messages {
		f, err := c.js.PublishMsgAsync(m.msg(t, pipeline))
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, f)
	}
	late := time.After(patience)
	for i, f := range waiting {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			t.Fatalf("publish %s: %v", messages[i].id, err)
		case <-late:
			t.Fatalf("publish %s: no acknowledgement within %s", messages[i].id, patience)
		}
	}
}

func (m message) msg(t *testing.T, pipeline string) *nats.Msg {
	t.Helper()
	out := nats.NewMsg("records." + pipeline)
	if m.id != "" {
		out.Header.Set(nats.MsgIdHdr, m.id)
	}
	out.Data = bodyOf(t, m.body)
	return out
}

// stubborn publishes frames one by one and gives none up: what was not acknowledged is published again with the same id, to
// whichever broker stands at the address by then.
type stubborn struct {
	subject string
	feed    chan []byte // a frame is taken only when the one before is acknowledged
	done    chan struct{}

	mu    sync.Mutex
	url   string
	acked int
	again int // publishes that had to be repeated
}

func newStubborn(t *testing.T, url, subject string) *stubborn {
	p := &stubborn{subject: subject, feed: make(chan []byte), done: make(chan struct{}), url: url}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		p.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

func (p *stubborn) moveTo(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url = url
}

func (p *stubborn) numbers() (acked, again int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked, p.again
}

func (p *stubborn) run(ctx context.Context) {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	var nc *nats.Conn
	defer func() {
		if nc != nil {
			nc.Close()
		}
	}()
	for n := 0; ; n++ {
		var frame []byte
		select {
		case <-ctx.Done():
			return
		case f, ok := <-p.feed:
			if !ok {
				return
			}
			frame = f
		}
		for {
			var err error
			if nc, err = p.publish(ctx, nc, frame, fmt.Sprintf("frame-%d", n)); err == nil {
				break
			}
			p.mu.Lock()
			p.again++
			p.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
		p.mu.Lock()
		p.acked++
		p.mu.Unlock()
	}
}

// publish tries once. It returns the connection to go on with, nil after an error.
func (p *stubborn) publish(ctx context.Context, nc *nats.Conn, frame []byte, id string) (*nats.Conn, error) {
	p.mu.Lock()
	url := p.url
	p.mu.Unlock()
	if nc == nil {
		var err error
		if nc, err = nats.Connect(url, nats.NoReconnect(), nats.Timeout(2*time.Second)); err != nil {
			return nil, err
		}
	}
	js, err := jetstream.New(nc)
	if err == nil {
		msg := nats.NewMsg(p.subject)
		msg.Header.Set("Content-Type", "application/x-ndjson")
		msg.Data = frame
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err = js.PublishMsg(try, msg, jetstream.WithMsgID(id))
		cancel()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}
