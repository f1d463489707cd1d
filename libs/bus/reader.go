package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Msg is a stored message.
type Msg struct {
	Seq     uint64
	Subject string
	Header  nats.Header
	Data    []byte
	// Time is when the broker stored it.
	Time time.Time
}

// ReaderConfig says what to read.
type ReaderConfig struct {
	Stream string
	// Subject filters; "" = all of the stream. With a filter that leaves messages out, AllowGaps must be set.
	Subject string
	// After is the sequence after which reading starts; 0 = from the first message.
	After uint64
	// AllowGaps is for streams from which single messages are deleted (DLQ): a hole is then no loss.
	AllowGaps bool
	// Incarnation, unless zero, is the stream's that After belongs to: another one is refused with [IncarnationError].
	Incarnation time.Time
	// Witness, unless zero, is a message that was read: a stream that holds another one in its place is refused with [ReplacedError].
	Witness Witness
	// Lost are sequences that may be missing: a hole that lies wholly in them is passed over.
	Lost []Range
}

// Witness is a message that was read. A stream that is put back to an earlier state and written to again holds others under the same sequences, and is the
// same in all else.
type Witness struct {
	Seq uint64
	// Stored is when the broker stored it, in microseconds at least.
	Stored time.Time
}

// Is says whether a message of the same sequence is the one that was read.
func (w Witness) Is(m Msg) bool {
	return w.Stored.Truncate(time.Microsecond).Equal(m.Time.Truncate(time.Microsecond)) // as PostgreSQL keeps it
}

