package submit

import (
	"strings"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

func withVersion(v byte, r row) row {
	if v > 0 {
		r.records[0].Version = []byte{v}
	}
	return r
}

// The newer version is dead when the older one comes, so the extractor lets that pass; a person orders the newer one to be sent again, and what is sent
// again goes first.
func TestAFreshChunkDoesNotGoOverANewerVersionThatWasSentBeforeIt(t *testing.T) {
	start := func(t *testing.T, v1 row) (*bench, *Runner, sealed, sealed) {
		b := newBench(t)
		v2 := withVersion(2, oneRow(1, "e", "new", "222"))
		first := b.seal(record.ChunkFresh, 0, v2)
		b.accept(first.id, v2)
		b.note(first)
		r := NewRunner(b.config)
		b.sim.AddFault(faultOnRow("e"))
		b.untilSubmitted(r, first)
		b.sim.AwaitJob(b.text(first, "job_id"), "finished")
		b.outcome(first, "f")
		b.end(first)
		late := b.seal(record.ChunkFresh, 0, v1)
		b.accept(late.id, v1)
		again := b.seal(record.ChunkResend, 0, v2)
		b.insert("retrier", "resent", map[string]any{
			"chunk": again.id, "row": 0, "failure_id": 1, "pipeline": accounts, "key_hash": uuid.UUID(v2.records[0].KeyHash), "generation": 1,
		})
		return b, r, late, again
	}
	holds := func(t *testing.T, b *bench, name, phone string) {
		t.Helper()
		for _, j := range b.closedJobs() {
			b.sim.AwaitJob(j.ID, "finished")
		}
		got, _ := b.sim.Record("Account", "e")
		if got.Fields["Name"] != name || got.Fields["Phone"] != phone {
			t.Errorf("the org holds %v, want name %s and phone %s", got.Fields, name, phone)
		}
	}
	t.Run("what it covers wholly is not sent, and names it", func(t *testing.T) {
		b, r, late, again := start(t, withVersion(1, oneRow(2, "e", "old", "111")))
		b.note(late, again)
		b.untilSubmitted(r, again)
		b.reconcile(again)
		b.turns(r, 5)
		holds(t, b, "new", "222")
		if got := b.stage(late); got != StageNothingSent {
			t.Errorf("the older version is %s, want nothing_sent", got)
		}
		if got := ask[int64](b, `SELECT successor_seq FROM submitter_pub.superseded WHERE chunk = $1`, late.id); got != 1 {
			t.Errorf("the older version names the record at %d as successor, want 1", got)
		}
	})
	t.Run("what it would have uploaded ahead waits for the lane", func(t *testing.T) {
		b, r, late, again := start(t, withVersion(1, oneRow(2, "e", "old", "111")))
		blocker := b.sealFor("partners", record.ChunkFresh, 0, accountRows("x", 1)...)
		b.note(blocker)
		b.untilSubmitted(r, blocker)
		b.note(late)
		b.turns(r, 5)
		if got := b.stage(late); got != StageClaimed {
			t.Fatalf("the older version is %s without the lane, want claimed", got)
		}
		b.note(again)
		b.reconcile(blocker)
		b.untilSubmitted(r, again)
		b.reconcile(again)
		b.turns(r, 5)
		holds(t, b, "new", "222")
	})
	t.Run("the older version goes first when it has the lane first, and the newer one over it", func(t *testing.T) {
		b, r, late, again := start(t, withVersion(1, oneRow(2, "e", "old", "111")))
		b.note(late)
		b.untilSubmitted(r, late)
		b.reconcile(late)
		b.note(again)
		b.untilSubmitted(r, again)
		holds(t, b, "new", "222")
		if n := ask[int](b, `SELECT count(*) FROM submitter.superseded`); n != 0 {
			t.Errorf("%d records are superseded, want none", n)
		}
	})
}

// A fresh chunk keeps the order of the stream: a newer version that is sealed behind it goes after it, so that both land.
func TestAFreshChunkIsNotLeftOutForAVersionThatGoesAfterIt(t *testing.T) {
	b := newBench(t)
	v1, v2 := withVersion(1, oneRow(1, "e", "old", "111")), withVersion(2, oneRow(2, "e", "new", "222"))
	first, second := b.seal(record.ChunkFresh, 0, v1), b.seal(record.ChunkFresh, 0, v2)
	b.accept(first.id, v1)
	b.accept(second.id, v2)
	b.note(first, second)
	r := NewRunner(b.config)
	for _, c := range []sealed{first, second} {
		b.untilSubmitted(r, c)
		if got := string(b.sim.UploadOf(b.text(c, "job_id"))); got != c.csv {
			t.Errorf("uploaded %q, want %q", got, c.csv)
		}
		b.reconcile(c)
	}
}

func TestWhichOfARecordsGenerationsCounts(t *testing.T) {
	for _, tt := range []struct {
		name       string
		letter     string // state of the letter of the first generation
		generation int    // the last that the index knows
		dead       bool   // the first generation
	}{
		{name: "a record that was loaded again after a discard is on its way", letter: "discarded", generation: 1, dead: true},
		{name: "a record that was mapped again says what it says now, not what it said", letter: "replaying", generation: 1, dead: true},
		{name: "a record whose letter is sent again as it was still says it", letter: "replaying", generation: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			v2 := oneRow(2, "e", "new", "222")
			key, letter := uuid.UUID(v2.records[0].KeyHash), uuid.New()
			first := b.seal(record.ChunkFresh, 0, v2)
			b.accept(first.id, v2)
			b.outcome(first, "f")
			b.insert("reconciler", "failures", map[string]any{"chunk": first.id, "pipeline": accounts, "key_hash": key, "disposition": "dead", "letter_id": letter})
			b.insert("ops", "letters", map[string]any{"letter_id": letter, "pipeline": accounts, "key_hash": key, "state": tt.letter})
			if tt.generation > 0 {
				again := oneRow(9, "e", "new", "222")
				again.records[0].KeyHash = v2.records[0].GetKeyHash()
				b.accept(uuid.New(), again)
				b.exec(`UPDATE extractor.records SET generation = $1 WHERE seq = 9`, tt.generation)
			}
			newer, err := b.store.Newer(t.Context(), accounts, []store.Asked{{Entity: record.HashEntity(testSpace, "e"), Own: []store.Order{placed(1, 0)}}})
			if err != nil {
				t.Fatal(err)
			}
			dead := map[uint64]bool{}
			for _, n := range newer {
				dead[n.Order.At.Seq] = n.Dead
			}
			if len(newer) != tt.generation+1 || dead[2] != tt.dead || dead[9] {
				t.Errorf("told %+v, want the first generation dead = %v and a later one alive", newer, tt.dead)
			}
		})
	}
}

