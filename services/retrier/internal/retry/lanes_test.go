package retry

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"bulkhead/libs/record"
)

// whileLanesChange runs what routes records while the extractor is in the middle of putting revision 2, with three lanes, into force: it has seen that
// nothing is on its way, and not committed yet. It returns how many were routed then.
func (l *ledger) whileLanesChange(pass func() (int, error)) int {
	l.t.Helper()
	three := *l.defs["contacts/2"]
	three.Lanes = 3
	l.defs["contacts/2"] = &three
	tx, err := l.admin.BeginTx(l.t.Context(), pgx.TxOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(l.t.Context()) }()
	if _, err := tx.Exec(l.t.Context(), `SELECT pg_advisory_xact_lock(hashtextextended('bulkhead.extractor.contacts', 0))`); err != nil {
		l.t.Fatal(err)
	}
	if _, err := tx.Exec(l.t.Context(), `UPDATE extractor.readers SET revision = 2 WHERE pipeline = 'contacts'`); err != nil {
		l.t.Fatal(err)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := pass()
		done <- result{n, err}
	}()
	// Long enough for a pass that waits for nobody.
	select {
	case r := <-done:
		l.t.Fatalf("%d records were routed by the old number of lanes, beside a change of it: %v", r.n, r.err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := tx.Commit(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		l.t.Fatal(r.err)
	}
	return r.n
}

// An entity's records must never wait in two lanes: that is where its versions are ordered.
func TestRoutingWhileTheNumberOfLanesChanges(t *testing.T) {
	const records = 12
	for name, tt := range map[string]struct {
		give func(l *ledger, entity string, f failing)
		pass func(p *Passes) func() (int, error)
	}{
		"a letter that is ordered": {
			func(l *ledger, entity string, f failing) {
				f.class, f.code, f.disposition = "data", "X", "dead"
				l.reconciled(uuid.New(), f)
				l.ordered(entity, 0, "reconcile", "replaying", "retrier")
			},
			func(p *Passes) func() (int, error) { return func() (int, error) { return p.Replay(t.Context()) } },
		},
		"a record that is decided not to have landed": {
			func(l *ledger, _ string, f failing) {
				f.outcome, f.class, f.code, f.disposition = "missing", "unresolved", "MISSING", "unresolved"
				l.resolve(l.reconciled(uuid.New(), f)[0], "not_landed")
			},
			func(p *Passes) func() (int, error) { return func() (int, error) { return p.Resolve(t.Context()) } },
		},
	} {
		t.Run(name+" in the moment of a change of lanes waits in the new one", func(t *testing.T) {
			l := newLedger(t)
			l.exec(`INSERT INTO extractor.readers (pipeline, revision) VALUES ('contacts', 1)`)
			want := map[int]int{}
			for i := range records {
				entity := fmt.Sprint("e", i)
				hash := record.HashEntity("main/Contact/External_Id__c", entity)
				tt.give(l, entity, failing{key: entity, entity: entity, seq: i + 1, lane: record.LaneOf(hash, 2)})
				want[record.LaneOf(hash, 3)]++
			}
			if n := l.whileLanesChange(tt.pass(l.passes())); n != 0 {
				t.Errorf("%d were taken with the lanes of before", n)
			}
			if n, err := tt.pass(l.passes())(); n != records || err != nil {
				t.Fatalf("took %d: %v", n, err)
			}
			for lane := range 3 {
				if n := l.count(`SELECT count(*) FROM retrier.waiting WHERE lane = $1`, lane); n != want[lane] {
					t.Errorf("%d wait in lane %d, want %d", n, lane, want[lane])
				}
			}
		})
	}
}
