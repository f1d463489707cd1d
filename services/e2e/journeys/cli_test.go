package journeys

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cli runs client commands against one stack.
type cli struct{ ops string }

func (c cli) run(t *testing.T, args ...string) result {
	t.Helper()
	return command(t, append(args, "--ops", c.ops)...)
}

// wants runs a command and fails the test when it ends with another exit code.
func (c cli) wants(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := c.run(t, args...)
	if r.code != code {
		t.Errorf("bulkhead %s: exit code %d, want %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

func TestTheCommandLineAgainstARunningStack(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	c := s.client(t)
	b := cli{s.ops}

	t.Run("before anything was published nothing needs a person", func(t *testing.T) {
		b.wants(t, 0, "status")
		if got := decode[balanceReply](t, b.wants(t, 0, "status", "--json").stdout); got.Balance != (balance{}) || !got.AddsUp {
			t.Errorf("%+v", got)
		}
		b.wants(t, 4, "dlq", "ls")
		b.wants(t, 4, "record", "evt-nobody")
		b.wants(t, 4, "dlq", "show", "00000000-0000-5000-8000-000000000000")
		b.wants(t, 4, "dlq", "replay", "--class", "data", "--yes")
		b.wants(t, 4, "pipelines", "resume", "contacts", "--reason", "nothing holds")
	})

	// Six contacts land, three are dead in Salesforce as long as the fault is there, two before it.
	good, dead := keysOf("good", 6), keysOf("dead", 3)
	fault := s.org.fault(t, failRows(noLastName, dead, nil))
	c.publish(t, "contacts", messagesOf(append(good, dead...), contact)...)
	c.publish(t, "contacts", message{id: "evt-broken", body: "no JSON"}, message{id: "evt-unknown", body: contact("u").with("shoe_size", 43)})
	c.publish(t, "accounts", message{id: "evt-" + good[0], body: account("acc")}) // the same key in another pipeline
	s.settle(t, "", 12)

	t.Run("status says that something is dead, in text and JSON, whole and by pipeline", func(t *testing.T) {
		if r := b.wants(t, 3, "status"); !strings.Contains(r.stdout, "dead") || !strings.Contains(r.stdout, "contacts") {
			t.Errorf("%s", r.stdout)
		}
		want := balance{Accepted: 12, Landed: 7, Dead: 5}
		if got := decode[balanceReply](t, b.wants(t, 3, "status", "--json").stdout); got.Balance != want {
			t.Errorf("%+v, want %+v", got.Balance, want)
		}
		if got := decode[balanceReply](t, b.wants(t, 3, "status", "--pipeline", "contacts", "--json").stdout); got.Balance != (balance{Accepted: 11, Landed: 6, Dead: 5}) {
			t.Errorf("contacts: %+v", got.Balance)
		}
		if got := decode[balanceReply](t, b.wants(t, 0, "status", "--pipeline", "accounts", "--json").stdout); got.Balance != (balance{Accepted: 1, Landed: 1}) {
			t.Errorf("accounts: %+v", got.Balance)
		}
	})

	type page struct {
		Groups []struct {
			Group string `json:"group"`
			Code  string `json:"code"`
			Count int    `json:"count"`
		} `json:"groups"`
		Letters []letter `json:"dead_letters"`
		Total   int      `json:"total"`
	}
	list := func(t *testing.T, args ...string) page {
		t.Helper()
		return decode[page](t, b.wants(t, 0, append([]string{"dlq", "ls", "--json"}, args...)...).stdout)
	}
	letters := map[string]letter{}
	t.Run("dlq ls groups letters by cause and filters them", func(t *testing.T) {
		all := list(t)
		if all.Total != 5 || len(all.Letters) != 5 || len(all.Groups) != 3 {
			t.Errorf("%d letters in %d groups, want 5 in 3: %+v", all.Total, len(all.Groups), all)
		}
		for _, l := range all.Letters {
			letters[l.Key] = l
		}
		if only := list(t, "--code", "REQUIRED_FIELD_MISSING"); only.Total != 3 || len(only.Groups) != 1 || only.Groups[0].Count != 3 {
			t.Errorf("%+v, want the three of REQUIRED_FIELD_MISSING", only)
		}
		if r := b.wants(t, 0, "dlq", "ls", "--class", "data"); !strings.Contains(r.stdout, "REQUIRED_FIELD_MISSING") {
			t.Errorf("%s", r.stdout)
		}
		b.wants(t, 4, "dlq", "ls", "--class", "duplicate")
		b.wants(t, 2, "dlq", "ls", "--limit", "0")
	})
	if len(letters) != 5 {
		t.Fatal("without the letters there is nothing to go on with")
	}
	t.Run("dlq show has the payload, the row and the attempt with its job", func(t *testing.T) {
		l := decode[struct {
			Letter letter `json:"dead_letter"`
		}](t, b.wants(t, 0, "dlq", "show", letters["evt-"+dead[0]].ID, "--json").stdout).Letter
		if l.Entity != dead[0] || !strings.Contains(l.Payload, dead[0]) || len(l.Attempts) != 1 || l.Attempts[0].JobID == "" || l.Attempts[0].Code != "REQUIRED_FIELD_MISSING" {
			t.Errorf("%+v", l)
		}
		if r := b.wants(t, 0, "dlq", "show", letters["evt-broken"].ID); !strings.Contains(r.stdout, "no JSON") || !strings.Contains(r.stdout, "NOT_JSON") {
			t.Errorf("%s", r.stdout)
		}
	})
	t.Run("record tells what became of a key, and asks back where pipelines share it", func(t *testing.T) {
		if r := b.wants(t, 0, "record", "evt-"+dead[0], "--json"); !strings.Contains(r.stdout, `"dead"`) {
			t.Errorf("%s", r.stdout)
		}
		if r := b.wants(t, 2, "record", "evt-"+good[0]); !strings.Contains(r.stderr, "accounts") || !strings.Contains(r.stderr, "contacts") {
			t.Errorf("%s", r.stderr)
		}
		if r := b.wants(t, 0, "record", "evt-"+good[0], "--pipeline", "contacts"); !strings.Contains(r.stdout, "landed") {
			t.Errorf("%s", r.stdout)
		}
		if r := b.wants(t, 0, "record", "--entity", good[1], "--pipeline", "contacts"); !strings.Contains(r.stdout, "evt-"+good[1]) {
			t.Errorf("%s", r.stdout)
		}
		b.wants(t, 2, "record")
	})
	t.Run("a decision that differs from what was seen is refused", func(t *testing.T) {
		b.wants(t, 5, "dlq", "replay", "--code", "REQUIRED_FIELD_MISSING", "--expect", "2", "--reason", "r")
		b.wants(t, 2, "dlq", "discard", letters["evt-broken"].ID)
		b.wants(t, 2, "dlq", "replay")
		b.wants(t, 2, "dlq", "replay", letters["evt-broken"].ID, "--class", "data")
		if got := s.balance(t, ""); got.Balance.Dead != 5 {
			t.Errorf("%+v: a refusal changed something", got.Balance)
		}
	})
	t.Run("a replay of what is still broken dies again, as one letter of the next generation", func(t *testing.T) {
		id := letters["evt-"+dead[0]].ID
		b.wants(t, 0, "dlq", "replay", id, "--reason", "let us see")
		eventually(t, "it has died again", func(ctx context.Context) (bool, error) {
			ok, err := settled(ctx, s.ops, "", 12)
			if !ok || err != nil {
				return ok, err
			}
			for _, l := range s.letters(t, "contacts") {
				if l.Key == "evt-"+dead[0] && l.Generation == 1 {
					letters[l.Key] = l
					return true, nil
				}
			}
			return false, nil
		})
		if got := s.balance(t, ""); got.Balance != (balance{Accepted: 12, Landed: 7, Dead: 5}) {
			t.Errorf("%+v", got.Balance)
		}
	})
	s.org.heal(t, fault)
	t.Run("the replay of one letter twice has one effect", func(t *testing.T) {
		id := letters["evt-"+dead[0]].ID
		mark := s.org.lastCall(t)
		first := b.wants(t, 0, "dlq", "replay", id, "--reason", "the field is no longer needed", "--idempotency-key", "once", "--json").object(t)
		again := b.wants(t, 0, "dlq", "replay", id, "--reason", "the field is no longer needed", "--idempotency-key", "once", "--json").object(t)
		if first["action_id"] != again["action_id"] || again["repeated_request"] != true {
			t.Errorf("first %v, again %v", first, again)
		}
		b.wants(t, 4, "dlq", "replay", id, "--reason", "with another key") // it is not open any more
		b.wants(t, 5, "dlq", "replay", letters["evt-"+dead[1]].ID, "--reason", "another request under the same key", "--idempotency-key", "once")
		s.settle(t, "", 12)
		eventually(t, "it has landed", func(ctx context.Context) (bool, error) {
			got, err := readBalance(ctx, s.ops, "")
			return got.Balance == balance{Accepted: 12, Landed: 8, Dead: 4}, err
		})
		calls, err := s.org.calls(t.Context(), mark, "close", "", "")
		if err != nil || len(calls) != 1 {
			t.Errorf("%d jobs were closed for it (%v), want one", len(calls), err)
		}
		if h := s.record(t, "contacts", "evt-"+dead[0]); h.State != "landed" || h.Generation != 2 || h.ID == "" {
			t.Errorf("%+v, want landed in generation 2", h)
		}
	})
	t.Run("a filter with the number that was seen replays the group", func(t *testing.T) {
		b.wants(t, 0, "dlq", "replay", "--pipeline", "contacts", "--code", "REQUIRED_FIELD_MISSING", "--expect", "2", "--reason", "healed")
		eventually(t, "both have landed", func(ctx context.Context) (bool, error) {
			got, err := readBalance(ctx, s.ops, "")
			return got.Balance == balance{Accepted: 12, Landed: 10, Dead: 2}, err
		})
	})
	t.Run("discard gives a record up with a reason, once", func(t *testing.T) {
		id := letters["evt-broken"].ID
		b.wants(t, 0, "dlq", "discard", id, "--reason", "a test of the web shop")
		b.wants(t, 4, "dlq", "discard", id, "--reason", "again")
		b.wants(t, 4, "dlq", "replay", id, "--reason", "too late")
		if got := s.balance(t, ""); got.Balance != (balance{Accepted: 12, Landed: 10, Dead: 1, Discarded: 1}) {
			t.Errorf("%+v", got.Balance)
		}
		if h := s.record(t, "contacts", "evt-broken"); h.State != "discarded" {
			t.Errorf("%+v", h)
		}
	})
	t.Run("a letter refused by the definition lands when a new revision takes it", func(t *testing.T) {
		shown := decode[struct {
			Pipeline struct {
				Revision int    `json:"revision"`
				YAML     string `json:"yaml"`
			} `json:"pipeline"`
		}](t, b.wants(t, 0, "pipelines", "show", "contacts", "--json").stdout).Pipeline
		file := filepath.Join(t.TempDir(), "contacts.yaml")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		changed := func(r result) bool { return r.object(t)["changed"] == true }
		write(shown.YAML)
		if changed(b.wants(t, 0, "pipelines", "apply", file, "--json")) {
			t.Error("the same text made a new revision")
		}
		write(shown.YAML + "unknownMembers: ignore\n")
		if r := b.wants(t, 2, "pipelines", "apply", file); !strings.Contains(r.stderr, "line") {
			t.Errorf("a repeated key is refused without its line: %s", r.stderr)
		}
		write(strings.Replace(shown.YAML, "unknownMembers: reject", "unknownMembers: ignore", 1))
		if !changed(b.wants(t, 0, "pipelines", "apply", file, "--json")) {
			t.Error("another text made no new revision")
		}
		if r := b.wants(t, 0, "pipelines", "ls"); !strings.Contains(r.stdout, "contacts") || !strings.Contains(r.stdout, "accounts") {
			t.Errorf("%s", r.stdout)
		}
		b.wants(t, 4, "pipelines", "show", "nosuch")
		b.wants(t, 0, "dlq", "replay", letters["evt-unknown"].ID, "--reason", "the member is ignored now")
		eventually(t, "it has landed", func(ctx context.Context) (bool, error) {
			got, err := readBalance(ctx, s.ops, "")
			return got.Balance == balance{Accepted: 12, Landed: 11, Discarded: 1}, err
		})
		b.wants(t, 0, "status") // nothing needs a person
	})
	t.Run("a quota pauses the pipeline until somebody resumes it", func(t *testing.T) {
		full := keysOf("full", 4)
		rule := s.org.fault(t, failRows("STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--", full, nil))
		c.publish(t, "contacts", messagesOf(full, contact)...)
		eventually(t, "the pause is shown", func(context.Context) (bool, error) {
			r := b.run(t, "status")
			return strings.Contains(r.stdout, "is paused") && strings.Contains(r.stdout, "STORAGE_LIMIT_EXCEEDED"), nil
		})
		b.wants(t, 2, "pipelines", "resume", "contacts")
		s.org.heal(t, rule)
		b.wants(t, 0, "pipelines", "resume", "contacts", "--reason", "storage was extended")
		eventually(t, "they have landed", func(ctx context.Context) (bool, error) {
			// The other lane's job may still have been under way when the first pause was lifted, and states one of its own.
			if r := b.run(t, "pipelines", "resume", "contacts", "--reason", "storage was extended"); r.code != 0 && r.code != 4 {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			got, err := readBalance(ctx, s.ops, "")
			return got.Balance == balance{Accepted: 16, Landed: 15, Discarded: 1}, err
		})
		if got := s.balance(t, ""); got.FailedAttempts["data"] != 4 { // three at first, one died again
			t.Errorf("failed attempts %v, want 4 of data", got.FailedAttempts)
		}
	})
	t.Run("every error of usage ends with 2", func(t *testing.T) {
		for _, args := range [][]string{
			{"nosuch"},
			{"status", "--nosuch"},
			{"status", "contacts"},
			{"dlq", "show"},
			{"dlq", "show", "no-id"},
			{"pipelines", "apply"},
			{"pipelines", "apply", filepath.Join(t.TempDir(), "absent.yaml")},
			{"demo", "--records", "5"},
			{"sim", "--listen", "nowhere"},
			{"dev", "--ops-port", "70000"},
			{"dev", "--sim", "ftp://x"},
			{"status", "--token-file", "/nonexistent/token"},
		} {
			if r := b.wants(t, 2, args...); r.stderr == "" || r.stdout != "" {
				t.Errorf("%v: stdout %q, stderr %q", args, r.stdout, r.stderr)
			}
		}
	})
}
