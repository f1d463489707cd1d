package courier

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

// What a message costs in a stream beside its subject, header and body, and what a header adds to that (the file store of nats-server).
const (
	recordCost = 30
	headerCost = 4
)

// message is one that is stored. It never changes; who reads it gets a copy.
type message struct {
	seq     uint64
	subject string
	header  nats.Header
	data    []byte
	at      time.Time
	head    int // bytes of the header as it is sent
}

func (m *message) copy() bus.Msg {
	header := make(nats.Header, len(m.header))
	for name, values := range m.header {
		header[name] = slices.Clone(values)
	}
	return bus.Msg{Seq: m.seq, Subject: m.subject, Header: header, Data: bytes.Clone(m.data), Time: m.at}
}

// cost is what it counts for in the stream's bound of bytes.
func (m *message) cost() uint64 {
	cost := recordCost + len(m.subject) + len(m.data) + m.head
	if m.head > 0 {
		cost += headerCost
	}
	return uint64(cost)
}

// headBytes is the length of a header as it is sent: a line for the version, one for each value, an empty one.
func headBytes(h nats.Header) int {
	if len(h) == 0 {
		return 0
	}
	n := len("NATS/1.0\r\n\r\n")
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(": \r\n") + len(v)
		}
	}
	return n
}

// stream is a stream. Its fields are guarded by the courier's lock.
type stream struct {
	config  jetstream.StreamConfig
	created time.Time

	messages []*message // from the sequence first on; nil = deleted
	first    uint64
	held     int // messages that are not nil
	bytes    uint64
	latest   time.Time // of the last message

	ids     map[string]time.Time // message ids of the window, with the end of their time
	idOrder []string

	consumers []*consumer // in the order of their making
}

// last is the sequence of the last message that was stored.
func (s *stream) last() uint64 { return s.first + uint64(len(s.messages)) - 1 }

// at gives a message; nil = it is not there.
func (s *stream) at(seq uint64) *message {
	if seq < s.first || seq > s.last() {
		return nil
	}
	return s.messages[seq-s.first]
}

func (s *stream) takes(subject string) bool {
	return slices.ContainsFunc(s.config.Subjects, func(filter string) bool { return matches(filter, subject) })
}

// overlaps says whether some subject could belong to both.
func (s *stream) overlaps(subjects []string) bool {
	for _, mine := range s.config.Subjects {
		for _, other := range subjects {
			if collide(mine, other) {
				return true
			}
		}
	}
	return false
}

// age lets time do its work: old messages, old ids and forgotten consumers go.
func (s *stream) age(now time.Time) {
	if most := s.config.MaxAge; most > 0 {
		for len(s.messages) > 0 && (s.messages[0] == nil || !now.Before(s.messages[0].at.Add(most))) {
			s.shift()
		}
	}
	for len(s.idOrder) > 0 && !now.Before(s.ids[s.idOrder[0]]) {
		delete(s.ids, s.idOrder[0])
		s.idOrder = s.idOrder[1:]
	}
	for i := 0; i < len(s.consumers); {
		k := s.consumers[i]
		if most := k.config.InactiveThreshold; most > 0 && len(k.waiting) == 0 && now.Sub(k.asked) > most {
			s.forget(k) // the next one is at this place now
			continue
		}
		i++
	}
}

// room says whether so many bytes more may be stored; a stream that discards old messages makes it.
func (s *stream) room(cost uint64) bool {
	most := s.config.MaxBytes
	if most <= 0 {
		return true
	}
	if s.config.Discard == jetstream.DiscardOld {
		return cost <= uint64(most)
	}
	return s.bytes+cost <= uint64(most)
}

// trim makes room for so many bytes where old messages are discarded for new ones.
func (s *stream) trim(cost uint64) {
	if s.config.Discard != jetstream.DiscardOld || s.config.MaxBytes <= 0 {
		return
	}
	for len(s.messages) > 0 && s.bytes+cost > uint64(s.config.MaxBytes) {
		s.shift()
	}
}

// repeats says whether an id was seen within its window.
func (s *stream) repeats(id string) bool {
	_, seen := s.ids[id]
	return id != "" && seen
}

// store takes a message that was checked.
func (s *stream) store(m *nats.Msg, now time.Time) {
	if now.Before(s.latest) {
		now = s.latest // a clock that was set back does not reorder messages
	}
	s.latest = now
	stored := &message{
		subject: m.Subject, header: maps.Clone(m.Header), data: bytes.Clone(m.Data), at: now.UTC().Round(0), head: headBytes(m.Header),
	}
	s.trim(stored.cost())
	stored.seq = s.last() + 1
	s.messages = append(s.messages, stored)
	s.held++
	s.bytes += stored.cost()
	if id := m.Header.Get(jetstream.MsgIDHeader); id != "" && s.config.Duplicates > 0 {
		s.ids[id] = now.Add(s.config.Duplicates)
		s.idOrder = append(s.idOrder, id)
	}
}

// shift drops the place of the first message.
func (s *stream) shift() {
	s.drop(0)
	s.messages = s.messages[1:]
	s.first++
}

func (s *stream) drop(i int) {
	if m := s.messages[i]; m != nil {
		s.messages[i] = nil
		s.held--
		s.bytes -= m.cost()
	}
}

// remove takes one message out and says whether it was there.
func (s *stream) remove(seq uint64) bool {
	if s.at(seq) == nil {
		return false
	}
	s.drop(int(seq - s.first))
	for len(s.messages) > 0 && s.messages[0] == nil {
		s.shift()
	}
	return true
}

// purge removes what is below a sequence, at most all that is there.
func (s *stream) purge(keep uint64) {
	for len(s.messages) > 0 && (s.first < keep || s.messages[0] == nil) {
		s.shift()
	}
}

func (s *stream) info() *jetstream.StreamInfo {
	state := jetstream.StreamState{
		Msgs: uint64(s.held), Bytes: s.bytes, FirstSeq: s.first, LastSeq: s.last(), LastTime: s.latest,
		Consumers: len(s.consumers), NumDeleted: len(s.messages) - s.held,
	}
	if s.held > 0 {
		state.FirstTime = s.messages[0].at
	}
	config := s.config
	config.Subjects = slices.Clone(config.Subjects)
	return &jetstream.StreamInfo{Config: config, Created: s.created.UTC().Round(0), State: state, TimeStamp: time.Now().UTC().Round(0)}
}

// same says whether two configurations are the same word for word.
func same(a, b jetstream.StreamConfig) bool { return reflect.DeepEqual(a, b) }

// matches says whether a subject belongs to a filter, which may have the wildcards * and >.
func matches(filter, subject string) bool {
	for {
		want, moreWanted, wanted := strings.Cut(filter, ".")
		have, moreHad, had := strings.Cut(subject, ".")
		switch {
		case want == ">":
			return true
		case want != "*" && want != have, wanted != had:
			return false
		case !wanted:
			return true
		}
		filter, subject = moreWanted, moreHad
	}
}

// collide says whether some subject belongs to both filters.
func collide(a, b string) bool {
	for {
		x, moreX, hasX := strings.Cut(a, ".")
		y, moreY, hasY := strings.Cut(b, ".")
		switch {
		case x == ">" || y == ">":
			return true
		case x != y && x != "*" && y != "*", hasX != hasY:
			return false
		case !hasX:
			return true
		}
		a, b = moreX, moreY
	}
}
