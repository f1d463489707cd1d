package journeys

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAnOrgThatCannotBeReachedIsNamedAndWaitedFor: the wire to the org is cut while a job runs, and later carries nothing any more.
func TestAnOrgThatCannotBeReachedIsNamedAndWaitedFor(t *testing.T) {
	inTurn(t)
	address, org := simulator(t)
	w := newWire(t, address)
	s := dev(t, "--sim", w.url(), "--pipelines", quickJobs(t))
	c := s.client(t)
	keys := keysOf("u", 400)
	c.publish(t, "accounts", messagesOf(keys[:100], account)...)
	s.settle(t, "", 100)

	t.Run("an address that refuses, while a job runs", func(t *testing.T) {
		org.set(t, map[string]any{"rows_per_second": 100})
		mark := org.lastCall(t)
		c.publish(t, "accounts", messagesOf(keys[100:200], account)...)
		awaitRunning(t, org, mark)
		w.cut()
		org.set(t, map[string]any{"rows_per_second": 0})
		c.publish(t, "accounts", messagesOf(keys[200:300], account)...)
		s.accepted(t, 300)
		if owner := s.openNote(t, "connection refused"); owner == "person" {
			t.Errorf("%s must move it, and it moves by itself", owner)
		}
		s.statusSays(t, "connection refused", w.address)
		s.logged(t, "connection refused")
		s.stillWaiting(t, 100, 200)
		w.leadTo(t, address)
		s.settle(t, "", 300)
	})
	t.Run("an address that takes connections and never answers", func(t *testing.T) {
		w.silence(t)
		c.publish(t, "accounts", messagesOf(keys[300:], account)...)
		s.accepted(t, 400)
		s.statusSays(t, "org main", "no reply within 5s")
		s.stillWaiting(t, 300, 100)
		w.leadTo(t, address)
		s.settle(t, "", 400)
	})
	if b := s.balance(t, ""); b.Balance != (balance{Accepted: 400, Landed: 400}) || len(b.FailedAttempts) > 0 {
		t.Errorf("%+v failed attempts %v, want 400 landed at the first try", b.Balance, b.FailedAttempts)
	}
	org.sentOnce(t, "Account")
	if rows := org.rows(t, "Account"); len(rows) != len(keys) {
		t.Errorf("the org holds %d accounts, want %d", len(rows), len(keys))
	}
}

// TestAnotherOrgBehindTheSameLoginIsSentNothing: the credentials lead to another org while a job of ours runs in the first.
func TestAnotherOrgBehindTheSameLoginIsSentNothing(t *testing.T) {
	inTurn(t)
	address, first := simulator(t, "--org-seed", "1")
	elsewhere, other := simulator(t, "--org-seed", "2")
	w := newWire(t, address)
	data, dir := dataDir(t), quickJobs(t)
	up := func(more ...string) func() *stack {
		return func() *stack {
			return dev(t, append([]string{"--data", data, "--sim", w.url(), "--pipelines", dir}, more...)...)
		}
	}
	s := up()()
	keys := keysOf("o", 320)
	s.client(t).publish(t, "accounts", messagesOf(keys[:100], account)...)
	s.settle(t, "", 100)

	t.Run("the org that was seen first is the one, even for jobs that the other does not know", func(t *testing.T) {
		first.set(t, map[string]any{"rows_per_second": 100})
		mark := first.lastCall(t)
		s.client(t).publish(t, "accounts", messagesOf(keys[100:200], account)...)
		awaitRunning(t, first, mark)
		w.leadTo(t, elsewhere)
		first.set(t, map[string]any{"rows_per_second": 0})
		s.client(t).publish(t, "accounts", messagesOf(keys[200:300], account)...)
		s.accepted(t, 300)
		s.statusSays(t, "accounts is paused", "ORG_CHANGED", first.id(t), other.id(t), "bulkhead pipelines resume accounts")
		s.logged(t, other.id(t))
		s.stillWaiting(t, 100, 200)
	})
	t.Run("a resume before the cause is gone pauses again", func(t *testing.T) {
		mark := other.lastCall(t)
		s.resume(t, "accounts")
		s.statusSays(t, "accounts is paused", "ORG_CHANGED")
		eventually(t, "the other org is asked who it is", func(ctx context.Context) (bool, error) {
			calls, err := other.calls(ctx, mark, "token", "", "")
			return len(calls) > 0, err
		})
		s.stillWaiting(t, 100, 200)
	})
	t.Run("a restart knows it too", func(t *testing.T) {
		s = s.restart(t, up())
		s.statusSays(t, "accounts is paused", "ORG_CHANGED")
		s.stillWaiting(t, 100, 200)
	})
	if jobs, rows := other.jobs(t), other.rows(t, "Account"); len(jobs) != 0 || len(rows) != 0 {
		t.Errorf("the other org was sent %d jobs and holds %d accounts", len(jobs), len(rows))
	}
	t.Run("all lands once in the first org when the login leads back and the pause is lifted", func(t *testing.T) {
		w.leadTo(t, address)
		s.resume(t, "accounts")
		if b := s.settle(t, "", 300); b.Balance != (balance{Accepted: 300, Landed: 300}) || len(b.FailedAttempts) > 0 {
			t.Errorf("%+v failed attempts %v", b.Balance, b.FailedAttempts)
		}
		first.sentOnce(t, "Account")
		if rows := first.rows(t, "Account"); len(rows) != 300 {
			t.Errorf("the org holds %d accounts, want 300", len(rows))
		}
	})
	t.Run("an org whose id the document names is told from another", func(t *testing.T) {
		s = s.restart(t, up("--sim-org-id", other.id(t)))
		s.client(t).publish(t, "accounts", messagesOf(keys[300:310], account)...)
		s.accepted(t, 310)
		s.statusSays(t, "accounts is paused", "ORG_CHANGED", first.id(t), other.id(t))
		s.stillWaiting(t, 300, 10)
	})
	t.Run("a change that is meant is named in the document", func(t *testing.T) {
		w.leadTo(t, elsewhere)
		s.resume(t, "accounts")
		s.client(t).publish(t, "accounts", messagesOf(keys[310:], account)...)
		if b := s.settle(t, "", 320); b.Balance != (balance{Accepted: 320, Landed: 320}) {
			t.Errorf("%+v", b.Balance)
		}
		if here, there := first.rows(t, "Account"), other.rows(t, "Account"); len(here) != 300 || len(there) != 20 {
			t.Errorf("%d accounts are in the first org and %d in the second, want 300 and 20", len(here), len(there))
		}
	})
}

