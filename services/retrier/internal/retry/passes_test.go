package retry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

func TestTake(t *testing.T) {
	t.Run("failures to retry wait with class, attempt, reason and due time, and a second take changes nothing", func(t *testing.T) {
		l := newLedger(t)
		chunk := uuid.New()
		l.reconciled(chunk,
			failing{row: 0, key: "k1", entity: "e1", seq: 1, class: "transient", code: "SERVER_UNAVAILABLE"},
			failing{row: 1, key: "k2", entity: "e2", seq: 2, class: "reference", code: "INVALID_CROSS_REFERENCE_KEY"},
			failing{row: 2, key: "k3", entity: "e3", seq: 3, outcome: "unprocessed"})
		p := l.passes()
		if n, err := p.Take(t.Context(), chunk); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		if n, err := p.Take(t.Context(), chunk); n != 0 || err != nil {
			t.Fatalf("took %d again: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != 3 {
			t.Errorf("%d wait", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting WHERE class = 'transient' AND attempt = 1 AND due_at = $1 AND reason LIKE 'try 1 of 8%'`, noon.Add(500*time.Millisecond)); n != 1 {
			t.Errorf("the transient one is not there as it should be")
		}
		if n := l.count(`SELECT count(*) FROM retrier.outbox`); n != 0 {
			t.Errorf("%d messages for nobody dead", n)
		}
	})
	t.Run("failures that are taken in portions are all taken, and the records of a row have one due time", func(t *testing.T) {
		l := newLedger(t)
		chunk := uuid.New()
		var rows []failing
		for row, records := range []int{1, 4, 1, 2, 1, 1} {
			for i := range records {
				rows = append(rows, failing{row: row, record: i, key: fmt.Sprint("k", row, i), entity: fmt.Sprint("e", row), seq: len(rows) + 1, class: "transient", code: "X"})
			}
		}
		l.reconciled(chunk, rows...)
		var draws atomic.Int64
		p := l.passes()
		p.takePortion = 2
		p.random = func() float64 { return float64(draws.Add(1)) / 10 }
		if n, err := p.Take(t.Context(), chunk); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != len(rows) {
			t.Errorf("%d of %d wait", n, len(rows))
		}
		if n := l.count(`SELECT count(*) FROM (SELECT DISTINCT unit_row, due_at FROM retrier.waiting) x`); n != 6 {
			t.Errorf("%d waits of 6 rows", n)
		}
		if n := l.count(`SELECT count(DISTINCT due_at) FROM retrier.waiting`); n != 6 {
			t.Errorf("%d due times of 6 rows", n)
		}
	})
	t.Run("a chunk that is being taken is left alone by the others of the process", func(t *testing.T) {
		l := newLedger(t)
		chunk := uuid.New()
		l.reconciled(chunk, failing{row: 0, key: "k1", entity: "e1", seq: 1, class: "transient", code: "X"})
		p := l.passes()
		asked := 0
		p.random = func() float64 { // in the middle of it
			asked++
			if n, err := p.Take(t.Context(), chunk); n != 0 || err != nil {
				t.Errorf("took %d: %v", n, err)
			}
			return 0.5
		}
		if n, err := p.TakeOpen(t.Context()); n != 1 || err != nil || asked != 1 {
			t.Fatalf("took %d: %v", n, err)
		}
		if n, err := p.Take(t.Context(), chunk); n != 0 || err != nil {
			t.Fatalf("took %d again: %v", n, err)
		}
	})
	t.Run("a chunk without an outcome is left alone", func(t *testing.T) {
		l := newLedger(t)
		if n, err := l.passes().Take(t.Context(), uuid.New()); n != 0 || err != nil {
			t.Errorf("took %d: %v", n, err)
		}
	})
	t.Run("the sweep finds what no fact told of", func(t *testing.T) {
		l := newLedger(t)
		for range 3 {
			l.reconciled(uuid.New(), failing{key: uuid.NewString(), entity: "e", seq: 1, class: "contention", code: "UNABLE_TO_LOCK_ROW"})
		}
		l.reconciled(uuid.New(), failing{key: "d", entity: "e", seq: 1, class: "data", code: "X", disposition: "dead"})
		if n, err := l.passes().TakeOpen(t.Context()); n != 3 || err != nil {
			t.Errorf("took %d: %v", n, err)
		}
		if n, err := l.passes().TakeOpen(t.Context()); n != 0 || err != nil {
			t.Errorf("took %d again: %v", n, err)
		}
	})
	t.Run("an exhausted record is dead once, and its letter holds every attempt", func(t *testing.T) {
		l := newLedger(t)
		chunk := uuid.New()
		l.reconciled(chunk, failing{key: "k1", entity: "e1", seq: 7, class: "contention", code: "UNABLE_TO_LOCK_ROW", attempt: 8, run: "r1"})
		var wg sync.WaitGroup
		for range 4 { // instances
			wg.Go(func() {
				if _, err := l.passes().Take(t.Context(), chunk); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := l.count(`SELECT count(*) FROM retrier.dead WHERE key = 'k1' AND class = 'contention'`); n != 1 {
			t.Fatalf("%d dead", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != 0 {
			t.Fatalf("%d wait", n)
		}
		letter := l.letter("dlq.contacts.contention")
		if letter.Key != "k1" || letter.Stage != "retry" || letter.Run != "r1" || string(letter.Payload) != `{"id":"e1","email":"e1@x.example","phone":"555"}` || letter.Row["Email"] != "e1@x.example" {
			t.Errorf("letter %+v", letter)
		}
		if len(letter.Attempts) != 1 || letter.Attempts[0].JobID != "750000000000001" || letter.Attempts[0].At.IsZero() {
			t.Errorf("attempts %+v", letter.Attempts)
		}
		if letter.Origin != (bus.LetterOrigin{Stream: "RECORDS_contacts", Sequence: 7}) {
			t.Errorf("origin %+v", letter.Origin)
		}
	})
	t.Run("two instances take each of many chunks once", func(t *testing.T) {
		l := newLedger(t)
		const chunks = 12
		for i := range chunks {
			l.reconciled(uuid.New(), failing{key: fmt.Sprint(i), entity: fmt.Sprint(i), seq: i + 1, class: "transient", code: "X"})
		}
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			total int
		)
		for range 2 {
			wg.Go(func() {
				n, err := l.passes().TakeOpen(t.Context())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				total += n
				mu.Unlock()
			})
		}
		wg.Wait()
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != chunks || total != chunks {
			t.Errorf("%d wait, %d taken", n, total)
		}
	})
}

func (l *ledger) letter(subject string) bus.DeadLetter {
	l.t.Helper()
	var body []byte
	if err := l.admin.QueryRow(l.t.Context(), `SELECT body FROM retrier.outbox WHERE subject = $1 ORDER BY id LIMIT 1`, subject).Scan(&body); err != nil {
		l.t.Fatalf("no letter on %s: %v", subject, err)
	}
	letter, err := bus.ParseDeadLetter(body)
	if err != nil {
		l.t.Fatal(err)
	}
	return letter
}

func TestRegroup(t *testing.T) {
	// take everything that is reconciled, wait until it is due, regroup.
	due := func(t *testing.T, l *ledger) int {
		t.Helper()
		if _, err := l.passes().TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.clock.Advance(20 * time.Minute)
		n, _, err := l.passes().Regroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Run("what is due becomes one chunk per lane, with the rows as they were sent and manifest, runs and fact", func(t *testing.T) {
		l := newLedger(t)
		ids := l.reconciled(uuid.New(),
			failing{row: 0, key: "k2", entity: "e2", seq: 9, class: "transient", code: "X", run: "r1", attempt: 2},
			failing{row: 1, key: "k1", entity: "e1", seq: 4, class: "transient", code: "X", run: "r2"},
			failing{row: 2, key: "k3", entity: "e3", seq: 5, class: "transient", code: "X", lane: 1})
		if n := due(t, l); n != 2 {
			t.Fatalf("%d chunks sealed, want one per lane", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != 0 {
			t.Errorf("%d still wait", n)
		}
		var (
			chunk          uuid.UUID
			manifest, data []byte
			header         []string
			rows, records  int
		)
		if err := l.admin.QueryRow(t.Context(), `SELECT c.chunk, c.manifest, c.header, c.rows, c.records, p.data FROM retrier.chunks c JOIN retrier.pieces p USING (chunk)
			WHERE c.lane = 0 AND c.space = 'main/Contact/External_Id__c' AND c.first_seq = 4`).Scan(&chunk, &manifest, &header, &rows, &records, &data); err != nil {
			t.Fatal(err)
		}
		raw, err := rowfile.DecodePiece(data)
		if err != nil {
			t.Fatal(err)
		}
		if want := "e1,e1@x.example,555\ne2,e2@x.example,555\n"; string(raw) != want || rows != 2 || records != 2 {
			t.Errorf("rows %q (%d rows, %d records), want %q", raw, rows, records, want)
		}
		m, err := rowfile.DecodeManifest(manifest)
		if err != nil {
			t.Fatal(err)
		}
		second := m.GetRows()[1].GetRecords()[0]
		if second.GetKey() != "k2" || second.GetAttempts() != 2 || second.GetFailureId() != ids[0] || m.GetRuns()[second.GetRun()] != "r1" || second.GetSeq() != 9 {
			t.Errorf("entry %v", second)
		}
		if n := l.count(`SELECT count(*) FROM retrier.chunk_runs WHERE chunk = $1 AND kind = 'resend' AND records = 1`, chunk); n != 2 {
			t.Errorf("%d runs", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.outbox WHERE subject = 'flow.contacts.chunk_sealed'`); n != 2 {
			t.Errorf("%d facts", n)
		}
	})
	t.Run("rows that are read in portions stand in one chunk, in their order", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, key: "k1", entity: "e1", seq: 1, class: "transient", code: "X"},
			failing{row: 1, record: 0, key: "k2", entity: "e2", seq: 2, class: "transient", code: "X"},
			failing{row: 1, record: 1, key: "k3", entity: "e2", seq: 3, class: "transient", code: "X"},
			failing{row: 2, key: "k4", entity: "e4", seq: 4, class: "transient", code: "X", run: "r1"},
			failing{row: 3, key: "k5", entity: "e5", seq: 5, class: "transient", code: "X"},
			failing{row: 4, key: "k6", entity: "e6", seq: 6, class: "transient", code: "X"})
		p := l.passes()
		p.buildBatch = 2
		if _, err := p.TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.clock.Advance(20 * time.Minute)
		if n, _, err := p.Regroup(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d sealed: %v", n, err)
		}
		chunk := l.openChunk()
		if got := fmt.Sprint(l.keysOf(chunk)); got != "[k1 k2 k3 k4 k5 k6]" {
			t.Errorf("%s", got)
		}
		s := l.sealed(chunk)
		if len(s.entries) != 5 || len(s.entries[1]) != 2 || s.entries[2][0].GetKey() != "k4" || !strings.HasPrefix(s.csv, "e1,") || strings.Count(s.csv, "\n") != 5 {
			t.Errorf("%q, %v", s.csv, s.entries)
		}
	})
	t.Run("an entity goes once per chunk, its older unit first, the newer one when that has ended", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "new", entity: "e1", seq: 20, class: "transient", code: "X"})
		l.reconciled(uuid.New(), failing{key: "old", entity: "e1", seq: 10, class: "transient", code: "X"})
		l.reconciled(uuid.New(), failing{key: "other", entity: "e2", seq: 15, class: "transient", code: "X"})
		if n := due(t, l); n != 1 {
			t.Fatalf("%d sealed", n)
		}
		chunk := l.openChunk()
		if got := l.keysOf(chunk); !slices.Equal(got, []string{"old", "other"}) {
			t.Errorf("keys %q", got)
		}
		if n, _, err := l.passes().Regroup(t.Context()); n != 0 || err != nil {
			t.Errorf("a second resend of the lane was sealed while one is on its way: %d, %v", n, err)
		}
		l.ended(chunk)
		if n, err := l.passes().FreeOpen(t.Context()); n != 1 || err != nil {
			t.Fatalf("freed %d: %v", n, err)
		}
		if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
			t.Fatalf("sealed %d: %v", n, err)
		}
		if got := l.keysOf(l.openChunk()); !slices.Equal(got, []string{"new"}) {
			t.Errorf("keys %q", got)
		}
	})
	t.Run("records merged in one row go together again", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, record: 0, key: "a", entity: "e1", seq: 1, class: "transient", code: "X", columns: []int{0, 1}},
			failing{row: 0, record: 1, key: "b", entity: "e1", seq: 2, class: "transient", code: "X", columns: []int{0, 2}})
		due(t, l)
		if n := l.count(`SELECT count(*) FROM retrier.chunks WHERE rows = 1 AND records = 2`); n != 1 {
			t.Errorf("%d chunks of one row with two records", n)
		}
	})
	t.Run("chunks keep to the definition's number of rows and to one revision", func(t *testing.T) {
		l := newLedger(t)
		l.defs["contacts/1"] = definition(t, 1, 2)
		var failures []failing
		for i := range 5 {
			failures = append(failures, failing{row: i, key: fmt.Sprint(i), entity: fmt.Sprint(i), seq: i + 1, class: "transient", code: "X"})
		}
		l.reconciled(uuid.New(), failures...)
		l.reconciled(uuid.New(), failing{key: "r2", entity: "r2", seq: 3, class: "transient", code: "X", revision: 2})
		due(t, l)
		sealed := 0
		for range 10 {
			if l.count(`SELECT count(*) FROM retrier.chunks WHERE reconciled_at IS NULL`) == 0 {
				break
			}
			sealed++
			l.ended(l.openChunk())
			if _, err := l.passes().FreeOpen(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := l.passes().Regroup(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := l.count(`SELECT count(*) FROM retrier.chunks WHERE revision = 1 AND rows <= 2`); n != 3 || sealed != 4 {
			t.Errorf("%d chunks of revision 1, %d in all", n, sealed)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting`); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
	t.Run("two instances that regroup at once seal one chunk", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "a", entity: "a", seq: 1, class: "transient", code: "X"}, failing{row: 1, key: "b", entity: "b", seq: 2, class: "transient", code: "X"})
		if _, err := l.passes().TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.clock.Advance(time.Hour)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, _, err := l.passes().Regroup(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := l.count(`SELECT count(*) FROM retrier.chunks`); n != 1 {
			t.Errorf("%d chunks", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.resent`); n != 2 {
			t.Errorf("%d resent", n)
		}
	})
	t.Run("nothing goes before it is due, and the pass says when to look again", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "a", entity: "a", seq: 1, class: "transient", code: "X"})
		if _, err := l.passes().TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, wait, err := l.passes().Regroup(t.Context())
		if n != 0 || err != nil || wait != 501*time.Millisecond {
			t.Errorf("sealed %d, look again in %s, %v", n, wait, err)
		}
		l.clock.Advance(501 * time.Millisecond)
		if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
			t.Errorf("sealed %d when due: %v", n, err)
		}
	})
	t.Run("the rows of an ended chunk go, unless one of them is unresolved", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "a", entity: "a", seq: 1, class: "transient", code: "X"}, failing{row: 1, key: "b", entity: "b", seq: 2, class: "transient", code: "X", lane: 1})
		due(t, l)
		first := l.openChunk()
		l.ended(first)
		var second uuid.UUID
		if err := l.admin.QueryRow(t.Context(), `SELECT chunk FROM retrier.chunks WHERE chunk <> $1`, first).Scan(&second); err != nil {
			t.Fatal(err)
		}
		l.ended(second)
		l.exec(`INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded) VALUES ($1, 'contacts', '', 0, 0, 0, 0, 1, 0)`, second)
		if n, err := l.passes().FreeOpen(t.Context()); n != 2 || err != nil {
			t.Fatalf("freed %d: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.pieces WHERE chunk = $1`, first); n != 0 {
			t.Errorf("%d pieces of the landed chunk", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.pieces WHERE chunk = $1`, second); n != 1 {
			t.Errorf("%d pieces of the unresolved chunk", n)
		}
	})
}

func TestReplay(t *testing.T) {
	t.Run("a letter becomes the next generation with no try counted, once, however many take it", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "k", entity: "e", seq: 3, class: "data", code: "X", disposition: "dead", attempt: 1, generation: 4})
		id := l.ordered("k", 4, "reconcile", "replaying", "retrier")
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := l.passes().Replay(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := l.count(`SELECT count(*) FROM retrier.waiting WHERE generation = 5 AND attempt = 0 AND letter_id = $1 AND due_at = $2`, id, noon); n != 1 {
			t.Errorf("%d wait", n)
		}
		if n, err := l.passes().Replay(t.Context()); n != 0 || err != nil {
			t.Errorf("took %d again: %v", n, err)
		}
		l.clock.Advance(time.Second)
		if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
			t.Fatalf("sealed %d: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.resent WHERE generation = 5`); n != 1 {
			t.Errorf("%d resent", n)
		}
	})
	t.Run("an exhausted record's letter is found by its last failure", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "k", entity: "e", seq: 3, class: "transient", code: "X", attempt: 8})
		if _, err := l.passes().TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.ordered("k", 0, "retry", "replaying", "retrier")
		if n, err := l.passes().Replay(t.Context()); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.waiting WHERE generation = 1`); n != 1 {
			t.Errorf("%d wait", n)
		}
	})
	t.Run("letters that the extractor maps again are left to it", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "k", entity: "e", seq: 3, class: "data", code: "X", disposition: "dead"})
		l.ordered("k", 0, "reconcile", "replaying", "extractor")
		if n, err := l.passes().Replay(t.Context()); n != 0 || err != nil {
			t.Errorf("took %d: %v", n, err)
		}
	})
	t.Run("a letter of a merged row goes with its own value where a newer one overwrote it", func(t *testing.T) {
		for _, tt := range []struct {
			lost bool
			want string
		}{{false, "e1,older@x.example,\n"}, {true, "e1,e1@x.example,\n"}} {
			l := newLedger(t)
			l.reconciled(uuid.New(),
				failing{row: 0, record: 0, key: "a", entity: "e1", seq: 1, class: "data", code: "X", disposition: "dead", columns: []int{0, 1}, email: "older@x.example", lost: tt.lost},
				failing{row: 0, record: 1, key: "b", entity: "e1", seq: 2, class: "data", code: "X", disposition: "dead", columns: []int{0, 1}})
			l.ordered("a", 0, "reconcile", "replaying", "retrier")
			if n, err := l.passes().Replay(t.Context()); n != 1 || err != nil {
				t.Fatalf("took %d: %v", n, err)
			}
			l.clock.Advance(time.Second)
			if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
				t.Fatalf("sealed %d: %v", n, err)
			}
			var data []byte
			if err := l.admin.QueryRow(t.Context(), `SELECT data FROM retrier.pieces`).Scan(&data); err != nil {
				t.Fatal(err)
			}
			if raw, err := rowfile.DecodePiece(data); err != nil || string(raw) != tt.want {
				t.Errorf("payload lost %v: rows %q, want %q (%v)", tt.lost, raw, tt.want, err)
			}
		}
	})
	t.Run("a letter whose payload is lost goes as its row was sent, under a newer revision too", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(), failing{key: "a", entity: "e1", seq: 1, class: "data", code: "X", disposition: "dead", lost: true})
		l.ordered("a", 0, "reconcile", "replaying", "retrier")
		l.exec(`INSERT INTO extractor.readers (pipeline, revision) VALUES ('contacts', 2)`)
		if n, err := l.passes().Replay(t.Context()); n != 1 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		l.clock.Advance(time.Second)
		if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
			t.Fatalf("sealed %d: %v", n, err)
		}
		got := l.sealed(l.openChunk())
		if got.csv != "e1,e1@x.example,555\n" || len(got.entries) != 1 || got.entries[0][0].GetGeneration() != 1 || got.entries[0][0].GetFailureId() == 0 {
			t.Errorf("rows %q of %v", got.csv, got.entries)
		}
		if n := l.count(`SELECT count(*) FROM retrier.chunks WHERE revision = 1`); n != 1 {
			t.Errorf("%d chunks of the revision by which the row was made", n)
		}
	})
	t.Run("a letter is routed by the number of lanes that is in force", func(t *testing.T) {
		l := newLedger(t)
		three := *l.defs["contacts/2"]
		three.Lanes = 3
		l.defs["contacts/2"] = &three
		want := map[int]int{}
		for i := range 12 {
			entity := fmt.Sprint("e", i)
			hash := record.HashEntity("main/Contact/External_Id__c", entity)
			l.reconciled(uuid.New(), failing{key: entity, entity: entity, seq: i + 1, class: "data", code: "X", disposition: "dead", lane: record.LaneOf(hash, 2)})
			l.ordered(entity, 0, "reconcile", "replaying", "retrier")
			want[record.LaneOf(hash, 3)]++
		}
		l.exec(`INSERT INTO extractor.readers (pipeline, revision) VALUES ('contacts', 2)`)
		if n, err := l.passes().Replay(t.Context()); n != 12 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		for lane := range 3 {
			if n := l.count(`SELECT count(*) FROM retrier.waiting WHERE lane = $1`, lane); n != want[lane] {
				t.Errorf("%d letters wait in lane %d, want %d", n, lane, want[lane])
			}
		}
	})
	t.Run("two letters of one merged row go in separate chunks, each with its own columns", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, record: 0, key: "a", entity: "e1", seq: 1, class: "data", code: "X", disposition: "dead", columns: []int{0, 1}},
			failing{row: 0, record: 1, key: "b", entity: "e1", seq: 2, class: "data", code: "X", disposition: "dead", columns: []int{0, 2}})
		l.ordered("a", 0, "reconcile", "replaying", "retrier")
		l.ordered("b", 0, "reconcile", "replaying", "retrier")
		if n, err := l.passes().Replay(t.Context()); n != 2 || err != nil {
			t.Fatalf("took %d: %v", n, err)
		}
		l.clock.Advance(time.Second)
		for _, want := range []string{"e1,e1@x.example,\n", "e1,,555\n"} {
			if n, _, err := l.passes().Regroup(t.Context()); n != 1 || err != nil {
				t.Fatalf("sealed %d: %v", n, err)
			}
			chunk := l.openChunk()
			var data []byte
			if err := l.admin.QueryRow(t.Context(), `SELECT data FROM retrier.pieces WHERE chunk = $1`, chunk).Scan(&data); err != nil {
				t.Fatal(err)
			}
			if raw, err := rowfile.DecodePiece(data); err != nil || string(raw) != want {
				t.Errorf("rows %q, want %q (%v)", raw, want, err)
			}
			l.ended(chunk)
			if _, err := l.passes().FreeOpen(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRepublish(t *testing.T) {
	t.Run("another DLQ stream gets every open letter again, and no closed one", func(t *testing.T) {
		l := newLedger(t)
		l.reconciled(uuid.New(),
			failing{row: 0, key: "unknown", entity: "a", seq: 1, class: "transient", code: "X", attempt: 8},
			failing{row: 1, key: "open", entity: "b", seq: 2, class: "transient", code: "X", attempt: 8},
			failing{row: 2, key: "landed", entity: "c", seq: 3, class: "transient", code: "X", attempt: 8})
		for range 2 {
			if n, err := l.passes().Republish(t.Context()); n != 0 || err != nil {
				t.Fatalf("%d letters of nobody: %v", n, err)
			}
		}
		if _, err := l.passes().TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.ordered("open", 0, "retry", "open", "")
		l.ordered("landed", 0, "retry", "landed", "")
		for range 2 {
			if n, err := l.passes().Republish(t.Context()); n != 0 || err != nil {
				t.Fatalf("the same stream got %d letters again: %v", n, err)
			}
		}
		l.exec(`DELETE FROM retrier.outbox`)
		l.dlq.made = noon.Add(time.Hour)
		if n, err := l.passes().Republish(t.Context()); n != 2 || err != nil {
			t.Fatalf("%d letters: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier.outbox WHERE headers->>'Bulkhead-Key' IN ('unknown', 'open')`); n != 2 {
			t.Errorf("%d messages", n)
		}
		if n, err := l.passes().Republish(t.Context()); n != 0 || err != nil {
			t.Errorf("%d letters a second time: %v", n, err)
		}
	})
}

