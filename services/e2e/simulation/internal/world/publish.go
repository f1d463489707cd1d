package world

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/memory/courier"
	"bulkhead/services/e2e/chaos/trial"
)

// In how many of a hundred tries a publisher is not told what became of a message, in a world with faults.
const (
	answersLost = 4 // it is stored, and nobody says so
	callsLost   = 4 // it is not stored, and nobody says so
)

// Publish publishes the load as its times say, each pipeline by a publisher of its own, and returns when the broker has every message.
func (w *World) Publish() {
	w.note(trial.Event{What: "phase", Text: "storm"})
	w.arm()
	began := time.Now()
	var wg sync.WaitGroup
	for _, p := range w.pipelines {
		wg.Go(func() {
			u := &upstream{world: w, pipeline: p, handle: w.broker.As("upstream of " + p.Name), stream: "RECORDS_" + p.Name, ids: map[string]uint64{}}
			u.settled, _ = u.last() // no stream: the first publish says so
			for i := range w.load.Messages[p.Name] {
				m := &w.load.Messages[p.Name][i]
				if !sleep(w.ctx, time.Until(began.Add(ms(m.At)))) || !u.send(m) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// upstream publishes the messages of one pipeline.
type upstream struct {
	world    *World
	pipeline trial.Pipeline
	handle   *courier.Handle
	stream   string
	settled  uint64            // the last sequence that it knows of
	ids      map[string]uint64 // where a message with this id was stored last
	tries    int
}

func (u *upstream) last() (uint64, error) {
	info, err := u.handle.Stream(u.world.ctx, u.stream)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// send sends a message until the broker has it, or for two minutes.
func (u *upstream) send(m *trial.Message) bool {
	w := u.world
	msg, err := m.Encode(u.pipeline.Name, w.ids)
	if err != nil {
		w.fail(err)
		return false
	}
	maybe := false
	pause := 40 * time.Millisecond
	for n, end := 1, time.Now().Add(2*time.Minute); ; n++ {
		try := u.try(msg, m, maybe)
		try.Message, try.MsgID = fmt.Sprintf("%s#%d", m.Name, n), m.MsgID
		maybe = maybe || try.Answer == trial.Unknown
		w.mu.Lock()
		w.run.Published = append(w.run.Published, m.Tell(u.pipeline, w.ids, try)...)
		w.mu.Unlock()
		if try.Answer == trial.OK {
			return true
		}
		if time.Now().After(end) || !sleep(w.ctx, pause) {
			w.fail(fmt.Errorf("%s: the broker does not take %s: %s", u.pipeline.Name, m.Name, try.Refused))
			return false
		}
		pause = min(2*pause, 300*time.Millisecond)
	}
}

// try publishes once. What the broker did is known at once; what the publisher is told of it is the seed's to say.
func (u *upstream) try(msg *nats.Msg, m *trial.Message, maybe bool) trial.Publication {
	w := u.world
	u.tries++
	sleep(w.ctx, time.Duration(float64(2*time.Millisecond)*w.fraction("upstream", u.pipeline.Name, "", "", u.tries)))
	try := trial.Publication{Sent: w.Since(), Answer: trial.OK}
	draw := int(100 * w.fraction("upstream", u.pipeline.Name, "answer", "", u.tries))
	w.mu.Lock()
	storm := len(w.o.Plan.Faults) > 0 && !w.healed
	w.mu.Unlock()
	before, err := u.last()
	switch {
	case err != nil:
	case u.pipeline.Exact && maybe && before > u.settled:
		// As a message that says behind which sequence it is to be stored: the refusal tells that an earlier try was stored.
		u.settled, u.ids[m.MsgID] = before, before
		try.Seq, try.Dup, try.Refused = before, true, "wrong last sequence"
		try.Acked = w.Since()
		return try
	case storm && draw < callsLost:
		try.Answer, try.Refused = trial.Unknown, "no answer"
		return try
	default:
		err = u.handle.Publish(w.ctx, msg)
	}
	if err != nil {
		try.Answer, try.Refused, try.Acked = trial.Failed, err.Error(), w.Since()
		return try
	}
	after, err := u.last()
	if err != nil {
		w.fail(err)
	}
	if try.Dup = after == before; !try.Dup {
		u.ids[m.MsgID] = after
	}
	if storm && draw < callsLost+answersLost {
		try.Answer, try.Refused = trial.Unknown, "no answer"
		return try
	}
	u.settled = after
	try.Seq, try.Acked = u.ids[m.MsgID], w.Since()
	return try
}
