package bus

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lettersAgain is the key in DLQ's metadata under which stands when ops last asked for every open letter. It lives and dies with the stream.
const lettersAgain = "bulkhead_letters_again"

// LettersSince says since when DLQ has to be given every open letter: since it was made, or since ops asked for them again ([AskForLetters]).
// Each decider publishes its own whenever this is another time than the one that it published them for; only equality has a meaning, to the
// microsecond. A stream that is not there gives an error that wraps [jetstream.ErrStreamNotFound].
func LettersSince(ctx context.Context, conn *Conn) (time.Time, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := conn.Broker.Stream(ctx, StreamDLQ)
	if err != nil {
		return time.Time{}, fmt.Errorf("stream %s: %w", StreamDLQ, err)
	}
	return lettersSince(s), nil
}

func lettersSince(s *jetstream.StreamInfo) time.Time {
	asked, err := time.Parse(time.RFC3339Nano, s.Config.Metadata[lettersAgain])
	if err != nil || asked.Before(s.Created) {
		return s.Created
	}
	return asked
}

// AskForLetters has every decider publish its open letters into DLQ once more, because one may be missing there: those that are there stand
// twice then. Only ops calls it.
func AskForLetters(ctx context.Context, conn *Conn) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := conn.Broker.Stream(ctx, StreamDLQ)
	if err != nil {
		return fmt.Errorf("stream %s: %w", StreamDLQ, err)
	}
	at := lettersSince(s).Add(time.Millisecond)
	if s.TimeStamp.After(at) { // the broker's clock, as that of the stream's making
		at = s.TimeStamp
	}
	c := s.Config
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	c.Metadata[lettersAgain] = at.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	if err := conn.Broker.UpdateStream(ctx, c); err != nil {
		return fmt.Errorf("ask for the letters of stream %s: %w", StreamDLQ, err)
	}
	return nil
}
