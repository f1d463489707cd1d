package publish

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bulkhead/libs/bus"
)

// Stats counts what the broker has acknowledged so far.
type Stats struct {
	Frames, Records, Bytes uint64
	// Again is how often a frame was sent again.
	Again uint64
}

// Publisher publishes to one pipeline. It is safe for concurrent use; records of several goroutines lie in the order in which their Adds were
// served, and an Add waits while another one's frame is on its way.
type Publisher struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	subject string
	stream  string // that is made for the subject
	id      string
	o       options

	mu      sync.Mutex
	open    frame
	pending *sealed // the one frame in flight, or refused and waiting for the next call; nil = none
	made    uint64
	closed  bool

	frames, records, bytes, again atomic.Uint64
}

var pipelineName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// New makes a publisher for a pipeline. The connection stays the caller's; it is best made with nats.MaxReconnects(-1).
func New(conn *nats.Conn, pipeline string, opts ...Option) (*Publisher, error) {
	if conn == nil {
		return nil, errors.New("a publisher needs a connection to NATS")
	}
	if !pipelineName.MatchString(pipeline) {
		return nil, fmt.Errorf("%q is no name of a pipeline: it begins with a small letter and has up to 40 small letters, digits and hyphens", pipeline)
	}
	o := options{aim: AimBytes, records: bus.MaxFrameRecords, ackTimeout: defaultAckTimeout, now: time.Now}
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	if o.encoding == Zstd {
		var err error
		if o.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
			return nil, fmt.Errorf("make the compressor: %w", err)
		}
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &Publisher{conn: conn, js: js, subject: bus.RecordsSubject(pipeline), stream: bus.RecordsStream(pipeline), id: nuid.Next(), o: o}, nil
}

// MaxRecordBytes is what one record may take in a frame, its key included: the contract's bound, or the server's max_payload where that is less.
func (p *Publisher) MaxRecordBytes() int { return p.limit() }

// limit is the largest frame that the server takes.
func (p *Publisher) limit() int {
	if most := p.conn.MaxPayload(); most > 0 { // unknown while the first connection is not made
		return max(min(bus.MaxFrameBytes, int(most)-headerRoom), 0)
	}
	return bus.MaxFrameBytes
}

// Add takes one record. When it does not fit the frame that is being filled, that frame is published first, and Add returns when it is
// acknowledged. With an error the record was not taken: a *TooLargeError or *RecordError is about the record alone, anything else is about
// the frame before it, which is kept and goes first at the next call.
func (p *Publisher) Add(ctx context.Context, r Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if err := p.o.check(r); err != nil {
		return err
	}
	size, limit := p.o.size(r), p.limit()
	if size > limit {
		return &TooLargeError{Bytes: size, Max: limit}
	}
	if p.open.records > 0 && (len(p.open.body)+size > min(p.o.aim, limit) || p.open.records >= p.o.records) {
		if err := p.send(ctx); err != nil {
			return err
		}
	}
	p.o.add(&p.open, r)
	return nil
}

// Flush publishes what was added and returns when all of it is acknowledged.
func (p *Publisher) Flush(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	return p.send(ctx)
}

// Close flushes and ends the publisher, also when it returns an error: what that says was not published is given up. The connection stays open.
// A second Close does nothing.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.send(ctx)
}

// Stats says what is acknowledged so far. It never waits.
func (p *Publisher) Stats() Stats {
	return Stats{Frames: p.frames.Load(), Records: p.records.Load(), Bytes: p.bytes.Load(), Again: p.again.Load()}
}

// send publishes the frame that is left over from an earlier call, then the one that is being filled.
func (p *Publisher) send(ctx context.Context) error {
	for {
		if p.pending == nil {
			if p.open.records == 0 {
				return nil
			}
			s, err := p.o.seal(&p.open, p.made+1, p.subject, p.id+"."+strconv.FormatUint(p.made+1, 10), p.limit())
			if err != nil {
				return err
			}
			p.made++
			p.pending = s
			p.open.reset()
		}
		ack, err := p.deliver(ctx, p.pending)
		if err != nil {
			return fmt.Errorf("publish frame %d on %s: %w", p.pending.n, p.subject, err)
		}
		done := Ack{
			Frame: p.pending.n, Records: p.pending.records, Bytes: len(p.pending.msg.Data), Stream: ack.Stream, Sequence: ack.Sequence,
			Duplicate: ack.Duplicate, Sends: p.pending.sends,
		}
		p.pending = nil
		p.frames.Add(1)
		p.records.Add(uint64(done.Records))
		p.bytes.Add(uint64(done.Bytes))
		if p.o.onAck != nil {
			p.o.onAck(done)
		}
	}
}

