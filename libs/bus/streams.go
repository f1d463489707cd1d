package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// FlowMaxAge is how long facts are kept; FLOW may be lost at any time, its length only has to exceed the longest stop of a service.
	FlowMaxAge = 8 * 24 * time.Hour
	// The broker's shortest deduplication window. Each id costs memory, and no argument rests on it.
	duplicateWindow = 100 * time.Millisecond
	// MaxMessageBytes is the broker's max_payload that everything here is built for.
	MaxMessageBytes = 1 << 20
)

// Limits are what differs between installations. Zero values mean the default in the comment.
type Limits struct {
	// MaxBytes bounds the stream; 0 = FLOW 1 GiB, DLQ 4 GiB, RECORDS 2 GiB (a definition's backlog).
	MaxBytes int64
	// Replicas is 1 on one machine, 3 in a cluster; 0 = 1.
	Replicas int
	// Behind is, of a stream that is not there and has to be made, the sequence behind which its first message stands: sequences never run backwards. One
	// that is there keeps its own.
	Behind uint64
}

func (l Limits) config(name string, subjects []string, maxBytes int64) jetstream.StreamConfig {
	if l.MaxBytes > 0 {
		maxBytes = l.MaxBytes
	}
	return jetstream.StreamConfig{
		Name:               name,
		Subjects:           subjects,
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Replicas:           max(l.Replicas, 1),
		MaxBytes:           maxBytes,
		MaxMsgs:            -1,
		MaxMsgsPerSubject:  -1,
		MaxConsumers:       -1,
		MaxMsgSize:         -1,
		Duplicates:         duplicateWindow,
		AllowDirect:        true,
		AllowAtomicPublish: true,
		FirstSeq:           l.firstSeq(),
	}
}

// firstSeq is as the broker wants it: 0 = nothing special.
func (l Limits) firstSeq() uint64 {
	if l.Behind == 0 {
		return 0
	}
	return l.Behind + 1
}

// WantedFlow is the stream of facts.
func WantedFlow(l Limits) Wanted {
	c := l.config(StreamFlow, []string{"flow.*.*"}, 1<<30)
	c.Discard = jetstream.DiscardOld
	c.MaxAge = FlowMaxAge
	return Wanted{c}
}

// WantedDLQ is the stream of dead letters. A full one refuses new letters, which then wait in the outboxes.
func WantedDLQ(l Limits) Wanted {
	c := l.config(StreamDLQ, []string{"dlq.*.*"}, 4<<30)
	c.Discard = jetstream.DiscardNew
	return Wanted{c}
}

// WantedRecords is a pipeline's stream. A full one refuses the publisher: that is the backpressure. Single messages cannot be deleted, so a hole is
// always a loss; purging from the front is ops' right.
func WantedRecords(pipeline string, l Limits) Wanted {
	c := l.config(RecordsStream(pipeline), []string{RecordsSubject(pipeline)}, 2<<30)
	c.Discard = jetstream.DiscardNew
	c.DenyDelete = true
	return Wanted{c}
}

// EnsureFlow makes the stream of facts, or brings an existing one to these settings. Only ops calls it.
func EnsureFlow(ctx context.Context, conn *Conn, l Limits) error {
	return ensure(ctx, conn.Broker, WantedFlow(l).config)
}

// EnsureDLQ makes the stream of dead letters, or brings an existing one to these settings. Only ops calls it.
func EnsureDLQ(ctx context.Context, conn *Conn, l Limits) error {
	return ensure(ctx, conn.Broker, WantedDLQ(l).config)
}

// EnsureRecords makes a pipeline's stream, or brings an existing one to these settings. Only ops calls it.
func EnsureRecords(ctx context.Context, conn *Conn, pipeline string, l Limits) error {
	if err := checkToken("pipeline", pipeline); err != nil {
		return err
	}
	return ensure(ctx, conn.Broker, WantedRecords(pipeline, l).config)
}

