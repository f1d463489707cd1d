package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// patience is how long a message is sent again and again without an answer that says it is stored, counted from the end of the faults: what
// does not work long after everything was healed will not.
const patience = 60 * time.Second

// Run seeds the org and publishes the load of a plan; out takes a [history.Publication] for every record of every try. It returns when each
// message was answered, or given up: the rest of its pipeline is then not published. An error is one of the instrument: rows that cannot be
// seeded, a stream that is not there, a file that cannot be written.
func Run(ctx context.Context, t history.Target, p history.Plan, out *history.Writer) error {
	l := Draw(p)
	ids, err := l.seed(ctx, t)
	if err != nil {
		return err
	}
	start := time.Now()
	faults := time.Duration(p.FaultsFor * float64(time.Millisecond))
	pipelines := all()
	errs := make([]error, len(pipelines))
	var wg sync.WaitGroup
	for i, pl := range pipelines {
		wg.Go(func() {
			u := &upstream{pipeline: pl, target: t, ids: ids, out: out, start: start, until: start.Add(faults + patience)}
			errs[i] = u.run(ctx, l.Messages[pl.Name])
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Unpublished is how many records of a plan's load the broker never acknowledged: their publishers gave up, or ended.
func Unpublished(p history.Plan, published []history.Publication) int {
	type record struct {
		pipeline string
		number   int
	}
	stored := map[record]bool{}
	for _, t := range published {
		if t.Answer == history.OK {
			stored[record{t.Pipeline, t.Record}] = true
		}
	}
	return Draw(p).Records() - len(stored)
}

// upstream publishes the messages of one pipeline.
type upstream struct {
	pipeline pipeline
	target   history.Target
	ids      map[string]string
	out      *history.Writer
	start    time.Time
	until    time.Time

	line *line
	last uint64 // of an exact pipeline: the sequence behind which the next message must be stored
}

func (u *upstream) run(ctx context.Context, messages []Message) error {
	l, err := dial(u.target.NATSURL, "upstream of "+u.pipeline.Name)
	if err != nil {
		return err
	}
	defer l.Close()
	u.line = l
	if u.pipeline.Exact {
		wait, cancel := context.WithDeadline(ctx, u.until)
		defer cancel()
		if u.last, err = lastSequence(wait, l, u.pipeline.Name); err != nil {
			return err
		}
	}
	for i := range messages {
		m := &messages[i]
		at := u.start.Add(time.Duration(m.At * float64(time.Millisecond)))
		if !sleep(ctx, time.Until(at)) {
			return ctx.Err()
		}
		stored, err := u.send(ctx, m)
		if err != nil || !stored {
			return err
		}
	}
	return nil
}

// send sends a message until the broker has it; false when it is given up.
func (u *upstream) send(ctx context.Context, m *Message) (bool, error) {
	msg, err := m.encode(u.pipeline.Name, u.ids)
	if err != nil {
		return false, err
	}
	maybe := false // an earlier try may have been stored
	pause := pauseFirst
	for n := 1; ; n++ {
		if u.pipeline.Exact {
			msg.Header.Set("Nats-Expected-Last-Sequence", strconv.FormatUint(u.last, 10))
		}
		sent := u.target.Since()
		r, err := publish(ctx, u.line, msg)
		pub := history.Publication{Message: fmt.Sprintf("%s#%d", m.Name, n), MsgID: m.MsgID, Sent: sent, Answer: history.OK, Seq: r.Seq, Dup: r.Duplicate}
		if err != nil {
			pub.Answer, pub.Refused = u.judge(ctx, err, maybe, &pub)
			maybe = maybe || pub.Answer == history.Unknown
		}
		if pub.Answer != history.Unknown {
			pub.Acked = u.target.Since()
		}
		if err := u.note(m, pub); err != nil {
			return false, err
		}
		if pub.Answer == history.OK {
			u.last = max(u.last, pub.Seq)
			return true, nil
		}
		if time.Now().After(u.until) {
			return false, nil
		}
		if !sleep(ctx, pause) {
			return false, ctx.Err()
		}
		pause = min(2*pause, pauseMost)
	}
}

// judge says what an error means for the message. In an exact pipeline the refusal of a further try may tell that an earlier one was stored:
// nobody else publishes there. It is no proof: the leader of a cluster counts what it has not got stored by a majority, and may never get.
func (u *upstream) judge(ctx context.Context, err error, maybe bool, pub *history.Publication) (history.Answer, string) {
	last, told := lastOf(err)
	switch {
	case told && maybe && last == u.last+1:
		if !holds(ctx, u.line, u.pipeline.Name, last) {
			return history.Unknown, err.Error()
		}
		pub.Seq, pub.Dup = last, true
		return history.OK, err.Error()
	case told && last < u.last:
		u.last = last // it has forgotten what it had acknowledged: the records of that are lost, which is for the judge to say
	}
	if refusedFor(err) {
		return history.Failed, err.Error()
	}
	return history.Unknown, err.Error()
}

// note writes a line for each record of one try.
func (u *upstream) note(m *Message, try history.Publication) error {
	for _, p := range m.Tell(u.pipeline.Pipeline, u.ids, try) {
		if err := u.out.Put(p); err != nil {
			return err
		}
	}
	return nil
}
