package journeys

import (
	"fmt"
	"testing"
)

// TestBeingKilledInTheMiddleOfAnyCallDoesNothingTwice kills the stack once for each sort of request to the org, when the request
// has taken effect and the reply is on its way: nobody is left who knows the answer.
func TestBeingKilledInTheMiddleOfAnyCallDoesNothingTwice(t *testing.T) {
	killedInCalls(t, quickJobs, "create", "upload", "close", "info", "success", "failed")
}

// TestBeingKilledInTheMiddleOfACallOfRowsDoesNothingTwice is the same for chunks that go by calls of collections, each of which touches the org's data.
func TestBeingKilledInTheMiddleOfACallOfRowsDoesNothingTwice(t *testing.T) {
	killedInCalls(t, quickPipelines, "collection", "collection")
}

func killedInCalls(t *testing.T, pipelinesOf func(*testing.T) string, endpoints ...string) {
	t.Helper()
	inTurn(t)
	address, org := simulator(t)
	data, pipelines := dataDir(t), pipelinesOf(t)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", pipelines) }
	s := up()
	l := load{lands: map[string]bool{}}
	total := 0
	for n, endpoint := range endpoints {
		keys := keysOf(fmt.Sprintf("at-%s-%d", endpoint, n), 60)
		for i, k := range keys {
			l.lands[k] = i%20 != 7
			if i%20 == 11 {
				l.locked = append(l.locked, k)
			}
		}
		org.fault(t, failRows(lockedRow, keys[11:12], map[string]any{"times_per_key": 1}))
		late := org.fault(t, map[string]any{
			"match": map[string]any{"endpoint": endpoint}, "times": 0, "effect": map[string]any{"kind": "latency", "when": "after", "duration": "20s"},
		})
		mark := org.lastCall(t)
		s.client(t).publish(t, "contacts", messagesOf(keys, func(id string) fields {
			if l.lands[id] {
				return contact(id)
			}
			return contact(id).without("last_name")
		})...)
		total += len(keys)
		call := org.awaitCall(t, mark, endpoint)
		if n%2 == 0 {
			s.kill()
		} else {
			s.killAlone() // PostgreSQL has to notice by itself, and the next start has to bear it
		}
		if call.Done && call.Status == 200 {
			t.Errorf("call %d of %s was answered before the kill: that was not the moment", call.N, endpoint)
		}
		org.heal(t, late)
		s = up()
	}
	b := s.settle(t, "contacts", int64(total))
	dead := int64(0)
	for _, lands := range l.lands {
		if !lands {
			dead++
		}
	}
	if want := (balance{Accepted: int64(total), Landed: int64(total) - dead, Dead: dead}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	checkLanded(t, s, org, l)
	org.checkSentAgain(t, "Contact")
	for k, sent := range org.sendings(t, "Contact") {
		for _, r := range sent[:len(sent)-1] {
			if r.Error == "" || r.landed() {
				t.Errorf("%s was sent %d times, and not because it was locked: %+v", k, len(sent), sent)
			}
		}
	}
}
