package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// restEvery is the time from one look to the next.
const restEvery = 100 * time.Millisecond

// Rest waits until everything that was published is accepted and nothing moves, or waits for something that will come: in the balance, in the
// ledger, in the stream of letters, and in the org. Records that are dead or unresolved are at rest. When ctx ends first the error says what it still waited for.
// waits is told of that whenever it changes; nil = nobody is.
func Rest(ctx context.Context, t history.Target, waits func(what string)) error {
	return rest(ctx, t, waits, true)
}

// Settled is Rest but for the org: a job that nobody wants any more may still be open there.
func Settled(ctx context.Context, t history.Target, waits func(what string)) error {
	return rest(ctx, t, waits, false)
}

func rest(ctx context.Context, t history.Target, waits func(what string), org bool) error {
	if waits == nil {
		waits = func(string) {}
	}
	l := &ledger{dsn: t.AdminDSN}
	defer l.close()
	r, err := newReader(t)
	if err != nil {
		return err
	}
	defer r.conn.Close()
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	waiting := []string{"the first look"}
	for n := 0; ; n++ {
		now, err := moving(ctx, t, l, r, n, org)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("no rest: waits for %s", strings.Join(waiting, "; "))
		case err != nil:
			now = append(now, err.Error())
		case len(now) == 0:
			return nil
		}
		if !slices.Equal(now, waiting) {
			waits(strings.Join(now, "; "))
		}
		waiting = now
		select {
		case <-ctx.Done():
			return fmt.Errorf("no rest: waits for %s", strings.Join(waiting, "; "))
		case <-tick.C:
		}
	}
}

// moving says what is not at rest. A look ends with the first of balance, ledger, stream and org that is not: the later ones mean nothing then.
func moving(ctx context.Context, t history.Target, l *ledger, r *reader, n int, org bool) ([]string, error) {
	balance, err := balances(ctx, t, n)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range t.Pipelines {
		if _, ok := balance[name]; !ok {
			out = append(out, name+" to be a pipeline of ops")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(balance)) {
		out = append(out, unsettled(name, balance[name])...)
	}
	if out != nil {
		return out, nil
	}
	if out, err = l.open(ctx); err != nil || out != nil {
		return out, err
	}
	if out, err = unreadLetters(ctx, l, r); err != nil || out != nil || !org {
		return out, err
	}
	all, err := jobs(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, j := range all {
		if !j.finished() {
			out = append(out, fmt.Sprintf("job %s, which is %s", j.ID, j.State))
		}
	}
	return out, nil
}

// unreadLetters says whether ops has read every letter of the stream: one that it has not could still change what it knows.
func unreadLetters(ctx context.Context, l *ledger, r *reader) ([]string, error) {
	read, err := l.lettersRead(ctx)
	if err != nil {
		return nil, err
	}
	at, err := r.info(ctx)
	if err != nil {
		return nil, err
	}
	if read != at.State.Last {
		return []string{fmt.Sprintf("ops to read letters up to %d, it has read up to %d", at.State.Last, read)}, nil
	}
	return nil, nil
}

// unsettled says what of one pipeline moves.
func unsettled(name string, b history.Balance) []string {
	var out []string
	for _, x := range []struct {
		n    int64
		what string
	}{
		{b.Unread, "unread messages"},
		{b.InFlight, "records in flight"},
		{b.Retrying, "records to be sent again"},
		{b.WaitingForParent, "records that wait for their parents"},
	} {
		switch {
		case x.n > 0:
			out = append(out, fmt.Sprintf("%d %s of %s", x.n, x.what, name))
		case x.n < 0:
			out = append(out, fmt.Sprintf("somebody who knows of %s of %s", x.what, name))
		}
	}
	return out
}
