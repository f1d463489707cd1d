package watch

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// stream is where letters lie.
	stream = "DLQ"
	// nextLook is the time from the end of the stream to the next look at it.
	nextLook = 50 * time.Millisecond
	// letterTime bounds one question about letters. A broker that ends gives no answer and no error to what it was asked last, and letters that a person
	// deals with soon lie in the stream for moments only.
	letterTime = 300 * time.Millisecond
	// batch is the most letters that are read before they are written.
	batch = 200
)

// Letters reads the stream of dead letters from its start and writes each message once for each life of the stream, until ctx ends. An error
// is one of the file, or of an address that is none.
func Letters(ctx context.Context, t history.Target, out *history.Writer) error {
	r, err := newReader(t)
	if err != nil {
		return err
	}
	defer r.conn.Close()
	tick := time.NewTicker(nextLook)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			var found []history.Letter
			found, more = r.look(ctx)
			for _, l := range found {
				if err := out.Put(l); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reader knows how far the stream was read.
type reader struct {
	conn    *nats.Conn
	since   func() float64
	created string // when the stream was made, as it says; "" = it was not seen
	next    uint64
}

// newReader connects straight to the broker, which need not be there yet.
func newReader(t history.Target) (*reader, error) {
	conn, err := nats.Connect(t.PlainNATSURL, nats.Name("reader of letters"), nats.MaxReconnects(-1), nats.ReconnectWait(nextLook),
		nats.ReconnectJitter(0, 0), nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1), nats.Timeout(time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // what goes wrong is tried again at the next look
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return &reader{conn: conn, since: t.Since}, nil
}

// look reads what is new, up to a batch; more says that there may be more at once. What the broker does not answer is read at the next look.
func (r *reader) look(ctx context.Context) (found []history.Letter, more bool) {
	at, err := r.info(ctx)
	if err != nil {
		return nil, false
	}
	if at.Created != r.created {
		r.created, r.next = at.Created, 1
	}
	next := r.next
	for len(found) < batch {
		l, err := r.message(ctx, next)
		if err != nil {
			break // the end, or no answer
		}
		next = l.Seq + 1
		found = append(found, l)
	}
	// Made anew meanwhile, the same sequences may have been other letters of either stream: they are read from the start of the new one.
	if again, err := r.info(ctx); err != nil || again.Created != at.Created {
		return nil, false
	}
	r.next = next
	return found, len(found) == batch
}

// info is what the stream says of itself.
type info struct {
	Created string `json:"created"`
	State   struct {
		Last int64 `json:"last_seq"`
	} `json:"state"`
	Error json.RawMessage `json:"error"`
}

func (r *reader) info(ctx context.Context) (info, error) {
	answer, err := r.ask(ctx, "$JS.API.STREAM.INFO."+stream, nil)
	if err != nil {
		return info{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	var i info
	if err := json.Unmarshal(answer.Data, &i); err != nil {
		return info{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	if i.Error != nil || i.Created == "" {
		return info{}, fmt.Errorf("stream %s: %s", stream, i.Error)
	}
	return i, nil
}

// errEnd says that the stream holds nothing at or behind a sequence.
var errEnd = errors.New("the end of the stream")

// message reads the first message at or behind a sequence.
func (r *reader) message(ctx context.Context, seq uint64) (history.Letter, error) {
	answer, err := r.ask(ctx, "$JS.API.DIRECT.GET."+stream, fmt.Appendf(nil, `{"seq":%d,"next_by_subj":"dlq.>"}`, seq))
	if err != nil {
		return history.Letter{}, err
	}
	if status := answer.Header.Get("Status"); status != "" {
		return history.Letter{}, fmt.Errorf("%w (%s %s)", errEnd, status, answer.Header.Get("Description"))
	}
	at, err := strconv.ParseUint(answer.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return history.Letter{}, fmt.Errorf("sequence of a letter: %w", err)
	}
	l := parse(answer.Data)
	l.At, l.Seq, l.Subject = r.since(), at, answer.Header.Get("Nats-Subject")
	return l, nil
}

func (r *reader) ask(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	if !r.conn.IsConnected() {
		return nil, nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(ctx, letterTime)
	defer cancel()
	return r.conn.RequestWithContext(ctx, subject, data)
}

// parse reads a letter. One that cannot be read keeps its bytes as its payload, and has no id: a judge sees that.
func parse(data []byte) history.Letter {
	var m struct {
		history.Letter

		Message string `json:"message"`
		Base64  string `json:"payload_base64"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return history.Letter{Text: "it is no letter: " + err.Error(), Payload: string(data)}
	}
	m.Text = m.Message
	if m.Base64 != "" {
		if raw, err := base64.StdEncoding.DecodeString(m.Base64); err == nil {
			m.Payload = string(raw)
		}
	}
	return m.Letter
}
