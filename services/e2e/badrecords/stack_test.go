package badrecords

import (
	"maps"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/services/e2e/inprocess"
)

// stack is everything, in this process.
type stack struct {
	*inprocess.Stack

	// published counts what the broker acknowledged as new.
	published int64
}

func newStack(t *testing.T, byJobs bool) *stack {
	t.Helper()
	names := slices.Sorted(maps.Keys(pipelines))
	o := inprocess.Options{Model: model(), ByJobs: byJobs}
	for _, name := range names {
		o.Definitions = append(o.Definitions, []byte(pipelines[name]))
	}
	s := &stack{Stack: inprocess.Start(t, o)}
	s.TakesRecords(names...)
	return s
}

// settle waits until everything published is decided and nothing moves.
func (s *stack) settle() {
	s.T.Helper()
	var b inprocess.Balance
	defer func() {
		if s.T.Failed() {
			s.T.Logf("published %d, %+v", s.published, b)
		}
	}()
	s.Rest("", "all that was published", func(now inprocess.Balance) bool {
		b = now
		return b.Accepted+b.Repeats == s.published
	})
}

// publish sends a message as it is, once, and waits for the broker's word. duplicate = the broker knows its Nats-Msg-Id and stored nothing.
func (s *stack) publish(m *nats.Msg) (duplicate bool, err error) {
	ack, err := s.Publish(m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return false, err
	}
	if !ack.Duplicate {
		s.published++
	}
	return ack.Duplicate, nil
}

// afresh publishes a message whose id the broker may still know, until it is stored: the broker forgets an id after its shortest window.
func (s *stack) afresh(m *nats.Msg) {
	s.T.Helper()
	s.Eventually("the broker has forgotten an id", func() bool {
		duplicate, err := s.publish(m)
		s.Must(err)
		return !duplicate
	})
}
