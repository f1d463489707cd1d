package acceptance

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/services/orgsim/simtest"
)

// TestAFifthOfAllMessagesComesAgain: when the broker has forgotten what it has seen, a fifth of what upstream published comes again, and a fifth of what the
// services told each other, in no order. Nothing is sent again, and nothing is counted twice.
func TestAFifthOfAllMessagesComesAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const n = 200
	keys := keysOf("C", 0, n)
	s.failing(simtest.LockError, 1, keys[3:9]...)
	s.failing(noLastName, 0, keys[20:24]...)
	for _, k := range keys {
		s.publish("contacts", "evt-"+k, contact(k), false)
	}
	before := s.settle("contacts", n)
	jobs, rows, letters := s.sendings(), s.Sim.Records("Contact", true), s.awaitLetters("contacts", 4)
	if before.Landed != n-4 || before.Failed["contention"] != 6 {
		t.Fatalf("%+v", before)
	}

	facts := s.factsAgain(t)
	records := 0
	for i := 0; i < n; i += 5 {
		if s.publish("contacts", "evt-"+keys[i], contact(keys[i]), false) {
			records++
		}
	}
	if records != n/5 || facts < 2 {
		t.Fatalf("%d records and %d facts came again: nothing is shown", records, facts)
	}
	s.Eventually("the repeats are read", func() bool {
		b := s.balance("contacts")
		return b.Repeats == int64(records) && b.Unread == 0
	})
	s.Eventually("every fact has been taken", func() bool { return s.pendingFacts(t) == 0 })
	s.sweeps(2)

	after := s.balance("contacts")
	if before.Repeats = after.Repeats; !reflect.DeepEqual(after.Balance, before.Balance) || !maps.Equal(after.Failed, before.Failed) {
		t.Errorf("%+v, was %+v", after, before)
	}
	if got := s.sendings(); got != jobs {
		t.Errorf("%d jobs, were %d", got, jobs)
	}
	if !reflect.DeepEqual(s.Sim.Records("Contact", true), rows) {
		t.Error("the org is not what it was, with all versions of its rows")
	}
	if got := s.letters("contacts"); !reflect.DeepEqual(got, letters) {
		t.Errorf("%+v, were %+v", got, letters)
	}
}

// factsAgain publishes a fifth of the facts that FLOW holds once more, as messages that the broker has never seen, the last one first; it says how many.
func (s *stack) factsAgain(t *testing.T) int {
	t.Helper()
	flow, err := s.Conn.JS.Stream(t.Context(), bus.StreamFlow)
	s.Must(err)
	info, err := flow.Info(t.Context())
	s.Must(err)
	n := 0
	for seq := info.State.LastSeq; seq >= info.State.FirstSeq && seq > 0; seq-- {
		if seq%5 != 0 {
			continue
		}
		raw, err := flow.GetMsg(t.Context(), seq)
		s.Must(err)
		maps.DeleteFunc(raw.Header, func(name string, _ []string) bool { return strings.HasPrefix(name, "Nats-") }) // what it said to the broker
		ack, err := s.Publish(&nats.Msg{Subject: raw.Subject, Data: raw.Data, Header: raw.Header}, jetstream.WithMsgID(fmt.Sprintf("again-%d", seq)))
		s.Must(err)
		if !ack.Duplicate {
			n++
		}
	}
	return n
}

// pendingFacts is how many facts some service has not acknowledged.
func (s *stack) pendingFacts(t *testing.T) (n uint64) {
	t.Helper()
	flow, err := s.Conn.JS.Stream(t.Context(), bus.StreamFlow)
	s.Must(err)
	list := flow.ListConsumers(t.Context())
	for c := range list.Info() {
		n += c.NumPending + uint64(c.NumAckPending) //nolint:gosec // a count
	}
	s.Must(list.Err())
	return n
}