// Stands looks whether the message stands in the stream as it was read, or has gone from its front: nil. It fails with [ShortenedError] when the stream ends
// before it, and with [ReplacedError] when another one stands there.
func (w Witness) Stands(ctx context.Context, conn *Conn, stream string, info StreamInfo) error {
	if w.Seq < info.First || w.Seq > info.Last {
		return w.Against(stream, info, Msg{}, false)
	}
	m, err := GetMessage(ctx, conn, stream, w.Seq)
	if errors.Is(err, ErrNoMessage) {
		// It is in a hole. What stands before it was stored before it, unless that was replaced.
		if m, err = LastUpTo(ctx, conn, stream, info, w.Seq); err == nil && w.Before(m) {
			return &ReplacedError{Stream: stream, Seq: m.Seq, Had: w.Stored, Have: m.Time}
		}
		if err == nil || errors.Is(err, ErrNoMessage) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return w.Against(stream, info, m, true)
}

// Against is what Stands says, given what stands in the place of the message; false = nothing.
func (w Witness) Against(stream string, info StreamInfo, m Msg, there bool) error {
	switch {
	case w.Seq > info.Last:
		return &ShortenedError{Stream: stream, After: w.Seq, Last: info.Last}
	case there && !w.Is(m):
		return &ReplacedError{Stream: stream, Seq: w.Seq, Had: w.Stored, Have: m.Time}
	}
	return nil
}

// Before says whether a message was stored later than the one that was read, by the broker's clock.
func (w Witness) Before(m Msg) bool {
	return w.Stored.Truncate(time.Microsecond).Before(m.Time.Truncate(time.Microsecond))
}

// ReplacedError says that another message stands where one was read: the stream was put back to an earlier state and written to since.
type ReplacedError struct {
	Stream    string
	Seq       uint64
	Had, Have time.Time
}

func (e *ReplacedError) Error() string {
	return fmt.Sprintf("stream %s: message %d was stored at %s, the one that was read there at %s: it was restored from an earlier state and written to since",
		e.Stream, e.Seq, e.Have.UTC().Format(time.RFC3339Nano), e.Had.UTC().Format(time.RFC3339Nano))
}

// GapError says that messages which should have been read are not in the stream any more: that is loss.
type GapError struct {
	Stream string
	// Expected is the next sequence that should have come, Got the one that came (or the stream's first).
	Expected, Got uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("stream %s: message %d was expected and %d is the next: what lies between is lost", e.Stream, e.Expected, e.Got)
}

// ShortenedError says that the stream ends before the place up to which it was read: it was restored from an older state.
type ShortenedError struct {
	Stream      string
	After, Last uint64
}

func (e *ShortenedError) Error() string {
	return fmt.Sprintf("stream %s was read up to %d and now ends at %d: it was shortened or made again", e.Stream, e.After, e.Last)
}

// IncarnationError says that the stream was deleted and made again.
type IncarnationError struct {
	Stream    string
	Had, Have time.Time
}

func (e *IncarnationError) Error() string {
	return fmt.Sprintf("stream %s was made at %s, the one read so far at %s: it was made again",
		e.Stream, e.Have.UTC().Format(time.RFC3339Nano), e.Had.UTC().Format(time.RFC3339Nano))
}

const (
	// readerInactive is when the broker forgets a reader's consumer that nobody pulls from.
	readerInactive = time.Minute
	// minFetchBytes lets a message of the largest size through with its headers, or it would never be delivered.
	minFetchBytes = MaxMessageBytes + 64<<10
)

// Reader reads a stream in order without a durable consumer: it opens at a place that its owner stores. Not for concurrent use.
type Reader struct {
	conn     *Conn
	config   ReaderConfig
	after    uint64 // last sequence that was handed out, or the start
	info     StreamInfo
	consumer string // its name at the broker; "" = to be opened again
	witness  Witness
}

// OpenReader opens a reader. It fails with [GapError], [ShortenedError], [ReplacedError] or [IncarnationError] when the stream cannot continue at After, and
// with an error that wraps [jetstream.ErrStreamNotFound] when there is none.
func OpenReader(ctx context.Context, conn *Conn, c ReaderConfig) (*Reader, error) {
	r := &Reader{conn: conn, config: c, after: c.After, witness: c.Witness}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Incarnation is when the stream was made.
func (r *Reader) Incarnation() time.Time { return r.info.Incarnation }

// First is the sequence of the stream's first message when the reader last looked.
func (r *Reader) First() uint64 { return r.info.First }

// Last is the sequence of the stream's last message when the reader last looked.
func (r *Reader) Last() uint64 { return r.info.Last }

// After is the sequence up to which the reader has read.
func (r *Reader) After() uint64 { return r.after }

// Witness is the last message that was read, by this reader or by who opened it: the one to open the next reader with. Zero where there is none, and of
// streams with gaps.
func (r *Reader) Witness() Witness { return r.witness }

func (r *Reader) open(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	stream, err := r.conn.Broker.Stream(ctx, r.config.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", r.config.Stream, err)
	}
	info := streamInfo(stream)
	if err := r.check(info); err != nil {
		return err
	}
	if r.witness.Seq > 0 {
		if err := r.witness.Stands(ctx, r.conn, r.config.Stream, info); err != nil {
			return err
		}
	}
	c := jetstream.ConsumerConfig{
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.after + 1,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: readerInactive,
	}
	if r.config.Subject != "" {
		c.FilterSubject = r.config.Subject
	}
	consumer, err := r.conn.Broker.EnsureConsumer(ctx, r.config.Stream, c)
	if err != nil {
		return fmt.Errorf("reader of %s: %w", r.config.Stream, err)
	}
	r.info, r.config.Incarnation, r.consumer = info, info.Incarnation, consumer
	return nil
}

func (r *Reader) check(info StreamInfo) error {
	if had := r.config.Incarnation; !had.IsZero() && !had.Equal(info.Incarnation) {
		// PostgreSQL keeps microseconds, the broker nanoseconds.
		if !had.Truncate(time.Microsecond).Equal(info.Incarnation.Truncate(time.Microsecond)) &&
			!had.Round(time.Microsecond).Equal(info.Incarnation.Round(time.Microsecond)) {
			return &IncarnationError{Stream: r.config.Stream, Had: had, Have: info.Incarnation}
		}
	}
	if info.Last < r.after {
		return &ShortenedError{Stream: r.config.Stream, After: r.after, Last: info.Last}
	}
	if !r.config.AllowGaps && !Covered(r.config.Lost, r.after+1, info.First-1) {
		return &GapError{Stream: r.config.Stream, Expected: r.after + 1, Got: info.First}
	}
	return nil
}

// Fetch returns the next messages: what is there at once, else it waits up to wait for the first. It gives at most maxMsgs and about maxBytes
// (never less than one message of the largest size); none and no error means that nothing came. After an error the
// next Fetch continues behind what was handed out; [GapError], [ShortenedError], [ReplacedError] and [IncarnationError] come again until somebody decides.
// Messages that were read before an error are handed out first, the error at the next call if it lasts.
func (r *Reader) Fetch(ctx context.Context, maxMsgs, maxBytes int, wait time.Duration) ([]Msg, error) {
	if r.consumer != "" {
		out, err := r.pull(ctx, maxMsgs, maxBytes, wait)
		var gap *GapError
		if err == nil || ctx.Err() != nil || errors.As(err, &gap) {
			return out, err
		}
		// The broker has forgotten the consumer of whoever did not pull for a minute, which is no fault of anybody's: a reader that may accept nothing waits.
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r.pull(ctx, maxMsgs, maxBytes, wait)
}

// pull is a fetch by the consumer that is open.
func (r *Reader) pull(ctx context.Context, maxMsgs, maxBytes int, wait time.Duration) ([]Msg, error) {
	var out []Msg
	request := PullRequest{Batch: max(maxMsgs, 1), MaxBytes: max(maxBytes, minFetchBytes), NoWait: true, Expires: max(wait, 0)}
	err := r.conn.Broker.Pull(ctx, r.config.Stream, r.consumer, request, func(m Delivery) error {
		switch {
		case m.Seq <= r.after:
			return nil
		case !r.config.AllowGaps && !Covered(r.config.Lost, r.after+1, m.Seq-1):
			return &GapError{Stream: r.config.Stream, Expected: r.after + 1, Got: m.Seq}
		}
		out = append(out, m.Msg)
		r.after = m.Seq
		if !r.config.AllowGaps && m.Seq > r.witness.Seq {
			r.witness = Witness{Seq: m.Seq, Stored: m.Time}
		}
		return nil
	})
	if err == nil {
		return out, nil
	}
	// The consumer is not asked again: a new one begins behind what was handed out.
	r.consumer = ""
	if len(out) > 0 {
		return out, nil
	}
	var gap *GapError
	if errors.As(err, &gap) {
		return nil, r.confirm(ctx, gap)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("read %s: %w", r.config.Stream, err)
}

// confirm looks whether the message that did not come is really gone, or only got lost between broker and reader.
func (r *Reader) confirm(ctx context.Context, gap *GapError) error {
	end, err := endOfHole(ctx, r.conn, r.config.Stream, gap.Expected, gap.Got-1)
	switch {
	case err != nil:
		return err
	case end >= gap.Expected:
		return &GapError{Stream: gap.Stream, Expected: gap.Expected, Got: end + 1}
	}
	return fmt.Errorf("read %s: message %d did not arrive and is read again", r.config.Stream, gap.Expected)
}

// Close lets the broker forget the reader's consumer now instead of after a minute.
func (r *Reader) Close(ctx context.Context) {
	if r.consumer == "" {
		return
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	// Best effort: the broker forgets it by itself.
	_ = r.conn.Broker.DeleteConsumer(ctx, r.config.Stream, r.consumer)
	r.consumer = ""
}
