package bus_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/testkit"
)

// side is a broker that package bus works over, with what tests do to it behind the package's back.
type side interface {
	// conn is a connection that is gone after the test; each call gives another one.
	conn(t *testing.T) *bus.Conn
	// forget deletes a stream.
	forget(t *testing.T, stream string)
	// lose deletes a message, as damage on the disk would.
	lose(t *testing.T, stream string, seq uint64)
	// consumers are the names of a stream's consumers.
	consumers(t *testing.T, stream string) []string
	// consumer is what a consumer wants, and how many messages it was given that are not acknowledged.
	consumer(t *testing.T, stream, name string) (filters []string, unacknowledged int)
	// stop takes the broker away, start brings it back with what it had stored.
	stop(t *testing.T)
	start(t *testing.T)
}

// everywhere runs a test over every broker: what holds of one holds of the other.
func everywhere(t *testing.T, run func(t *testing.T, start func(t *testing.T) side)) {
	t.Run("NATS", func(t *testing.T) { run(t, startNATS) })
	t.Run("courier", func(t *testing.T) {
		run(t, func(*testing.T) side { return &courierSide{courier: courier.Open()} })
	})
}

// onBoth runs a test that needs one broker over each.
func onBoth(t *testing.T, run func(t *testing.T, b side)) {
	everywhere(t, func(t *testing.T, start func(t *testing.T) side) { run(t, start(t)) })
}

// natsSide is an embedded server.
type natsSide struct {
	dir    string
	port   int
	server *local.NATS
	admin  *bus.Conn
}

func startNATS(t *testing.T) side {
	t.Helper()
	s := &natsSide{dir: t.TempDir()}
	t.Cleanup(func() {
		if s.server != nil {
			s.stop(t)
		}
	})
	s.start(t)
	address, err := url.Parse(s.server.URL())
	must(t, err)
	s.port, err = strconv.Atoi(address.Port())
	must(t, err)
	s.admin = s.conn(t)
	return s
}

func (s *natsSide) conn(t *testing.T) *bus.Conn { return connect(t, s.server.URL()) }

func (s *natsSide) start(t *testing.T) {
	t.Helper()
	server, err := local.StartNATS(context.WithoutCancel(t.Context()), local.NATSOptions{Dir: s.dir, Port: s.port, SyncAlways: true, Logger: testkit.Logger(t)})
	must(t, err)
	s.server = server
}

func (s *natsSide) stop(t *testing.T) {
	t.Helper()
	err := s.server.Stop(context.WithoutCancel(t.Context()))
	s.server = nil
	if err != nil {
		t.Error(err)
	}
}

func (s *natsSide) forget(t *testing.T, stream string) {
	t.Helper()
	must(t, s.admin.JS.DeleteStream(t.Context(), stream))
}

func (s *natsSide) lose(t *testing.T, stream string, seq uint64) {
	t.Helper()
	have, err := s.admin.JS.Stream(t.Context(), stream)
	must(t, err)
	must(t, have.DeleteMsg(t.Context(), seq))
}

func (s *natsSide) consumers(t *testing.T, stream string) []string {
	t.Helper()
	have, err := s.admin.JS.Stream(t.Context(), stream)
	must(t, err)
	var names []string
	for name := range have.ConsumerNames(t.Context()).Name() {
		names = append(names, name)
	}
	return names
}

func (s *natsSide) consumer(t *testing.T, stream, name string) (filters []string, unacknowledged int) {
	t.Helper()
	c, err := s.admin.JS.Consumer(t.Context(), stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Fatalf("no consumer %s", name)
	}
	must(t, err)
	info := c.CachedInfo()
	filters = info.Config.FilterSubjects
	if info.Config.FilterSubject != "" {
		filters = []string{info.Config.FilterSubject}
	}
	return filters, info.NumAckPending
}

// courierSide is a broker in memory.
type courierSide struct{ courier *courier.Courier }

func (s *courierSide) conn(t *testing.T) *bus.Conn {
	t.Helper()
	conn := s.courier.As(t.Name()).Conn()
	t.Cleanup(conn.Close)
	return conn
}

func (s *courierSide) start(*testing.T) { s.courier.Up() }
func (s *courierSide) stop(*testing.T)  { s.courier.Down() }

func (s *courierSide) forget(t *testing.T, stream string) {
	t.Helper()
	if !s.courier.Forget(stream) {
		t.Fatalf("no stream %s", stream)
	}
}

func (s *courierSide) lose(t *testing.T, stream string, seq uint64) {
	t.Helper()
	if !s.courier.Lose(stream, seq) {
		t.Fatalf("no message %d in %s", seq, stream)
	}
}

func (s *courierSide) consumers(_ *testing.T, stream string) []string {
	var names []string
	for _, c := range s.courier.Consumers(stream) {
		names = append(names, c.Name)
	}
	return names
}

func (s *courierSide) consumer(t *testing.T, stream, name string) (filters []string, unacknowledged int) {
	t.Helper()
	for _, c := range s.courier.Consumers(stream) {
		if c.Name == name {
			return c.Config.FilterSubjects, c.Unacknowledged
		}
	}
	t.Fatalf("no consumer %s", name)
	return nil, 0
}
