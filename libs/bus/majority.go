package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoMajority says that whoever answers for a stream may not know what other servers of the cluster have acknowledged since: it says nothing, and
// is asked again.
var ErrNoMajority = errors.New("no majority of the stream's replicas follows the server that answers")

// followedWithin is the age of the last sign of a replica up to which it still follows a leader. Replicas wait for at least four seconds until
// they elect another one (nats-server 2.15), so that a leader with a majority of such replicas is the only one.
const followedWithin = 3500 * time.Millisecond

// majority says whether what was said of a stream is what a majority of its replicas holds; nil = it is, or there is one server. A leader that is cut
// off says for ten seconds and more what it knew before, and any replica answers while there is no leader.
func majority(c *jetstream.ClusterInfo) error {
	if c == nil || len(c.Replicas) == 0 {
		return nil
	}
	if c.Leader == "" {
		return fmt.Errorf("%w: it has no leader", ErrNoMajority)
	}
	follow := 1 // itself
	for _, r := range c.Replicas {
		if r.Active > 0 && r.Active <= followedWithin { // 0 = never heard
			follow++
		}
	}
	if of := len(c.Replicas) + 1; follow <= of/2 {
		return fmt.Errorf("%w: %d of %d", ErrNoMajority, follow, of)
	}
	return nil
}

// apiGet reads one message; only the leader of the stream answers.
const apiGet = "$JS.API.STREAM.MSG.GET."

// passedOver makes sure of what a direct get did not give of the sequences to upTo: any replica answers that, and one that lags behind lacks the newest. It says
// up to which sequence everything is known now: where maxBytes are reached, or the leader has no more time, it is less than upTo, and never nothing.
func (b *natsBroker) passedOver(ctx context.Context, stream string, passed []Range, upTo uint64, maxBytes int, each func(Msg)) (uint64, error) {
	info, err := b.Stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	if info.Cluster == nil || len(info.Cluster.Replicas) == 0 {
		return upTo, nil // it was the only one who could answer
	}
	known := uint64(0)
	for _, p := range passed {
		for seq := max(p.From, info.State.FirstSeq); seq <= min(p.Through, info.State.LastSeq); seq++ {
			m, err := b.fromLeader(ctx, stream, seq)
			switch {
			case errors.Is(err, jetstream.ErrMsgNotFound):
			case err != nil && known > 0:
				return known, nil // what is known is of use, and the rest is asked for again
			case err != nil:
				return 0, err
			default:
				each(m)
				maxBytes -= len(m.Data)
			}
			if known = seq; maxBytes <= 0 {
				return known, nil
			}
		}
	}
	return upTo, nil
}

func (b *natsBroker) fromLeader(ctx context.Context, stream string, seq uint64) (Msg, error) {
	m, err := b.get(ctx, stream, map[string]any{"seq": seq})
	if err == nil && m.Seq != seq {
		return Msg{}, errors.New("the answer of a stream's leader has another message than was asked for")
	}
	return m, err
}

// Next asks the stream's leader for one message: a direct get may be answered by a replica that lags behind.
func (b *natsBroker) Next(ctx context.Context, stream, subject string, first uint64) (Msg, error) {
	return b.get(ctx, stream, map[string]any{"seq": max(first, 1), "next_by_subj": subject})
}

// get asks the stream's leader for one message; [jetstream.ErrMsgNotFound] when it has none that fits.
func (b *natsBroker) get(ctx context.Context, stream string, question map[string]any) (Msg, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return Msg{}, err
	}
	reply, err := b.nc.RequestWithContext(ctx, apiGet+stream, body)
	if err != nil {
		return Msg{}, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return Msg{}, fmt.Errorf("unreadable answer of a stream's leader: %w", err)
	}
	switch m := answer.Message; {
	case answer.Error != nil && notStored(answer.Error):
		return Msg{}, fmt.Errorf("%w (%w)", jetstream.ErrMsgNotFound, answer.Error)
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return Msg{}, jetstream.ErrStreamNotFound
	case answer.Error != nil:
		return Msg{}, answer.Error
	case m == nil:
		return Msg{}, errors.New("a stream's leader answers without a message")
	default:
		header := nats.Header{}
		if len(m.Header) > 0 {
			if header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
				return Msg{}, fmt.Errorf("headers of message %d: %w", m.Seq, err)
			}
		}
		return Msg{Seq: m.Seq, Subject: m.Subject, Header: header, Data: m.Data, Time: m.Time}, nil
	}
}