func TestBacklog(t *testing.T) {
	t.Run("too many waiting records pause the pipeline once, and the pause ends with its cause", func(t *testing.T) {
		l := newLedger(t)
		var failures []failing
		for i := range 4 {
			failures = append(failures, failing{row: i, key: fmt.Sprint(i), entity: fmt.Sprint(i), seq: i + 1, class: "transient", code: "X"})
		}
		l.reconciled(uuid.New(), failures...)
		p := l.passes()
		p.maxWaiting = 4
		if _, err := p.TakeOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{1, 0} {
			if n, err := p.Backlog(t.Context()); n != want || err != nil {
				t.Fatalf("pass %d: %d changes: %v", i, n, err)
			}
		}
		if n := l.count(`SELECT count(*) FROM retrier_pub.pauses WHERE pipeline = 'contacts' AND code = 'WAITING_BOUND'`); n != 1 {
			t.Errorf("%d pauses", n)
		}
		l.exec(`DELETE FROM retrier.waiting WHERE idx >= 0 AND seq > 2`)
		if n, err := p.Backlog(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d changes: %v", n, err)
		}
		if n := l.count(`SELECT count(*) FROM retrier_pub.pauses`); n != 0 {
			t.Errorf("%d pauses", n)
		}
	})
}

func TestExhaustion(t *testing.T) {
	t.Run("a record that fails every time is sent eight times and then dead, and its waits grow", func(t *testing.T) {
		l := newLedger(t)
		p := l.passes()
		l.reconciled(uuid.New(), failing{key: "k", entity: "e", seq: 1, class: "transient", code: "X", attempt: 1})
		var waits []time.Duration
		for attempt := 2; ; attempt++ {
			if _, err := p.TakeOpen(t.Context()); err != nil {
				t.Fatal(err)
			}
			if l.count(`SELECT count(*) FROM retrier.waiting`) == 0 {
				break
			}
			var due time.Time
			if err := l.admin.QueryRow(t.Context(), `SELECT due_at FROM retrier.waiting`).Scan(&due); err != nil {
				t.Fatal(err)
			}
			waits = append(waits, due.Sub(l.clock.Now()))
			l.clock.Advance(time.Hour)
			if n, _, err := p.Regroup(t.Context()); n != 1 || err != nil {
				t.Fatalf("sealed %d: %v", n, err)
			}
			chunk := l.openChunk()
			l.reconciled(chunk, failing{key: "k", entity: "e", seq: 1, class: "transient", code: "X", attempt: attempt})
			if n, err := p.Free(t.Context(), chunk); n != 1 || err != nil {
				t.Fatalf("freed %d: %v", n, err)
			}
		}
		if len(waits) != 7 || !slices.IsSorted(waits) || waits[0] == waits[6] {
			t.Errorf("waits %v: seven, growing, were to be expected", waits)
		}
		if n := l.count(`SELECT count(*) FROM retrier.chunks`); n != 7 {
			t.Errorf("%d resends after the first try", n)
		}
		if n := l.count(`SELECT count(*) FROM retrier.dead`); n != 1 {
			t.Errorf("%d dead", n)
		}
		raw, err := json.Marshal(l.letter("dlq.contacts.transient"))
		if err != nil || len(raw) == 0 {
			t.Errorf("letter: %v", err)
		}
	})
}
