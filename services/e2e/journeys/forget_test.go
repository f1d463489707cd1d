package journeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestStreamsThatAreDeletedInMidRunDelayWorkAndLoseNothing: NATS is a courier that may forget. FLOW goes when a job has been
// closed and its facts are under way, DLQ when it holds letters.
func TestStreamsThatAreDeletedInMidRunDelayWorkAndLoseNothing(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	c := s.client(t)
	const half = 300
	keys := keysOf("n", 2*half)
	l := load{lands: map[string]bool{}}
	var dead, locked []string
	for i, k := range keys {
		l.lands[k] = i%30 != 4
		switch {
		case !l.lands[k]:
			dead = append(dead, k)
		case i%30 == 9:
			locked = append(locked, k)
		}
	}
	fault := s.org.fault(t, failRows(noLastName, dead, nil))
	s.org.fault(t, failRows(lockedRow, locked, map[string]any{"times_per_key": 1}))
	s.org.set(t, map[string]any{"rows_per_second": 1000}) // so that a job can be met while it runs
	drop := func(stream string) {
		t.Helper()
		eventually(t, stream+" stands, and is deleted", func(ctx context.Context) (bool, error) {
			err := c.js.DeleteStream(ctx, stream)
			return err == nil, err
		})
	}

	c.publish(t, "contacts", messagesOf(keys[:half], contact)...)
	awaitRunning(t, s.org, 0)
	drop("FLOW")
	c.publish(t, "contacts", messagesOf(keys[half:], contact)...)
	eventually(t, "letters stand in the stream", func(ctx context.Context) (bool, error) {
		stored, err := c.storedLetters(ctx)
		return len(stored) > 0, err
	})
	drop("DLQ")
	drop("FLOW")
	s.settle(t, "contacts", 2*half)
	checkLanded(t, s, s.org, l)
	s.org.checkSentAgain(t, "Contact")
	s.lettersStand(t, c, len(dead))

	// The same when nothing moves; then a replay takes its letter out of the new stream.
	drop("DLQ")
	s.lettersStand(t, c, len(dead))
	s.org.heal(t, fault)
	s.replay(t, "evt-"+dead[0])
	s.lettersStand(t, c, len(dead)-1)
	b := s.settle(t, "contacts", 2*half)
	if want := (balance{Accepted: 2 * half, Landed: 2*half - int64(len(dead)) + 1, Dead: int64(len(dead)) - 1}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
}

// lettersStand waits until the stream DLQ holds exactly the open letters of contacts, and so many. It may hold one twice (delivery is at least once); what
// counts is which letters it holds.
func (s *stack) lettersStand(t *testing.T, c client, want int) {
	t.Helper()
	eventually(t, itoa(want)+" letters stand in the stream", func(ctx context.Context) (bool, error) {
		stored, err := c.storedLetters(ctx)
		if err != nil {
			return false, err
		}
		open := s.letters(t, "contacts")
		for _, l := range open {
			if !stored[l.ID] {
				return false, fmt.Errorf("letter %s of %s is not in the stream, which holds %d", l.ID, l.Key, len(stored))
			}
		}
		return len(stored) == want && len(open) == want, fmt.Errorf("%d letters are in the stream, %d are open", len(stored), len(open))
	})
}

// storedLetters are the ids of the letters that the stream DLQ holds; none when there is no such stream.
func (c client) storedLetters(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	stream, err := c.js.Stream(ctx, "DLQ")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	state := stream.CachedInfo().State
	for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
		msg, err := stream.GetMsg(ctx, seq)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // deleted, as a letter that has landed is
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return map[string]bool{}, nil
		case err != nil:
			return nil, err
		default:
			var l struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(msg.Data, &l); err != nil || l.ID == "" {
				return nil, fmt.Errorf("message %d of DLQ is no letter: %s", seq, msg.Data)
			}
			out[l.ID] = true
		}
	}
	return out, nil
}
