package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// orderToldEvery is the pause between two lines that say that an order is still waited for.
const orderToldEvery = 10 * time.Second

// carryOut waits for ops to carry a decision out, and says meanwhile that it does. expected is the number that goes with a filter. The results are order's.
func carryOut[T any](g *globals, d *decision, expected *int64, order func() (T, []byte, error)) (reply T, raw []byte, err error) {
	what := "ops is at it"
	if expected != nil {
		what = fmt.Sprintf("ops moves %s letters in one step", thousands(*expected))
	}
	ticker := time.NewTicker(orderToldEvery)
	defer ticker.Stop()
	err = tellWhile(g.err, what, time.Now(), ticker.C, func() (err error) {
		reply, raw, err = order()
		return err
	})
	return reply, raw, d.askAgain(err, expected)
}

// tellWhile runs do, and writes a line at each tick until it returns.
func tellWhile(w io.Writer, what string, began time.Time, ticks <-chan time.Time, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	for {
		select {
		case err := <-done:
			return err
		case at := <-ticks:
			fmt.Fprintf(w, "%s: %s so far\n", what, at.Sub(began).Round(time.Second))
		}
	}
}

// askAgain adds to an error that leaves open whether the order was carried out how to find out: the key is the order's name, also where nobody chose it, and
// the number belongs to the order, since by then other letters match the filter, or none.
func (d *decision) askAgain(err error, expected *int64) error {
	code := codeOf(err)
	switch code {
	case ExitUnreachable, ExitInterrupted, ExitFailed:
	default:
		return err
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return err // nobody was asked
	}
	again := "--idempotency-key " + d.idempotencyKey
	if expected != nil {
		again += fmt.Sprintf(" --expect %d", *expected)
	}
	return exit(code, fmt.Errorf("%w\nWhether the order was carried out is not known. The same command with %s asks, and nothing is moved twice.", err, again)) //nolint:staticcheck // whole sentences: they are printed as they are
}