func TestRecordsOfWhichOnlySomeHaveAVersionAreOrderedByTheirPlaces(t *testing.T) {
	for _, tt := range []struct {
		name      string
		own, old  byte // versions; 0 = none
		ownAt, at uint64
		sends     bool
	}{
		{"a definition began to name versions: a replay of what is older does not go over what landed since", 3, 0, 5, 9, false},
		{"a definition ceased to name versions: what is newer is not left out for what is older", 0, 7, 9, 5, true},
		{"a definition ceased to name versions: what is older does not go over what landed since", 7, 0, 5, 9, false},
		{"versions count where both have one", 2, 7, 9, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			landed := withVersion(tt.old, oneRow(tt.at, "e", "landed", "111"))
			first := b.seal(record.ChunkFresh, 0, landed)
			b.accept(first.id, landed)
			b.outcome(first, "l")
			own := withVersion(tt.own, oneRow(tt.ownAt, "e", "own", "222"))
			again := b.seal(record.ChunkReplay, 0, own)
			b.accept(again.id, own)
			b.note(again)
			b.turns(NewRunner(b.config), 5)
			if got := b.stage(again); (got == StageSubmitted) != tt.sends || !strings.Contains("submitted nothing_sent", string(got)) {
				t.Errorf("the record is %s, want it sent = %v", got, tt.sends)
			}
		})
	}
}

// Of the records of another kind that say the same the last in the stream is told, whatever their versions.
func TestOfNewerRecordsOfAnotherKindTheLastInTheStreamIsTold(t *testing.T) {
	b := newBench(t)
	rows := []row{withVersion(9, oneRow(7, "e", "name", "")), withVersion(1, oneRow(12, "e", "name", ""))}
	for i, r := range rows {
		chunk := b.seal(record.ChunkFresh, i, r)
		b.accept(chunk.id, r)
		b.outcome(chunk, "l")
	}
	newer, err := b.store.Newer(t.Context(), accounts, []store.Asked{{Entity: record.HashEntity(testSpace, "e"), Own: []store.Order{placed(10, 0), placed(5, 0)}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(newer) != 1 || newer[0].Order.At.Seq != 12 {
		t.Errorf("told %+v, want the record at 12", newer)
	}
}

// Where the extractor says that no record behind a place follows another one of its entity, none is looked for; what it says is taken at its word, which
// the records here contradict.
func TestNobodyLooksForNewerRecordsWhereNoneCanBe(t *testing.T) {
	b := newBench(t)
	newest := oneRow(12, "e", "new", "")
	chunk := b.seal(record.ChunkFresh, 0, newest)
	b.accept(chunk.id, newest)
	b.exec(`INSERT INTO extractor.readers (pipeline, follower_seq, follower_epoch) VALUES ($1, 9, 0)`, accounts)
	versioned := placed(10, 0)
	versioned.Version = record.Version("1")
	for _, tt := range []struct {
		name string
		own  []store.Order
		says string // another saying of the extractor first
		want int
	}{
		{name: "behind the last that follows another", own: []store.Order{placed(10, 0)}},
		{name: "not at it", own: []store.Order{placed(9, 5)}, want: 1},
		{name: "not where one of a row's records stands before it", own: []store.Order{placed(10, 0), placed(3, 0)}, want: 1},
		{name: "not where one names a version", own: []store.Order{placed(10, 0), versioned}, want: 1},
		{name: "not where nobody knows", says: `UPDATE extractor.readers SET epoch = epoch + 1`, own: []store.Order{placed(10, 0)}, want: 1},
		{name: "nor where the pipeline has no reader", says: `DELETE FROM extractor.readers`, own: []store.Order{placed(10, 0)}, want: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.says != "" {
				b.exec(tt.says)
			}
			newer, err := b.store.Newer(t.Context(), accounts, []store.Asked{{Entity: record.HashEntity(testSpace, "e"), Own: tt.own}})
			if err != nil || len(newer) != tt.want {
				t.Errorf("told %+v, %v; want %d", newer, err, tt.want)
			}
		})
	}
}
