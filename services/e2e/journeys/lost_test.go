package journeys

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func TestRowsThatNoResultFileNamesAreNotPretendedToHaveLanded(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	keys := keysOf("a", 50)
	lost := keys[10:15]
	rule := s.org.fault(t, map[string]any{
		"where": map[string]any{"keys": lost}, "times_per_key": 1, "effect": map[string]any{"kind": "lose_rows"},
	})
	s.client(t).publish(t, "accounts", messagesOf(keys, account)...)
	eventually(t, "all have landed", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "accounts")
		if err != nil {
			return false, err
		}
		// Read after the balance: what it says cannot come from a job that was not closed by now.
		if closed := len(s.org.closedJobs(t)); b.Balance.Landed > 45 && closed < 2 {
			t.Fatalf("%d are said to have landed when one job was closed, whose results name 45", b.Balance.Landed)
		}
		return settled(ctx, s.ops, "accounts", 50)
	})
	b := s.balance(t, "accounts")
	if b.Balance.Landed != 50 || b.FailedAttempts["transient"] != 5 {
		t.Errorf("%+v failed attempts %v, want landed 50 and five transient attempts", b.Balance, b.FailedAttempts)
	}
	if n := s.org.hits(t, rule); n != 5 {
		t.Errorf("the fault struck %d rows, want 5", n)
	}
	for key, sent := range s.org.sendings(t, "Account") {
		want := 1
		if slices.Contains(lost, key) {
			want = 2
		}
		if len(sent) != want {
			t.Errorf("%s was sent in %d closed jobs, want %d", key, len(sent), want)
		}
	}
	for _, j := range s.org.closedJobs(t) { // what is sent again has the mapped columns and nothing that Salesforce added
		if got, want := s.org.uploadHeader(t, j.ID), "External_Id__c,Name,Phone,Website,Industry"; got != want {
			t.Errorf("job %s was sent the columns %s, want %s", j.ID, got, want)
		}
	}
	for _, k := range lost {
		h := s.record(t, "accounts", "evt-"+k)
		if h.State != "landed" || len(h.tried("MISSING")) != 1 {
			t.Errorf("the history of %s shows no missing attempt before it landed: %+v", k, h)
		}
	}
	if h := s.record(t, "accounts", "evt-"+keys[0]); h.State != "landed" || len(h.tried("MISSING")) != 0 {
		t.Errorf("the history of a row that was never lost: %+v", h)
	}
}

// TestALostReplyIsNeverAnsweredByASecondJob goes through what a network can do to one chunk on its way.
func TestALostReplyIsNeverAnsweredByASecondJob(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	c := s.client(t)
	on := func(endpoint, kind string, more ...any) map[string]any {
		effect := map[string]any{"kind": kind}
		for i := 0; i+1 < len(more); i += 2 {
			effect[more[i].(string)] = more[i+1]
		}
		return map[string]any{"match": map[string]any{"endpoint": endpoint}, "effect": effect}
	}
	job := func(kind string, more ...any) map[string]any {
		rule := on("", kind, more...)
		rule["match"] = map[string]any{"object": "Account"}
		return rule
	}
	cases := []struct {
		name  string
		rule  map[string]any
		again bool // rows may stand in a second closed job (only those that did not land, see checkSentAgain)
	}{
		{"the reply of the create is lost", on("create", "drop_after"), false},
		{"the create is answered with a 500 after it took effect", on("create", "status", "status", 500, "when", "after"), false},
		{"the reply of the upload is lost", on("upload", "drop_after"), false},
		{"the connection is cut in the middle of the upload", on("upload", "drop_mid", "bytes", 700), false},
		{"the reply of the close is lost", on("close", "drop_after"), false},
		{"the close is answered with a 503 after it took effect", on("close", "status", "status", 503, "when", "after"), false},
		{"the close never arrives", on("close", "drop_before"), false},
		{"a look at the job is answered with a 500", on("info", "status", "status", 500), false},
		{"half of the successful results arrive", on("success", "half_reply", "bytes", 400), false},
		{"the successful results end early as if they were whole", on("success", "truncate", "bytes", 401), false},
		{"the failed results are answered with a 502 page", on("failed", "status", "status", 502, "body", "<html>Bad Gateway</html>"), false},
		{"the session ends in the middle", on("success", "status", "status", 401), false},
		{"the job fails half-way", job("job_fail", "rows", 10), true},
		{"the job is aborted half-way", job("job_abort", "rows", 10), true},
		{"the job is not found any more", job("job_vanish"), true},
	}
	total := int64(0)
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			keys := keysOf(fmt.Sprintf("r%02d", i), 20)
			rule := s.org.fault(t, tc.rule)
			c.publish(t, "accounts", messagesOf(keys, account)...)
			total += int64(len(keys))
			b := s.settle(t, "accounts", total)
			if b.Balance.Landed != total || b.Balance.Accepted != total {
				t.Errorf("%+v, want %d accepted and landed", b.Balance, total)
			}
			if n := s.org.hits(t, rule); n != 1 {
				t.Errorf("the fault struck %d times, want once", n)
			}
			s.org.heal(t)
			sent := s.org.sendings(t, "Account")
			for _, k := range keys {
				if n := len(sent[k]); n != 1 && !tc.again || n == 0 || n > 2 {
					t.Errorf("%s was sent in %d closed jobs", k, n)
				}
			}
		})
	}
	s.org.checkSentAgain(t, "Account")
	if rows := s.org.rows(t, "Account"); int64(len(rows)) != total {
		t.Errorf("the org holds %d accounts, want %d", len(rows), total)
	}
	if b := s.balance(t, ""); len(b.FailedAttempts) > 0 {
		// Only a vanished job's rows are missing, which counts; what else happened was no record's fault.
		for class, n := range b.FailedAttempts {
			if class != "transient" && n > 0 || n > 20 {
				t.Errorf("failed attempts %v, want at most the 20 of the job that vanished", b.FailedAttempts)
			}
		}
	}
}
