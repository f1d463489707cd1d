package retry

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
)

// resent takes everything, waits until it is due and seals the one chunk of lane 0.
func (l *ledger) resent() sealed {
	l.t.Helper()
	p := l.passes()
	if _, err := p.TakeOpen(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	if _, err := p.Resolve(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.clock.Advance(time.Hour)
	if n, _, err := p.Regroup(l.t.Context()); n != 1 || err != nil {
		l.t.Fatalf("sealed %d: %v", n, err)
	}
	return l.sealed(l.openChunk())
}

func version(t *testing.T, text string) record.Version {
	t.Helper()
	v, err := record.ParseVersion(record.VersionText, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOperations(t *testing.T) {
	const id = "003000000000001AAA"
	for _, c := range []struct {
		name     string
		revision int
		entity   string
		want     sealed
	}{
		{"an insert that is matched by content has no key field and a space of its own", 3, "k", sealed{
			operation: "insert", keyField: "", space: "main/Contact/content-contacts:exact", header: []string{"Email", "Phone"}, csv: "k@x.example,555\n",
		}},
		{"an insert that is matched by a field has it first", 4, "e", sealed{
			operation: "insert", keyField: "External_Id__c", space: "main/Contact/External_Id__c", header: []string{"External_Id__c", "Email"}, csv: "e,e@x.example\n",
		}},
		{"an update by id", 5, id, sealed{
			operation: "update", keyField: "Id", space: "main/Contact/Id:exact", header: []string{"Id", "Email", "Phone"}, csv: id + "," + id + "@x.example,555\n",
		}},
		{"an update by a field leaves it to the submitter to find the id", 6, "e", sealed{
			operation: "update", keyField: "External_Id__c", space: "main/Contact/External_Id__c", header: []string{"External_Id__c", "Email"}, csv: "e,e@x.example\n",
		}},
		{"a delete sends its key field and nothing else", 7, "e", sealed{
			operation: "delete", keyField: "External_Id__c", space: "main/Contact/External_Id__c", header: []string{"External_Id__c"}, csv: "e\n",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			l.reconciled(uuid.New(), failing{key: "k", entity: c.entity, seq: 1, class: "transient", code: "X", revision: c.revision})
			got := l.resent()
			if got.operation != c.want.operation || got.keyField != c.want.keyField || got.space != c.want.space || got.csv != c.want.csv || !slices.Equal(got.header, c.want.header) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("the key field stays in a row of which only a part is sent again", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, record: 0, key: "a", entity: id, seq: 1, class: "data", code: "X", disposition: "dead", columns: []int{1, 3}, revision: 5},
			failing{row: 0, record: 1, key: "b", entity: id, seq: 2, class: "transient", code: "X", columns: []int{2}, revision: 5})
		if got := l.resent(); got.csv != id+",,555\n" {
			t.Errorf("rows %q", got.csv)
		}
	})
	t.Run("rows that are alike and known by their content only go side by side, each with its own key", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, key: "same@1", entity: "same@1", seq: 1, class: "transient", code: "X", revision: 3},
			failing{row: 1, key: "same@2", entity: "same@2", seq: 2, class: "transient", code: "X", revision: 3})
		l.exec(`UPDATE reconciler.failures SET cells = '{a@x.example,555}'`)
		// Each record is an entity of its own, so two lanes may have them.
		l.exec(`UPDATE reconciler.failures SET lane = 0`)
		got := l.resent()
		if got.csv != "a@x.example,555\na@x.example,555\n" || len(got.entries) != 2 || len(got.entries[0]) != 1 {
			t.Errorf("%q in %d rows", got.csv, len(got.entries))
		}
	})
	t.Run("that an earlier try may have had an effect goes with the record, retries and replays alike", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, key: "a", entity: "a", seq: 1, class: "transient", code: "X", ambiguous: true},
			failing{row: 1, key: "b", entity: "b", seq: 2, class: "transient", code: "X"},
			failing{row: 2, key: "c", entity: "c", seq: 3, class: "data", code: "X", disposition: "dead", ambiguous: true})
		l.ordered("c", 0, "reconcile", "replaying", "retrier")
		if n, err := l.passes().Replay(t.Context()); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		for i, row := range l.resent().entries {
			if want := i != 1; row[0].GetAmbiguous() != want {
				t.Errorf("%s: ambiguous %v", row[0].GetKey(), row[0].GetAmbiguous())
			}
		}
	})
}

