package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// RequestTimeout bounds one request to the broker where the caller's context sets no nearer end.
const RequestTimeout = 5 * time.Second

const (
	connectTimeout = 5 * time.Second
	reconnectWait  = 250 * time.Millisecond
	// A broker that went away without a word is noticed after pingInterval * maxPings.
	pingInterval = 5 * time.Second
	maxPings     = 2
	// syncQueue is the room for messages that nobody has taken yet, of each pull: more than any asks for. The client's default takes half a mebibyte.
	syncQueue = 4096
)

// ConnectOptions name a connection. The zero value works.
type ConnectOptions struct {
	// Name is shown by the broker in its list of connections.
	Name string
	// Logger is told of lost and regained connections; nil = nobody.
	Logger *slog.Logger
	// Options are added last: credentials, TLS.
	Options []nats.Option
}

// Conn is a broker that can be talked to. Over a connection it reconnects for ever; what is in flight when it breaks fails.
type Conn struct {
	Broker Broker
	// NC and JS are the connection and its JetStream context, for who publishes by himself; nil over another broker, see [Over].
	NC *nats.Conn
	JS jetstream.JetStream
}

// Over makes a Conn of a broker that is there already.
func Over(b Broker) *Conn { return &Conn{Broker: b} }

// On makes a Conn of a connection that is there already. Its Close closes that.
func On(nc *nats.Conn) (*Conn, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(RequestTimeout))
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &Conn{Broker: &natsBroker{nc: nc, js: js}, NC: nc, JS: js}, nil
}

// Connect connects to the broker at url, or fails within five seconds. Once connected it never gives up.
func Connect(url string, o ConnectOptions) (*Conn, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	options := []nats.Option{
		nats.Name(o.Name),
		nats.SyncQueueLen(syncQueue),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		// Without a buffer a publish during an outage fails at once instead of being sent, much later, after its caller gave up.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("connection to NATS lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			logger.Info("connection to NATS is back", "url", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil {
				logger.Warn("NATS subscription", "subject", sub.Subject, "err", err)
				return
			}
			logger.Warn("NATS connection", "err", err)
		}),
	}
	nc, err := nats.Connect(url, append(options, o.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	conn, err := On(nc)
	if err != nil {
		nc.Close()
	}
	return conn, err
}

// Close flushes what is on its way out and closes. It does not wait for a broker that is away.
func (c *Conn) Close() {
	if c != nil && c.Broker != nil {
		c.Broker.Close()
	}
}

// Connected says whether the broker can be reached, as far as is known.
func (c *Conn) Connected() bool { return c.Broker.Connected() }

// bounded gives a context that ends by [RequestTimeout] at the latest.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, RequestTimeout)
}

// pause waits, shorter when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
