package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bulkhead/libs/record"
)

// Circuit decides whether an org may be called now. It is asked before each exchange, those of logins and repetitions too, and told what came of it.
// It is safe for concurrent use.
type Circuit interface {
	// Allow says whether an exchange may be made: nil and a function that is to be told, once, what came of it, or an error that wraps
	// [*CircuitOpenError].
	Allow(ctx context.Context) (told func(context.Context, Verdict), err error)
}

// Proof is what an exchange says of an org.
type Proof int

const (
	// ProofNone says nothing: the caller ended it, nothing was sent, a login answered (another host, which knows no limits), a reply made no sense.
	ProofNone Proof = iota
	// ProofAnswers is an answer of the org's API, a refusal too.
	ProofAnswers
	// ProofAway is no answer, or one that says that no call is answered now.
	ProofAway
)

// Verdict is what came of an exchange.
type Verdict struct {
	Proof Proof
	// Class of an org that is away: transient, or quota when its calls of the day are used up. Cause is why, in words without secrets.
	Class record.Class
	Cause string
}

// CircuitOpenError says that a call was not made, because calls before it got no answer and it is too early to try again. It says the same in words for
// as long as the cause is the same.
type CircuitOpenError struct {
	// Wait is how long to wait before asking again.
	Wait time.Duration
	// Class is that of the calls that failed, Cause what came of the last one.
	Class record.Class
	Cause string
}

// Error says why nothing was sent.
func (e *CircuitOpenError) Error() string {
	return "not called, the org is given time: " + e.Cause
}

// maxBehind is the most by which [Behind] makes a wait longer. With the longest wait of a circuit, and the second in which whoever waits finds that it is
// over, it is less than a minute: work goes on that soon when an org is back.
const maxBehind = 1500 * time.Millisecond

// IsHeldBack says whether nothing of a call was sent, because its org is given time: no failure of the call's own. One that was sent, got no answer and
// is not sent again for the same reason is a failure like any other.
func IsHeldBack(err error) bool {
	_, ok := neverSent(err)
	return ok
}

// IsGivenTime says whether a call was not sent, or not sent again, because its org is given time: [RetryAfterHint] is then its circuit's wait.
func IsGivenTime(err error) bool {
	_, ok := errors.AsType[*CircuitOpenError](err)
	return ok
}

// Behind is how long what failed before waits for an open circuit: a little longer than what has not, up to its own backoff. Whoever comes first shows
// whether the org is back, and that must not be, again and again, the one call that gets no answer from an org which is there.
func Behind(wait, backoff time.Duration) time.Duration { return wait + min(backoff, maxBehind) }

// neverSent says whether err is a call that was held back before anything of it was sent.
func neverSent(err error) (*CircuitOpenError, bool) {
	open, ok := errors.AsType[*CircuitOpenError](err)
	if !ok {
		return nil, false
	}
	if _, answered := errors.AsType[*Error](err); answered {
		return nil, false
	}
	_, lost := errors.AsType[*TransportError](err)
	return open, !lost
}

// verdictOf reads an exchange. ctx is the caller's own: what it ended, cancelled or out of time, says nothing of the org. The client's own time-outs end
// contexts inside of it.
func verdictOf(ctx context.Context, err error, login bool) Verdict {
	if err == nil {
		if login {
			return Verdict{}
		}
		return Verdict{Proof: ProofAnswers}
	}
	if IsUnreachable(err) {
		if ctx.Err() != nil {
			return Verdict{}
		}
		return Verdict{Proof: ProofAway, Class: record.ClassTransient, Cause: err.Error()}
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return Verdict{}
	case e.Code == codeRequestLimit && e.Class == record.ClassQuota:
		return Verdict{Proof: ProofAway, Class: record.ClassQuota, Cause: err.Error()}
	case login || e.Code == "" || e.Status == http.StatusUnauthorized:
		return Verdict{} // a lost session is not compared with any limit
	}
	return Verdict{Proof: ProofAnswers}
}

// exchange makes one exchange, if the circuit allows it.
func (c *Client) exchange(ctx context.Context, login bool, do func() error) error {
	told, err := c.allow(ctx)
	if err != nil {
		return err
	}
	err = do()
	told(verdictOf(ctx, err, login))
	return err
}

// allow asks the circuit. What it returns is to be told what came of the exchange.
func (c *Client) allow(ctx context.Context) (told func(Verdict), err error) {
	if c.cfg.Circuit == nil {
		return func(Verdict) {}, nil
	}
	tell, err := c.cfg.Circuit.Allow(ctx)
	if err != nil {
		return nil, err
	}
	return func(v Verdict) { tell(ctx, v) }, nil
}

// allowed asks the circuit, and waits for it where that is to be slept through.
func (c *Client) allowed(ctx context.Context) (told func(Verdict), err error) {
	tried := tries{retry: c.cfg.Retry}
	for {
		told, err := c.allow(ctx)
		if err == nil {
			return told, nil
		}
		wait, again := tried.next(err, false, c.cfg.Random())
		if !again {
			return nil, err
		}
		if err := pause(ctx, wait, err); err != nil {
			return nil, err
		}
	}
}

// tries counts the exchanges of one call, and those that the circuit did not allow.
type tries struct {
	retry      Retry
	sent, held int
	last       error // of the last exchange that was made
}

// next says whether and after what wait a call is made again that failed. A call that an open circuit held back is always made again, when the wait is one
// to be slept through: nothing was sent. If it has failed before, it comes after those that have not, so that a call which alone gets no answer is not the
// one by which its org is judged.
func (t *tries) next(failed error, repeat bool, draw float64) (time.Duration, bool) {
	if open, ok := errors.AsType[*CircuitOpenError](failed); ok {
		t.held++
		if t.held > t.retry.Tries || open.Wait > t.retry.Max {
			return 0, false
		}
		wait := open.Wait
		if t.last != nil {
			wait += t.retry.jittered(t.sent, draw)
		}
		return wait, true
	}
	t.sent++
	t.last = failed
	if !repeat {
		return 0, false
	}
	return retryWait(t.retry, t.sent, failed, draw)
}

// ended is the error of a call that is not made again: what came of it, and why it was not repeated.
func (t *tries) ended(failed error) error {
	if t.last != nil && IsGivenTime(failed) {
		return fmt.Errorf("%w; not tried again: %w", t.last, failed)
	}
	return failed
}
