package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of what is said to the broker.
const (
	tryTime    = time.Second            // of one publish: an answer that takes longer is none
	pauseFirst = 40 * time.Millisecond  // until a message is sent again, doubling
	pauseMost  = 300 * time.Millisecond // at most
)

// line is a connection by the publishers' edge.
type line struct {
	*nats.Conn

	mu   sync.Mutex
	lost chan struct{} // closed when the connection of this moment is lost
}

// dial connects. The broker need not be there yet, and may go away: what cannot be sent at once is not kept by the client, so that what is
// unknown is only what was really sent.
func dial(url, name string) (*line, error) {
	l := &line{lost: make(chan struct{})}
	conn, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1), nats.Timeout(time.Second), nats.PingInterval(500*time.Millisecond),
		nats.MaxPingsOutstanding(2), nats.DisconnectErrHandler(func(*nats.Conn, error) { l.drop() }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // connections are cut on purpose
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	l.Conn = conn
	return l, nil
}

// drop tells those who wait for an answer that none will come.
func (l *line) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.lost)
	l.lost = make(chan struct{})
}

// errLost says that the connection was lost before the answer came.
var errLost = errors.New("the connection was lost before an answer came")

// bounded is a context for one question: it ends with the try's time, and when the connection is lost.
func (l *line) bounded(ctx context.Context) (context.Context, func()) {
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, tryTime)
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-lost:
			cancel(errLost)
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		cancel(nil)
		stop()
	}
}

// reply is what JetStream answers to a publish.
type reply struct {
	Seq       uint64   `json:"seq"`
	Duplicate bool     `json:"duplicate"`
	Error     *refusal `json:"error"`
}

type refusal struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (%d)", r.Description, r.Code) }

// wrongLast is the code of JetStream for a message that was to be stored behind another sequence than the last.
const wrongLast = 10071

// errNotSent is told of what never left this process.
var errNotSent = errors.New("not sent: there is no connection")

// publish sends a message once. An error that is a *refusal, [nats.ErrNoResponders] or [errNotSent] says that the broker has it not; any
// other one says nothing.
func publish(ctx context.Context, l *line, m *nats.Msg) (reply, error) {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	if !l.IsConnected() {
		return reply{}, errNotSent
	}
	answer, err := l.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return reply{}, errNotSent
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errLost):
		return reply{}, errLost
	case err != nil:
		return reply{}, err
	}
	var r reply
	if err := json.Unmarshal(answer.Data, &r); err != nil {
		return reply{}, fmt.Errorf("answer of the broker: %w", err)
	}
	if r.Error != nil {
		return reply{}, r.Error
	}
	if r.Seq == 0 {
		return reply{}, fmt.Errorf("answer of the broker names no sequence: %.200q", answer.Data)
	}
	return r, nil
}

// refusedFor says whether an error of [publish] means that the broker has the message not.
func refusedFor(err error) bool {
	_, no := errors.AsType[*refusal](err)
	return no || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errNotSent)
}

var lastNamed = regexp.MustCompile(`wrong last sequence: (\d+)`)

// lastOf reads from a refusal which sequence is the last of the stream.
func lastOf(err error) (uint64, bool) {
	r, ok := errors.AsType[*refusal](err)
	if !ok || r.Code != wrongLast {
		return 0, false
	}
	found := lastNamed.FindStringSubmatch(r.Description)
	if found == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(found[1], 10, 64)
	return n, err == nil
}

// lastSequence asks for the last sequence of a pipeline's stream, until it is answered or ctx ends.
func lastSequence(ctx context.Context, l *line, pipeline string) (uint64, error) {
	var last error
	for {
		var info struct {
			State struct {
				Last uint64 `json:"last_seq"`
			} `json:"state"`
			Error *refusal `json:"error"`
		}
		err := func() error {
			ask, cancel := l.bounded(ctx)
			defer cancel()
			answer, err := l.RequestWithContext(ask, "$JS.API.STREAM.INFO.RECORDS_"+pipeline, nil)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(answer.Data, &info); err != nil {
				return err
			}
			if info.Error != nil {
				return info.Error
			}
			return nil
		}()
		if err == nil {
			return info.State.Last, nil
		}
		last = err
		if !sleep(ctx, pauseMost) {
			return 0, fmt.Errorf("stream RECORDS_%s is not there: %w", pipeline, last)
		}
	}
}

// holds asks the leader of a pipeline's stream whether a message is stored there; false = it is not, or nobody said so.
func holds(ctx context.Context, l *line, pipeline string, seq uint64) bool {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	answer, err := l.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET.RECORDS_"+pipeline, fmt.Appendf(nil, `{"seq":%d}`, seq))
	if err != nil {
		return false
	}
	var said struct {
		Message *struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	return json.Unmarshal(answer.Data, &said) == nil && said.Message != nil && said.Message.Seq == seq
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
