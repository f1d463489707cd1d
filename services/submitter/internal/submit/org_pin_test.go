package submit

import (
	"context"
	"strings"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// leadTo makes the credentials of the bench's org lead to another one.
func (b *bench) leadTo(sim *simtest.Sim) {
	b.t.Helper()
	b.sim = sim
	b.client = b.newClient()
}

func TestAnotherOrgBehindTheSameNameGetsNothing(t *testing.T) {
	b := newBench(t)
	right, wrong := b.sim, simtest.Start(t, simtest.Seed(99))
	if right.OrgID() == wrong.OrgID() {
		t.Fatal("both orgs have the same id: the test proves nothing")
	}
	r := NewRunner(b.config)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
	b.note(first)
	b.untilSubmitted(r, first)
	if got := ask[string](b, `SELECT org_id FROM submitter_pub.orgs WHERE name = $1`, testOrg); got != right.OrgID() {
		t.Fatalf("the ledger knows the org as %q, want %s", got, right.OrgID())
	}
	// One chunk is bound when the credentials begin to lead elsewhere, one is new.
	bound := b.seal(record.ChunkFresh, 1, accountRows("b", 3)...)
	b.note(bound)
	b.setHook(func(what string) {
		if what == "before publish" {
			b.setHook(nil)
			b.leadTo(wrong)
		}
	})
	b.turns(r, 2)
	fresh := b.seal(record.ChunkFresh, 2, accountRows("c", 3)...)
	b.note(fresh)
	b.turns(r, 5)
	if got := b.stage(bound); got != StageBound {
		t.Errorf("the bound chunk is %s, want bound: it waits for its org", got)
	}
	for _, e := range []simtest.Endpoint{simtest.Create, simtest.Upload, simtest.Close, simtest.Info, simtest.List} {
		if n := len(wrong.Calls(0, e)); n != 0 {
			t.Errorf("%d calls %s went to the wrong org", n, e)
		}
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 1 {
		t.Fatalf("%d pauses, want one", n)
	}
	if got := ask[string](b, `SELECT class || ' ' || code || ' ' || message FROM submitter.pauses`); !strings.HasPrefix(got, "auth ORG_CHANGED") ||
		!strings.Contains(got, right.OrgID()) || !strings.Contains(got, wrong.OrgID()) || !strings.Contains(got, "orgId") {
		t.Errorf("paused for %q, want both ids and the remedy", got)
	}
	if _, err := r.Orphans(t.Context()); err == nil {
		t.Error("the other org was looked through for orphans")
	}

	b.leadTo(right)
	b.exec(`INSERT INTO ops.lifts (pause_id, by, reason) SELECT id, 'someone', 'credentials corrected' FROM submitter.pauses`)
	b.untilSubmitted(r, bound)
	b.untilSubmitted(r, fresh)
	b.landedOnce(first, bound, fresh)
}

func TestAnOrgThatItsDocumentNamesIsTheOrg(t *testing.T) {
	b := newBench(t)
	r := NewRunner(b.config)
	first := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
	b.note(first)
	b.untilSubmitted(r, first)
	refreshed := simtest.Start(t, simtest.Seed(99))
	b.leadTo(refreshed)
	b.pinned = refreshed.OrgID()
	second := b.seal(record.ChunkFresh, 1, accountRows("b", 3)...)
	b.note(second)
	b.untilSubmitted(r, second)
	if got := ask[string](b, `SELECT org_id FROM submitter_pub.orgs WHERE name = $1`, testOrg); got != refreshed.OrgID() {
		t.Errorf("the ledger knows the org as %q, want %s: a person has named it", got, refreshed.OrgID())
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 0 {
		t.Errorf("%d pauses, want none", n)
	}
}

func TestALoginThatLeadsToAnotherOrgThanThePinnedOnePauses(t *testing.T) {
	b := newBench(t)
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
	b.note(c)
	b.config.Orgs = mismatched{benchOrgs{b}}
	b.turns(NewRunner(b.config), 3)
	if got := ask[string](b, `SELECT class || ' ' || code || ' ' || message FROM submitter.pauses`); !strings.HasPrefix(got, "auth ORG_CHANGED") ||
		!strings.Contains(got, "name orgId: 00D000000000002EAA") {
		t.Errorf("paused for %q, want the id that the client saw and the remedy", got)
	}
	if n := len(b.sim.Jobs()); n != 0 {
		t.Errorf("%d jobs were made", n)
	}
}

// mismatched are orgs whose client refuses the login, as it does when the document names another id.
type mismatched struct{ benchOrgs }

func (m mismatched) Org(ctx context.Context, name string) (Org, error) {
	org, err := m.benchOrgs.Org(ctx, name)
	return mismatchedOrg{org}, err
}

type mismatchedOrg struct{ Org }

func (mismatchedOrg) OrgID(context.Context) (string, error) {
	return "", &salesforce.OrgMismatchError{Want: "00D000000000001EAA", Got: "00D000000000002EAA"}
}