// TestLooksInAnotherOrgDecideNothing: inserts of a job that vanished are looked up, and the login leads to another org by then, in which
// none of them is: sent again, half of them would stand twice in the first.
func TestLooksInAnotherOrgDecideNothing(t *testing.T) {
	inTurn(t)
	address, first := simulator(t, "--org-seed", "1", "--model", operationsModel)
	elsewhere, other := simulator(t, "--org-seed", "2", "--model", operationsModel)
	w := newWire(t, address)
	s := dev(t, "--sim", w.url(), "--pipelines", oneDefinition(t, insertPeople))
	keys := keysOf("l", 60)
	s.client(t).publish(t, "people", messagesOf(keys[:10], person)...)
	s.settle(t, "people", 10)

	gone := first.fault(t, vanishAfter("Contact", 7))
	late := first.fault(t, map[string]any{
		"match": map[string]any{"endpoint": "query"}, "times": 0, "effect": map[string]any{"kind": "latency", "when": "after", "duration": "20s"},
	})
	mark := first.lastCall(t)
	s.client(t).publish(t, "people", messagesOf(keys[10:], person)...)
	first.awaitCall(t, mark, "query")
	mark = other.lastCall(t)
	w.leadTo(t, elsewhere)
	s.logged(t, other.id(t))
	eventually(t, "the other org is logged into thrice", func(ctx context.Context) (bool, error) {
		calls, err := other.calls(ctx, mark, "token", "", "")
		return len(calls) >= 3, err
	})
	asked, err := other.calls(t.Context(), mark, "query", "", "")
	if err != nil || slices.ContainsFunc(asked, func(c orgCall) bool { return c.Applied }) {
		t.Errorf("the other org has answered what rows it holds: %+v, %v", asked, err)
	}
	if b := s.balance(t, "people"); b.Balance.Dead+b.Balance.Unresolved > 0 || len(other.jobs(t)) > 0 {
		t.Errorf("%+v, and %d jobs in the other org", b.Balance, len(other.jobs(t)))
	}
	first.heal(t, late)
	w.leadTo(t, address)
	_ = cli{s.ops}.run(t, "pipelines", "resume", "people", "--reason", "the login leads back") // 4 where nothing had to be submitted meanwhile
	if b, want := s.settle(t, "people", 60), (balance{Accepted: 60, Landed: 60}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}
	if first.hits(t, gone) != 1 {
		t.Error("no job vanished")
	}
	if held := first.rows(t, "Contact"); len(held) != 60 {
		t.Errorf("the org holds %d contacts, want 60", len(held))
	}
	if held := other.rows(t, "Contact"); len(held) != 0 {
		t.Errorf("the other org holds %d contacts", len(held))
	}
}