func ensure(ctx context.Context, broker Broker, c jetstream.StreamConfig) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	stream, err := broker.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = create(ctx, broker, c)
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return wrapStream(c.Name, err)
		}
		// Another instance was first.
		stream, err = broker.Stream(ctx, c.Name)
	}
	if err != nil {
		return wrapStream(c.Name, err)
	}
	have := stream.Config
	if have.Storage != c.Storage || have.Retention != c.Retention {
		return fmt.Errorf("stream %s exists with storage %s and retention %s, needed are %s and %s: move its messages away and delete it",
			c.Name, have.Storage, have.Retention, c.Storage, c.Retention)
	}
	if len(differences(have, c)) == 0 {
		return nil
	}
	c.FirstSeq, c.Metadata = have.FirstSeq, kept(have.Metadata)
	return wrapStream(c.Name, broker.UpdateStream(ctx, c))
}

// kept is what stays of a stream's metadata when its settings are put right: all but what [StoreAgain] noted in a stream that it shut, which is open then.
func kept(metadata map[string]string) map[string]string {
	out := maps.Clone(metadata)
	for _, name := range metaAgain {
		delete(out, name)
	}
	return out
}

// storeNotMade is the broker's code for a stream whose directory could not be made.
const storeNotMade jetstream.ErrorCode = 10049

// createTries bounds how often that is tried again.
const createTries = 5

// create makes a stream. The broker removes the directories of a deleted stream behind its answer, so that a stream made in that moment fails
// for want of a directory (seen with nats-server 2.15.2) and can be made a moment later.
func create(ctx context.Context, broker Broker, c jetstream.StreamConfig) error {
	for try := 1; ; try++ {
		err := broker.CreateStream(ctx, c)
		var api *jetstream.APIError
		if try == createTries || !errors.As(err, &api) || api.ErrorCode != storeNotMade {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func wrapStream(name string, err error) error {
	if err != nil {
		return fmt.Errorf("apply stream %s: %w", name, err)
	}
	return nil
}

// PurgeRecords removes a pipeline's messages below sequence keep, at most all that are there. Only ops calls it, with a mark below which nobody
// reads any more.
func PurgeRecords(ctx context.Context, conn *Conn, pipeline string, keep uint64) error {
	if keep < 2 {
		return nil // nothing is below, and to the broker the sequence 0 means everything
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := conn.Broker.Purge(ctx, RecordsStream(pipeline), keep); err != nil {
		return fmt.Errorf("purge %s below %d: %w", RecordsStream(pipeline), keep, err)
	}
	return nil
}

// DeleteLetter takes one message out of DLQ; one that is not there (any more) is no error. Only ops calls it, for a letter that is closed.
func DeleteLetter(ctx context.Context, conn *Conn, seq uint64) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := conn.Broker.DeleteMessage(ctx, StreamDLQ, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("delete message %d of %s: %w", seq, StreamDLQ, err)
	}
	return nil
}

// StreamInfo is what readers and the purge need to know of a stream.
type StreamInfo struct {
	// Incarnation is when the stream was made: another one is another stream, whatever its name.
	Incarnation time.Time
	// First and Last are the sequences of its first and last message; of an empty stream Last+1 and Last.
	First, Last uint64
	// Messages and Bytes are what it holds now, MaxBytes what it may hold.
	Messages uint64
	Bytes    uint64
	MaxBytes int64
	// At is when the broker said this, by its own clock, which its messages are dated by too.
	At time.Time
}

// Info asks the broker about a stream. A stream that is not there gives an error that wraps [jetstream.ErrStreamNotFound].
func Info(ctx context.Context, conn *Conn, stream string) (StreamInfo, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := conn.Broker.Stream(ctx, stream)
	if err != nil {
		return StreamInfo{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	return streamInfo(s), nil
}

func streamInfo(i *jetstream.StreamInfo) StreamInfo {
	info := StreamInfo{
		Incarnation: i.Created, First: i.State.FirstSeq, Last: i.State.LastSeq,
		Messages: i.State.Msgs, Bytes: i.State.Bytes, MaxBytes: i.Config.MaxBytes, At: i.TimeStamp,
	}
	if i.State.Msgs == 0 {
		info.First = info.Last + 1
	}
	return info
}
