package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

const (
	// lookEvery is the pause between two looks at the balance, statusEvery between two at what stands still.
	lookEvery   = 500 * time.Millisecond
	statusEvery = 2 * time.Second
	// pausedFor is how long nothing may move in a paused pipeline before following ends: what was under way comes to rest first.
	pausedFor = 5 * time.Second
	// silence is how long ops may not answer.
	silence = time.Minute
)

// following is what was seen at the end.
type following struct {
	reply *opsv1.GetBalanceResponse
	// open says why it ended before everything came to rest; "" = everything did.
	open string
}

// follow waits until everything up to a message of the stream is accepted and nothing of the run moves any more.
func (l *loader) follow(ctx context.Context, s *sending) (following, error) {
	l.c.Progress.Phase("carry")
	defer l.c.Progress.Done()
	if l.c.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.c.Wait, errWaited)
		defer cancel()
	}
	var (
		out         following
		accepted    = s.stored == 0
		st          standstill
		lastStatus  time.Time
		lastAnswer  = l.c.Now()
		lastBalance *opsv1.Balance
		lastMove    = l.c.Now()
	)
	for {
		was := accepted
		b, _, err := l.c.Ops.Balance(ctx, l.c.Pipeline, l.run)
		if err == nil && l.c.Now().Sub(lastStatus) >= statusEvery {
			st, err = l.look(ctx, s.last)
			lastStatus = l.c.Now()
		}
		switch {
		case err == nil:
			lastAnswer, out.reply = l.c.Now(), b
		case ctx.Err() != nil:
			return l.ended(ctx, out)
		case !transient(err) || l.c.Now().Sub(lastAnswer) > silence:
			return out, err
		}
		if err == nil {
			// What was read between the balance and the count of what is unread is in the next balance only.
			accepted = accepted || st.decided || b.GetUnread().GetMessages() == 0
			now := b.GetBalance()
			if lastBalance == nil || !sameBalance(now, lastBalance) {
				lastBalance, lastMove = now, l.c.Now()
			}
			l.tell(s, b, st)
			moving := now.GetInFlight() + now.GetRetrying() + now.GetWaitingForParent()
			if was && moving == 0 {
				return out, nil
			}
			if st.why != "" && l.c.Now().Sub(lastMove) >= pausedFor {
				out.open = st.why
				return out, nil
			}
		}
		select {
		case <-ctx.Done():
			return l.ended(ctx, out)
		case <-time.After(lookEvery):
		}
	}
}

var errWaited = errors.New("waited long enough")

// ended tells the caller's own bound from an interrupt.
func (l *loader) ended(ctx context.Context, out following) (following, error) {
	if errors.Is(context.Cause(ctx), errWaited) {
		out.open = fmt.Sprintf("--wait %s is over and not everything has come to rest: bulkhead status --pipeline %s --run %s shows how it goes on", l.c.Wait, l.c.Pipeline, l.run)
		return out, nil
	}
	return out, context.Cause(ctx)
}

// transient says whether ops may answer in a moment.
func transient(err error) bool {
	var away *opsclient.UnreachableError
	return errors.As(err, &away) || errors.Is(err, context.DeadlineExceeded)
}

// standstill is what the status says of the pipeline.
type standstill struct {
	decided bool   // everything up to our last message is accepted
	why     string // nothing moves until a person acts; with the remedy
	org     string // why the org does not answer, if it does not
}

func (l *loader) look(ctx context.Context, last uint64) (standstill, error) {
	reply, _, err := l.c.Ops.Status(ctx)
	if err != nil {
		return standstill{}, err
	}
	var out standstill
	for _, p := range reply.GetPipelines() {
		if p.GetName() != l.c.Pipeline {
			continue
		}
		out.decided = decided(p.GetCheckpoints(), last)
		for _, pause := range p.GetPauses() {
			out.why = fmt.Sprintf("%s is paused by %s: %s %s. When the cause is gone: bulkhead pipelines resume %s --reason '…'",
				l.c.Pipeline, pause.GetService(), pause.GetCode(), pause.GetMessage(), l.c.Pipeline)
		}
		if p.GetStopped() != "" {
			out.why = fmt.Sprintf("%s has stopped reading: %s", l.c.Pipeline, p.GetStopped())
		}
	}
	for _, o := range reply.GetOrgs() {
		if o.GetName() == l.org {
			out.org = awayFor(o)
		}
	}
	return out, nil
}

// awayFor says why an org does not answer, and when it is called next while nobody calls it; "" = nothing is known against it. It needs no person.
func awayFor(o *opsv1.OrgStatus) string {
	c := o.GetCircuit()
	if !c.GetOpen() {
		return o.GetError()
	}
	since := c.GetOpenedAt().AsTime().UTC().Format(time.DateTime)
	wait := time.Duration(math.Ceil(c.GetNextCallSeconds())) * time.Second
	return fmt.Sprintf("not called since %sZ, next call in %s: %s", since, wait, c.GetCause())
}

// frameEnd is the index of a mark behind the last record of its message.
const frameEnd = math.MaxInt32

// decided says whether every lane's mark has passed a message.
func decided(marks []*opsv1.Checkpoint, sequence uint64) bool {
	for _, m := range marks {
		if seq := uint64(max(m.GetSeq(), 0)); seq < sequence || seq == sequence && m.GetIndex() != frameEnd {
			return false
		}
	}
	return len(marks) > 0
}

func (l *loader) tell(s *sending, b *opsv1.GetBalanceResponse, st standstill) {
	now := b.GetBalance()
	rest := now.GetAccepted() - now.GetInFlight() - now.GetRetrying() - now.GetWaitingForParent()
	repeats := b.GetRepeats() - l.before.GetRepeats()
	note := fmt.Sprintf("accepted %d, landed %d, dead %d, waiting %d", now.GetAccepted(), now.GetLanded(), now.GetDead()+now.GetUnresolved(),
		now.GetRetrying()+now.GetWaitingForParent())
	if repeats > 0 {
		note += fmt.Sprintf(", repeats %d", repeats)
	}
	switch {
	case st.why != "":
		note += " · " + st.why
	case st.org != "":
		note += " · the org: " + st.org
	}
	total := max(s.stored, now.GetAccepted()+repeats)
	l.c.Progress.At(min(rest+repeats, total), total, note)
}

func sameBalance(a, b *opsv1.Balance) bool {
	return a.GetAccepted() == b.GetAccepted() && a.GetLanded() == b.GetLanded() && a.GetInFlight() == b.GetInFlight() &&
		a.GetRetrying() == b.GetRetrying() && a.GetWaitingForParent() == b.GetWaitingForParent() && a.GetDead() == b.GetDead() &&
		a.GetUnresolved() == b.GetUnresolved() && a.GetSuperseded() == b.GetSuperseded() && a.GetDiscarded() == b.GetDiscarded()
}