// TestASecretThatChangesInTheOrgIsMendedByItsFile: nothing is started again, no pause is lifted.
func TestASecretThatChangesInTheOrgIsMendedByItsFile(t *testing.T) {
	inTurn(t)
	renewed := filepath.Join(t.TempDir(), "secret")
	const secret = "the-new-secret"
	if err := os.WriteFile(renewed, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	// The same org before and after an administrator gave the connected app another secret.
	address, before := simulator(t, "--org-seed", "1")
	later, after := simulator(t, "--org-seed", "1", "--client-id", "bulkhead", "--client-secret-file", renewed)
	if before.id(t) != after.id(t) {
		t.Fatal("one seed is two orgs")
	}
	w := newWire(t, address)
	data := dataDir(t)
	s := dev(t, "--data", data, "--sim", w.url(), "--pipelines", quickPipelines(t))
	keys := keysOf("s", 100)
	s.client(t).publish(t, "accounts", messagesOf(keys[:50], account)...)
	s.settle(t, "", 50)

	w.leadTo(t, later)
	s.client(t).publish(t, "accounts", messagesOf(keys[50:], account)...)
	s.accepted(t, 100)
	s.openNote(t, "invalid_client")
	s.statusSays(t, "invalid_client")
	s.logged(t, "invalid_client")
	s.stillWaiting(t, 50, 50)
	if len(after.jobs(t)) != 0 {
		t.Error("there is a job although nobody could log in")
	}
	if err := os.WriteFile(filepath.Join(data, "run", "org-main-secret"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := s.settle(t, "", 100); b.Balance != (balance{Accepted: 100, Landed: 100}) || len(b.FailedAttempts) > 0 {
		t.Errorf("%+v failed attempts %v, want 100 landed at the first try", b.Balance, b.FailedAttempts)
	}
	after.sentOnce(t, "Account")
	if there := after.rows(t, "Account"); len(there) != 50 {
		t.Errorf("%d accounts landed after the change, want 50", len(there))
	}
	for _, text := range []string{s.proc.stderr.String(), (cli{s.ops}).wants(t, 0, "status").stdout} {
		if strings.Contains(text, secret) || strings.Contains(text, "bulkhead-dev") {
			t.Error("a secret is shown")
		}
	}
}

// TestAFieldThatTheOrgLosesInMidRunPausesThePipeline: every job of the pipeline fails as a whole, which no record can help.
func TestAFieldThatTheOrgLosesInMidRunPausesThePipeline(t *testing.T) {
	inTurn(t)
	address, whole := simulator(t, "--org-seed", "1", "--model", "testdata/operations.yaml")
	text, err := os.ReadFile("testdata/operations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	less := filepath.Join(t.TempDir(), "model.yaml")
	without := strings.Replace(string(text), "      - {name: Phone, type: phone, length: 40}\n", "", 1)
	if without == string(text) {
		t.Fatal("the model has no Phone any more")
	}
	if err := os.WriteFile(less, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	poorer, lacking := simulator(t, "--org-seed", "1", "--model", less)
	w := newWire(t, address)
	dir := oneDefinition(t, upsertVersions)
	if err := os.WriteFile(filepath.Join(dir, "visits.yaml"), []byte(insertVisits), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dev(t, "--sim", w.url(), "--pipelines", dir)
	rev := func(key string) fields { return person(key).with("phone", "+1 555 0100").with("rev", 1) }
	keys := keysOf("f", 60)
	s.client(t).publish(t, "versions", messagesOf(keys[:30], rev)...)
	s.settle(t, "versions", 30)

	w.leadTo(t, poorer)
	s.client(t).publish(t, "versions", messagesOf(keys[30:], rev)...)
	s.statusSays(t, "versions is paused", "Phone", "bulkhead pipelines resume versions")
	if b := s.balance(t, "versions"); b.Balance.Landed != 30 || b.Balance.moving() != 30 || b.Balance.Dead != 0 || len(b.FailedAttempts) != 0 {
		t.Errorf("%+v failed attempts %v, want 30 landed, 30 that wait and no attempt counted", b.Balance, b.FailedAttempts)
	}
	t.Run("what the definition asks of the org is told at the next apply", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "versions.yaml")
		if err := os.WriteFile(file, []byte(upsertVersions+"owner: Sales\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := (cli{s.ops}).wants(t, 2, "pipelines", "apply", file); !strings.Contains(r.stderr, "Contact has no field Phone") {
			t.Errorf("%s", r.stderr)
		}
	})
	t.Run("another pipeline of the org goes on", func(t *testing.T) {
		s.client(t).publish(t, "visits", message{id: "evt-visit", body: visit("here")})
		s.settle(t, "visits", 1)
		if got := len(lacking.all(t, "Visit__c")); got != 1 {
			t.Errorf("%d visits landed, want one", got)
		}
	})
	w.leadTo(t, address)
	s.resume(t, "versions")
	if b := s.settle(t, "versions", 60); b.Balance != (balance{Accepted: 60, Landed: 60}) || len(b.FailedAttempts) > 0 {
		t.Errorf("%+v failed attempts %v", b.Balance, b.FailedAttempts)
	}
	if rows := whole.rows(t, "Contact"); len(rows) != 60 {
		t.Errorf("the org holds %d contacts, want 60", len(rows))
	}
	whole.sentOnce(t, "Contact")
	if rows := lacking.rows(t, "Contact"); len(rows) != 0 {
		t.Errorf("%d contacts landed without their phone", len(rows))
	}
}
