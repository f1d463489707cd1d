package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Broker is what this package needs of a broker: JetStream over a connection in production, one in memory where a test plays days of work in
// milliseconds. It is for any number of goroutines. Its errors are those of NATS: *[jetstream.APIError] for a refusal (a full stream is its
// error 10077), [jetstream.ErrStreamNotFound], [jetstream.ErrNoStreamResponse], [nats.ErrMaxPayload] and the like; whoever calls it
// bounds each call by its context, and adds what it was about.
type Broker interface {
	// Publish returns when the message is stored. Without an answer it may have been stored all the same.
	Publish(ctx context.Context, m *nats.Msg) error
	// PublishBatch stores all of the messages, which belong to one stream, or none of them. at is the message that an error is about.
	PublishBatch(ctx context.Context, msgs []*nats.Msg) (at int, err error)
	// Pull asks a consumer once and hands out what comes, until the request is over (nil), ctx ends (its error), each returns an error (that one),
	// or the consumer or the connection is gone.
	Pull(ctx context.Context, stream, consumer string, r PullRequest, each func(Delivery) error) error
	// Range reads stored messages from first to last, as many as fit into maxBytes, and says up to which sequence everything is known now; some behind it
	// may have come, too. A stream that is not there is an error; messages that are not there are left out. Of a cluster's stream whoever answers may lag
	// behind, or have lost some: what it did not give is asked for at the leader, and comes last.
	Range(ctx context.Context, stream string, first, last uint64, maxBytes int, each func(Msg)) (upTo uint64, err error)
	// Next reads the first stored message of a subject, which may have wildcards, at or behind a sequence; [jetstream.ErrMsgNotFound] = there is none. It is
	// answered by whoever leads the stream: what was acknowledged before is seen.
	Next(ctx context.Context, stream, subject string, first uint64) (Msg, error)
	// Stream says what a stream is like and what it holds; [ErrNoMajority] where other servers may hold more.
	Stream(ctx context.Context, name string) (*jetstream.StreamInfo, error)
	// Missing are the sequences between a stream's first and its last that it holds no message of, in their order, as whoever leads it knows. They come all
	// at once: the stream's state tells how many they are.
	Missing(ctx context.Context, stream string) ([]uint64, error)
	CreateStream(ctx context.Context, c jetstream.StreamConfig) error
	UpdateStream(ctx context.Context, c jetstream.StreamConfig) error
	// Purge removes the messages below the sequence keep; beyond the last message it changes nothing.
	Purge(ctx context.Context, stream string, keep uint64) error
	// DeleteMessage takes one message out of a stream; [jetstream.ErrMsgNotFound] = it is not there.
	DeleteMessage(ctx context.Context, stream string, seq uint64) error
	// EnsureConsumer makes a consumer and gives its name, which the broker chooses when it is not durable. A durable one that is there already
	// is brought to these settings.
	EnsureConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) (name string, err error)
	DeleteConsumer(ctx context.Context, stream, name string) error
	// Connected says whether the broker can be reached, as far as is known.
	Connected() bool
	// Close ends everything that is under way. It does not wait for a broker that is away.
	Close()
}

// PullRequest is what is asked of a consumer at once. With NoWait it is over as soon as anything was given, and at Expires when there is
// nothing; without it, when Batch messages were given or at Expires.
type PullRequest struct {
	Batch    int
	MaxBytes int // of the messages with their headers; 0 = no bound
	NoWait   bool
	Expires  time.Duration
}

// Delivery is a message that a consumer gave.
type Delivery struct {
	Msg
	// Ack says that it need not come again. It may be lost on its way without an error.
	Ack func() error
}