// deliver sends one frame until it is stored or nothing helps.
func (p *Publisher) deliver(ctx context.Context, s *sealed) (*jetstream.PubAck, error) {
	pause := firstPause
	var alone time.Time // since when nobody answers
	for {
		ack, err := p.try(ctx, s)
		if err == nil {
			return ack, nil
		}
		if ctx.Err() != nil {
			// Joined, so that both who asks for the context's end and who asks why it took so long get an answer.
			return nil, errors.Join(context.Cause(ctx), err)
		}
		last := p.conn.LastError()
		verdict := judge(err, last, p.subject)
		if verdict != nobody {
			alone = time.Time{}
		}
		tell := p.o.onRetry
		switch verdict {
		case never:
			if errors.Is(last, nats.ErrPermissionViolation) {
				err = errors.Join(last, err)
			}
			return nil, err
		case full:
			err = errors.Join(ErrFull, err)
			if !p.o.waitFull {
				return nil, err
			}
			tell = p.o.onFull
		case nobody:
			if alone.IsZero() {
				alone = p.o.now()
			}
			if waited := p.o.now().Sub(alone); waited >= noStreamPatience && p.streamless(ctx, waited) {
				return nil, fmt.Errorf("%w: is the pipeline applied, and is JetStream running (a full disk stops it)? %w", ErrNoStream, err)
			}
		case again:
		}
		wait := pause/2 + rand.N(pause/2)
		if tell != nil {
			tell(Wait{Frame: s.n, Since: s.since, Err: err, Pause: wait})
		}
		if !sleep(ctx, wait) {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		pause = min(2*pause, longestPause)
	}
}

// errReconnected says that the connection was made anew while a frame waited: its acknowledgement cannot come any more.
var errReconnected = errors.New("the connection was lost before the acknowledgement came")

// lookEvery is how soon a connection that was lost or is back is noticed.
const lookEvery = 50 * time.Millisecond

// try sends a frame once.
func (p *Publisher) try(ctx context.Context, s *sealed) (*jetstream.PubAck, error) {
	if s.since.IsZero() {
		s.since = p.o.now()
	}
	// While there is no connection the client would keep the frame and send it, once for each try, when there is one.
	if err := p.connected(ctx); err != nil {
		return nil, err
	}
	if s.sends > 0 {
		p.again.Add(1)
	}
	s.sends++
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit, stop := context.WithTimeoutCause(ctx, p.o.ackTimeout, fmt.Errorf("no acknowledgement within %s", p.o.ackTimeout))
	defer stop()
	before := p.conn.Stats().Reconnects
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-limit.Done():
				return
			case <-tick.C:
				if p.conn.Stats().Reconnects != before {
					cancel(errReconnected)
					return
				}
			}
		}
	}()
	ack, err := p.js.PublishMsg(limit, s.msg, jetstream.WithRetryAttempts(0))
	if err != nil && limit.Err() != nil {
		err = context.Cause(limit)
	}
	return ack, err
}

// connected waits for a connection.
func (p *Publisher) connected(ctx context.Context) error {
	for told := false; ; {
		switch p.conn.Status() {
		case nats.CONNECTED:
			return nil
		case nats.CLOSED:
			return nats.ErrConnectionClosed
		case nats.DRAINING_PUBS, nats.DRAINING_SUBS:
			return nats.ErrConnectionDraining
		case nats.DISCONNECTED, nats.RECONNECTING, nats.CONNECTING:
		}
		if !told && p.o.onRetry != nil {
			told = true
			p.o.onRetry(Wait{Frame: p.made, Since: p.o.now(), Err: nats.ErrConnectionReconnecting, Pause: lookEvery})
		}
		if !sleep(ctx, lookEvery) {
			return nats.ErrConnectionReconnecting
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
