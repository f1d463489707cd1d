package inprocess

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishTime bounds the wait for the broker's word.
const publishTime = 10 * time.Second

// Publish publishes a message as it is and waits for the broker's word. An acknowledgement may say that the broker knows the message's id within its
// window and stored nothing: that message reaches nobody.
func (s *Stack) Publish(m *nats.Msg, options ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(s.T.Context(), publishTime)
	defer cancel()
	return s.Conn.JS.PublishMsg(ctx, m, options...)
}
