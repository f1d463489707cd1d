package publish

import (
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"bulkhead/libs/bus"
)

// Format says how records lie in a frame.
type Format int

// Formats of a frame.
const (
	// Batch is the protobuf RecordBatch: bodies travel as they are, whatever their bytes, and each may have a key.
	Batch Format = iota
	// NDJSON is newline-delimited JSON, readable by eye; it carries no keys, and no body with a line end.
	NDJSON
)

// Encoding says how a frame is compressed.
type Encoding string

// Encodings of a frame. Compression costs the publisher and every reader CPU and saves the stream's bytes.
const (
	Plain Encoding = ""
	Gzip  Encoding = "gzip"
	Zstd  Encoding = "zstd"
)

const (
	// AimBytes is the default size of a frame before compression: larger ones gain little, and smaller ones cost more for each record.
	AimBytes = 128 << 10
	// headerRoom is what a frame's headers may take of the server's max_payload, which counts them too.
	headerRoom = 4 << 10

	defaultAckTimeout = 10 * time.Second
	firstPause        = 50 * time.Millisecond
	longestPause      = 5 * time.Second
	// noStreamPatience is how long a subject that nobody answers on may still belong to a server that is starting.
	noStreamPatience = 3 * time.Second
	// leaderPatience is how long it may belong to a stream of a cluster that has no leader, where nobody says whether there is such a stream: leaders
	// are missed for four to nine seconds before another one is elected.
	leaderPatience = 30 * time.Second
	// askTime bounds one question whether there is such a stream.
	askTime = time.Second
)

// Ack tells of a frame that the broker has stored.
type Ack struct {
	// Frame counts the publisher's frames from 1.
	Frame uint64
	// Records and Bytes are what it holds; bytes as stored, without headers.
	Records, Bytes int
	// Stream and Sequence are where it lies.
	Stream   string
	Sequence uint64
	// Duplicate says that the broker knew the frame's id and stored nothing: an earlier sending had arrived.
	Duplicate bool
	// Sends is how often it was sent; 1 = once.
	Sends int
}

// Wait tells of a frame that is not stored yet.
type Wait struct {
	Frame uint64
	// Since is when it was sent first.
	Since time.Time
	// Err says why it is sent again; errors.Is(Err, ErrFull) = the stream is full.
	Err error
	// Pause is how long until then.
	Pause time.Duration
}

type options struct {
	run          string
	format       Format
	encoding     Encoding
	aim, records int
	eventTime    func() time.Time
	trace        func() string
	onAck        func(Ack)
	onRetry      func(Wait)
	waitFull     bool
	onFull       func(Wait)
	ackTimeout   time.Duration
	now          func() time.Time
	zstd         *zstd.Encoder // nil = frames are not compressed by it
}

// Option changes a publisher.
type Option func(*options) error

// WithRun names the run that the records belong to (header Bulkhead-Run): 1 to 64 of [A-Za-z0-9._-].
func WithRun(run string) Option {
	return func(o *options) error {
		if !bus.ValidRun(run) {
			return fmt.Errorf("%q is no name of a run: 1 to 64 of letters, digits, dot, underscore and hyphen", run)
		}
		o.run = run
		return nil
	}
}

// WithFormat says how records lie in a frame; default [Batch].
func WithFormat(f Format) Option {
	return func(o *options) error {
		if f != Batch && f != NDJSON {
			return fmt.Errorf("format %d is none: Batch or NDJSON", f)
		}
		o.format = f
		return nil
	}
}

// WithEncoding compresses frames; default [Plain].
func WithEncoding(e Encoding) Option {
	return func(o *options) error {
		if e != Plain && e != Gzip && e != Zstd {
			return fmt.Errorf("encoding %q is none: gzip or zstd", e)
		}
		o.encoding = e
		return nil
	}
}

// WithFrame sets at how many bytes (before compression) and records a frame is full; defaults 128 KiB and 10,000, which is also the most. 0 =
// the default.
func WithFrame(bytes, records int) Option {
	return func(o *options) error {
		if bytes < 0 || bytes > bus.MaxFrameBytes || records < 0 || records > bus.MaxFrameRecords {
			return fmt.Errorf("a frame holds at most %d bytes and %d records", bus.MaxFrameBytes, bus.MaxFrameRecords)
		}
		if bytes > 0 {
			o.aim = bytes
		}
		if records > 0 {
			o.records = records
		}
		return nil
	}
}

// WithEventTime gives each frame the time of its events (header Bulkhead-Event-Time); f is asked when a frame is made.
func WithEventTime(f func() time.Time) Option {
	return func(o *options) error { o.eventTime = f; return nil }
}

// WithTraceparent gives each frame a W3C trace context; f is asked when a frame is made, "" = none.
func WithTraceparent(f func() string) Option {
	return func(o *options) error { o.trace = f; return nil }
}

// WithAck calls f for every frame that is stored, in order, from within Add, Flush and Close; f must not call them.
func WithAck(f func(Ack)) Option {
	return func(o *options) error { o.onAck = f; return nil }
}

// WithRetry calls f before a pause after which a frame is sent again.
func WithRetry(f func(Wait)) Option {
	return func(o *options) error { o.onRetry = f; return nil }
}

// WaitWhenFull makes Add and Flush wait while the stream is full, instead of returning [ErrFull]. f, unless nil, is called before each pause.
func WaitWhenFull(f func(Wait)) Option {
	return func(o *options) error { o.waitFull, o.onFull = true, f; return nil }
}

// WithAckTimeout sets how long an acknowledgement may take before the frame is sent again; default 10 s.
func WithAckTimeout(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return errors.New("the time for an acknowledgement must be positive")
		}
		o.ackTimeout = d
		return nil
	}
}
