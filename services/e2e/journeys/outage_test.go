package journeys

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stillWaiting fails the test when records moved although the org could not be reached.
func (s *stack) stillWaiting(t *testing.T, landed, waiting int64) {
	t.Helper()
	b := s.balance(t, "")
	if b.Balance.Landed != landed || b.Balance.InFlight != waiting || len(b.FailedAttempts) > 0 {
		t.Errorf("%+v failed attempts %v, want %d landed, %d in flight and no attempt", b.Balance, b.FailedAttempts, landed, waiting)
	}
}

// triedAgain waits until the org has refused so many calls since number since.
func triedAgain(t *testing.T, org org, since int64, endpoint string, times int) {
	t.Helper()
	eventually(t, itoa(times)+" calls are refused", func(ctx context.Context) (bool, error) {
		calls, err := org.calls(ctx, since, endpoint, "", "")
		n := 0
		for _, c := range calls {
			if c.Done && !c.Applied {
				n++
			}
		}
		return n >= times, err
	})
}

func TestAnOrgThatIsDownIsWaitedForAndCountsNoAttempt(t *testing.T) {
	inTurn(t)
	address, org := simulator(t)
	// It is down before anything else starts.
	down := func() string {
		return org.fault(t, map[string]any{"times": 0, "effect": map[string]any{"kind": "status", "status": 503}})
	}
	rule := down()
	s := dev(t, "--sim", address, "--pipelines", quickJobs(t))
	c := s.client(t)
	keys := keysOf("o", 400)

	c.publish(t, "accounts", messagesOf(keys[:100], account)...)
	triedAgain(t, org, 0, "", 5)
	eventually(t, "all are accepted", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "")
		return b.Balance.Accepted == 100, err
	})
	s.stillWaiting(t, 0, 100)
	s.statusSays(t, "the circuit of org main is open since", "503", "next call: ")
	org.heal(t, rule)
	s.settle(t, "", 100)

	t.Run("sessions that end are renewed", func(t *testing.T) {
		if err := ask(t.Context(), http.MethodPost, org.url+"/tokens/expire", nil, nil); err != nil {
			t.Fatal(err)
		}
		c.publish(t, "accounts", messagesOf(keys[100:200], account)...)
		s.settle(t, "", 200)
	})
	t.Run("a secret that the org refuses for a while", func(t *testing.T) {
		rule := org.fault(t, map[string]any{
			"match": map[string]any{"endpoint": "token"}, "times": 0,
			"effect": map[string]any{"kind": "status", "status": 400, "code": "invalid_client", "message": "invalid client credentials"},
		})
		mark := org.lastCall(t)
		if err := ask(t.Context(), http.MethodPost, org.url+"/tokens/expire", nil, nil); err != nil {
			t.Fatal(err)
		}
		c.publish(t, "accounts", messagesOf(keys[200:300], account)...)
		triedAgain(t, org, mark, "token", 2)
		eventually(t, "all are accepted", func(ctx context.Context) (bool, error) {
			b, err := readBalance(ctx, s.ops, "")
			return b.Balance.Accepted == 300, err
		})
		s.stillWaiting(t, 200, 100)
		org.heal(t, rule)
		s.settle(t, "", 300)
	})
	t.Run("it goes down while a job runs", func(t *testing.T) {
		org.set(t, map[string]any{"rows_per_second": 100})
		mark := org.lastCall(t)
		c.publish(t, "accounts", messagesOf(keys[300:], account)...)
		awaitRunning(t, org, mark)
		mark = org.lastCall(t)
		rule := down()
		triedAgain(t, org, mark, "", 5)
		org.set(t, map[string]any{"rows_per_second": 0})
		org.heal(t, rule)
		s.settle(t, "", 400)
	})
	s.stillWaiting(t, 400, 0)
	if stored, err := c.storedLetters(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("DLQ holds %d letters (%v) of records that all landed", len(stored), err)
	}
	for k, sent := range org.sendings(t, "Account") {
		if len(sent) != 1 {
			t.Errorf("%s was sent in %d closed jobs, want one", k, len(sent))
		}
	}
	if rows := org.rows(t, "Account"); len(rows) != len(keys) {
		t.Errorf("the org holds %d accounts, want %d", len(rows), len(keys))
	}
}

func TestAWrongClientSecretLosesNothingAndIsShown(t *testing.T) {
	inTurn(t)
	address, org := simulator(t)
	data := dataDir(t)
	wrong := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(wrong, []byte("not-the-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dev(t, "--data", data, "--sim", address, "--sim-client-id", "bulkhead", "--sim-client-secret-file", wrong)
	keys := keysOf("w", 100)
	s.client(t).publish(t, "accounts", messagesOf(keys, account)...)
	triedAgain(t, org, 0, "token", 2)
	eventually(t, "all are accepted", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "")
		return b.Balance.Accepted == 100, err
	})
	s.stillWaiting(t, 0, 100)
	eventually(t, "status says what is wrong", func(ctx context.Context) (bool, error) {
		var st struct {
			Orgs []struct {
				Error string `json:"error"`
			} `json:"orgs"`
			Open []struct {
				Owner string `json:"owner"`
				Note  string `json:"note"`
			} `json:"open_items"`
		}
		err := ask(ctx, http.MethodGet, s.ops+"/v1/status", nil, &st)
		for _, o := range st.Orgs {
			if strings.Contains(o.Error, "invalid_client") {
				return true, nil
			}
		}
		for _, o := range st.Open {
			if o.Owner == "submitter" && strings.Contains(o.Note, "invalid_client") {
				return true, nil
			}
		}
		return false, errors.Join(err, errors.New("neither an org nor an open item names it"))
	})
	if r := (cli{s.ops}).wants(t, 3, "status"); strings.Contains(r.stdout+r.stderr, "not-the-secret") || strings.Contains(s.proc.stderr.String(), "not-the-secret") {
		t.Error("the secret is shown")
	}
	if len(org.jobs(t)) != 0 {
		t.Error("there is a job although nobody could log in")
	}
	s.stopWatch()
	if code := s.proc.stop(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	s = dev(t, "--data", data, "--sim", address)
	b := s.settle(t, "accounts", 100)
	if b.Balance.Landed != 100 || len(b.FailedAttempts) > 0 {
		t.Errorf("%+v failed attempts %v, want 100 landed at the first try", b.Balance, b.FailedAttempts)
	}
	if rows := org.rows(t, "Account"); len(rows) != len(keys) {
		t.Errorf("the org holds %d accounts, want %d", len(rows), len(keys))
	}
}