func TestVersions(t *testing.T) {
	t.Run("of one entity the older version goes first, wherever it stands in the stream", func(t *testing.T) {
		l := newLedger(t)
		newer, older := version(t, "2026-03-02T00:00:00Z"), version(t, "2026-03-01T00:00:00Z")
		l.reconciled(uuid.New(), failing{key: "newer", entity: "e", seq: 1, class: "transient", code: "X", revision: 8, version: newer})
		l.reconciled(uuid.New(), failing{key: "older", entity: "e", seq: 9, class: "transient", code: "X", revision: 8, version: older})
		got := l.resent()
		if len(got.entries) != 1 || got.entries[0][0].GetKey() != "older" || !slices.Equal(got.entries[0][0].GetVersion(), older) {
			t.Fatalf("%v goes first", got.entries)
		}
		chunk := l.openChunk()
		l.ended(chunk)
		if n, err := l.passes().FreeOpen(t.Context()); n != 1 || err != nil {
			t.Fatalf("freed %d: %v", n, err)
		}
		if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
			t.Fatalf("sealed %d: %v", n, err)
		}
		if got := l.keysOf(l.openChunk()); !slices.Equal(got, []string{"newer"}) {
			t.Errorf("keys %q", got)
		}
	})
	t.Run("where fewer units fit than are due, the oldest versions are taken", func(t *testing.T) {
		l := newLedger(t)
		one := *l.defs["contacts/8"]
		one.Chunk.Rows = 1
		l.defs["contacts/8"] = &one
		l.reconciled(uuid.New(),
			failing{row: 0, key: "newer", entity: "e", seq: 1, class: "transient", code: "X", revision: 8, version: version(t, "10")},
			failing{row: 1, key: "older", entity: "f", seq: 9, class: "transient", code: "X", revision: 8, version: version(t, "9")})
		l.exec(`UPDATE reconciler.failures SET lane = 0`)
		if got := l.resent(); len(got.entries) != 1 || got.entries[0][0].GetKey() != "older" {
			t.Errorf("%v goes first", got.entries)
		}
	})
}

func TestResolve(t *testing.T) {
	unresolved := func(key string, row int) failing {
		return failing{row: row, key: key, entity: key, seq: row + 1, outcome: "missing", class: "unresolved", code: "MISSING", disposition: "unresolved", attempt: 3, revision: 3, ambiguous: true}
	}
	t.Run("a record that was decided not to have landed waits in its generation with its tries, once, however many take it", func(t *testing.T) {
		l := newLedger(t)
		chunk := uuid.New()
		ids := l.reconciled(chunk, unresolved("a", 0), unresolved("b", 1), unresolved("c", 2))
		l.resolve(ids[0], "not_landed")
		l.resolve(ids[1], "landed")
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := l.passes().Resolve(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != 1 {
			t.Fatalf("%d wait", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier_pub.waiting WHERE failure_id = $1 AND generation = 0 AND attempt = 3 AND class = 'transient' AND code = 'MISSING'
			AND due_at = $2 AND letter_id IS NULL AND unit_chunk = $3 AND reason = 'kim decided that it had not landed: not in the org'`, ids[0], noon, chunk); n != 1 {
			t.Error("it does not wait as it should")
		}
		if n, err := l.passes().Resolve(t.Context()); n != 0 || err != nil {
			t.Errorf("took %d again: %v", n, err)
		}
		got := l.resent()
		if got.csv != "a@x.example,555\n" || !got.entries[0][0].GetAmbiguous() || got.entries[0][0].GetAttempts() != 3 || got.entries[0][0].GetGeneration() != 0 {
			t.Errorf("%q, %v", got.csv, got.entries[0])
		}
	})
	t.Run("the tries that it has behind it count when it fails again", func(t *testing.T) {
		l := newLedger(t)
		f := unresolved("a", 0)
		f.attempt = 8
		ids := l.reconciled(uuid.New(), f)
		l.resolve(ids[0], "not_landed")
		l.resent()
		chunk := l.openChunk()
		l.reconciled(chunk, failing{key: "a", entity: "a", seq: 1, class: "transient", code: "X", attempt: 9, revision: 3})
		if n, err := l.passes().Take(t.Context(), chunk); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.dead`); n != 1 {
			t.Errorf("%d dead", n)
		}
	})
	t.Run("the rows of a resend with unresolved records go when all of them are decided", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "a", entity: "a", seq: 1, class: "transient", code: "X", revision: 3}, failing{row: 1, key: "b", entity: "b", seq: 2, class: "transient", code: "X", revision: 3})
		l.exec(`UPDATE reconciler.failures SET lane = 0`)
		l.resent()
		chunk := l.openChunk()
		ids := l.reconciled(chunk, unresolved("a", 0), unresolved("b", 1))
		for i, want := range []struct{ freed, pieces int }{{1, 1}, {0, 1}, {1, 0}, {0, 0}} {
			if n, err := l.passes().FreeOpen(t.Context()); n != want.freed || err != nil {
				t.Errorf("step %d: freed %d: %v", i, n, err)
			}
			if n := l.count(`SELECT count(*) FROM retrier.pieces`); n != want.pieces {
				t.Errorf("step %d: %d pieces", i, n)
			}
			if i < 2 {
				l.resolve(ids[i], []string{"landed", "not_landed"}[i])
			}
		}
	})
}
