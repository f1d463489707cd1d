package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/ledger"
)

func (b *bundle) submission(chunk uuid.UUID, state, job string) {
	b.Exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, job_id, last_error, noted_at, submitted_at)
		VALUES ($1, 'contacts', 1, 'fresh', 'main', $2, 0, 1, $3, $4, '', $5, CASE WHEN $3 = 'submitted' THEN $5::timestamptz END)`, chunk, fixture.Space, state, job, fixture.Noon.Add(time.Second))
}

func (b *bundle) watch(chunk uuid.UUID, state, job string) {
	b.Exec(`INSERT INTO poller.watches (chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at, job_state, finished_at)
		VALUES ($1, 'contacts', 'main', $2, 1, $3, $4, $4, 'InProgress', CASE WHEN $3 <> 'watching' THEN $4::timestamptz END)`, chunk, job, state, fixture.Noon.Add(2*time.Second))
}

func TestOpenItems(t *testing.T) {
	find := func(t *testing.T, b *bundle, id string) *opsv1.OpenItem {
		t.Helper()
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range status.GetOpenItems() {
			if item.GetId() == id {
				return item
			}
		}
		t.Fatalf("no open item %s in %v", id, status.GetOpenItems())
		return nil
	}
	for _, c := range []struct {
		name, owner, state string
		prepare            func(*bundle, uuid.UUID)
	}{
		{"a sealed chunk is the submitter's to note", "submitter", "sealed", func(*bundle, uuid.UUID) {}},
		{"a claimed submission is the submitter's", "submitter", "claimed", func(b *bundle, c uuid.UUID) { b.submission(c, "claimed", "") }},
		{"a bound submission is the submitter's", "submitter", "bound", func(b *bundle, c uuid.UUID) { b.submission(c, "bound", "750a") }},
		{"calls that are made are the submitter's", "submitter", "sent", func(b *bundle, c uuid.UUID) { b.submission(c, "sent", "") }},
		{"calls that were answered are the reconciler's", "reconciler", "answered", func(b *bundle, c uuid.UUID) {
			b.submission(c, "sent", "")
			b.Exec(`UPDATE submitter.submissions SET answered_at = now()`)
		}},
		{"a submitted one is the poller's to watch", "poller", "submitted", func(b *bundle, c uuid.UUID) { b.submission(c, "submitted", "750a") }},
		{"a watched job is the poller's", "poller", "watching", func(b *bundle, c uuid.UUID) {
			b.submission(c, "submitted", "750a")
			b.watch(c, "watching", "750a")
		}},
		{"an ended job is the reconciler's", "reconciler", "finished", func(b *bundle, c uuid.UUID) {
			b.submission(c, "submitted", "750a")
			b.watch(c, "finished", "750a")
		}},
		{"a job whose files are read is the reconciler's", "reconciler", "reading", func(b *bundle, c uuid.UUID) {
			b.submission(c, "submitted", "750a")
			b.watch(c, "finished", "750a")
			b.Exec(`INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, state) VALUES ($1, 'contacts', 'main', '750a', 'JobComplete', 'reading')`, c)
		}},
		{"a quarantined one waits for a person", "a person", "quarantined", func(b *bundle, c uuid.UUID) {
			b.Exec(`INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, state, last_error) VALUES ($1, 'contacts', 'main', '750a', 'JobComplete', 'quarantined', 'foreign rows')`, c)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := setup(t)
			chunk := b.Chunk("c", "", "a")
			c.prepare(b, chunk)
			item := find(t, b, chunk.String())
			if item.GetOwner() != c.owner || item.GetState() != c.state || item.GetNote() == "" || item.GetSince() == nil {
				t.Errorf("item %v, want owner %s, state %s", item, c.owner, c.state)
			}
		})
	}
	t.Run("failures not taken, waiting records and letters name the retrier and the person", func(t *testing.T) {
		b := setup(t)
		untaken := b.Chunk("c1", "", "a")
		b.Outcome(untaken, "", "f", fixture.Transfers{Retrying: 1})
		waiting := b.Chunk("c2", "", "b")
		b.Outcome(waiting, "", "f", fixture.Transfers{WaitingForParent: 1})
		b.Wait(waiting, b.Fail(waiting, fixture.Failure{Key: "b", Class: "reference", Code: "X", Disposition: "retry"}), "b", "", "reference", 0)
		b.Refuse("x", "", "NOT_JSON", 0)
		b.sweepLetters(t)
		if item := find(t, b, untaken.String()); item.GetOwner() != "retrier" {
			t.Errorf("%v", item)
		}
		if item := find(t, b, "contacts/reference"); item.GetOwner() != "retrier" || item.GetState() != "waiting_for_parent" {
			t.Errorf("%v", item)
		}
		if item := find(t, b, "contacts/data"); item.GetOwner() != "a person" || item.GetState() != "open" {
			t.Errorf("%v", item)
		}
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := status.GetPipelines()[0]
		if p.GetPartialChunks() != 2 || !p.GetNextRetryAt().AsTime().Equal(fixture.Noon.Add(10*time.Minute)) || p.GetOpenChunks() != 0 {
			t.Errorf("%v", p)
		}
	})
	t.Run("unresolved letters, decisions and parts that are read again name who must move them", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "", "a", "b", "c")
		b.Outcome(chunk, "", "mmm", fixture.Transfers{Unresolved: 3})
		ids := map[string]int64{}
		for i, key := range []string{"a", "b", "c"} {
			ids[key] = b.Fail(chunk, fixture.Failure{Key: key, Row: i, Class: "unresolved", Code: "MISSING", Disposition: "unresolved"})
		}
		b.sweepLetters(t)
		expect := func(situation, kind, id, owner string) {
			t.Helper()
			if item := find(t, b, id); item.GetOwner() != owner || item.GetKind() != kind || item.GetNote() == "" || item.GetSince() == nil {
				t.Errorf("%s: %v, want %s of %s", situation, item, kind, owner)
			}
		}
		expect("nobody decided", "unresolved", "contacts/unresolved", "a person")
		b.Exec(`DELETE FROM ops.letters WHERE key <> 'b'`)
		b.Exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $2, 'not_landed', '', 'seen', 'kim')`, fixture.UnresolvedID("b", 0, chunk), fixture.ID("a"))
		b.Exec(`UPDATE ops.letters SET state = 'replaying' WHERE key = 'b'`)
		expect("decided", "decisions", "contacts/not_landed", "reconciler")
		b.Resolve(ids["b"], "not_landed", "")
		expect("resolved", "unresolved", "contacts/unresolved", "retrier")
		b.ResolutionTaken(ids["b"])
		expect("taken", "unresolved", "contacts/unresolved", "ops")
		b.Exec(`INSERT INTO ops.rereads (id, pipeline, from_seq, to_seq) VALUES ($1, 'contacts', 3, 9)`, fixture.ID("reread"))
		expect("ordered", "reread", fixture.ID("reread").String(), "extractor")
	})
	t.Run("a pipeline shows the jobs that run, how far they are, who answers for it and what it depends on", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c", "", "a")
		b.submission(chunk, "submitted", "750a")
		b.watch(chunk, "watching", "750a")
		b.Exec(`UPDATE poller.watches SET rows = 50, processed = 20, failed = 3, looked_at = $1`, fixture.Noon)
		b.Exec(`INSERT INTO ops.definitions (name, revision, yaml, sha256, applied_by) VALUES ('contacts', 2, $1, '', 'test')`,
			fixture.Contacts+"owner: team west\ncontact: west@x.example\ndependsOn: [accounts]\n")
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := status.GetPipelines()[0]
		if p.GetOwner() != "team west" || p.GetContact() != "west@x.example" || len(p.GetDependsOn()) != 1 || len(p.GetJobs()) != 1 {
			t.Fatalf("%v", p)
		}
		if j := p.GetJobs()[0]; j.GetJobId() != "750a" || j.GetRows() != 50 || j.GetProcessed() != 20 || j.GetFailed() != 3 || j.GetState() != "InProgress" || !j.GetSeenAt().AsTime().Equal(fixture.Noon) {
			t.Errorf("%v", j)
		}
	})
	t.Run("pauses and stopped readers wait for a person, and stand with their pipeline", func(t *testing.T) {
		b := setup(t)
		b.Exec(`INSERT INTO reconciler.pauses (id, pipeline, class, code, message) VALUES ($1, 'contacts', 'permission', 'X', 'no rights')`, fixture.ID("p"))
		b.Exec(`INSERT INTO extractor.readers (pipeline, stopped_code, stopped_message) VALUES ('contacts', 'RECORDS_MADE_AGAIN', 'look')`)
		b.Exec(`INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES ('contacts', -1, 4, 0), ('contacts', 0, 5, 2147483647)`)
		if item := find(t, b, fixture.ID("p").String()); item.GetOwner() != "a person" || item.GetKind() != "pause" {
			t.Errorf("%v", item)
		}
		status, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := status.GetPipelines()[0]
		if p.GetStopped() != "RECORDS_MADE_AGAIN: look" || len(p.GetPauses()) != 1 || len(p.GetCheckpoints()) != 2 || p.GetCheckpoints()[1].GetSeq() != 5 {
			t.Errorf("%v", p)
		}
	})
}

func TestHistory(t *testing.T) {
	ask := func(t *testing.T, b *bundle, key string) *opsv1.RecordHistory {
		t.Helper()
		found, _, err := b.reader.History(t.Context(), ledger.Question{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 {
			t.Fatalf("%d records", len(found))
		}
		return found[0]
	}
	t.Run("follows a record from its first failure over a resend to its landing, with every attempt", func(t *testing.T) {
		b := setup(t)
		first := b.Chunk("c1", "", "a")
		if h := ask(t, b, "a"); h.GetState() != "in_flight" || h.GetWhy() == "" {
			t.Errorf("sealed: %v", h)
		}
		b.Outcome(first, "", "f", fixture.Transfers{Retrying: 1})
		id := b.Fail(first, fixture.Failure{Key: "a", Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Text: "locked", Disposition: "retry"})
		if h := ask(t, b, "a"); h.GetState() != "retrying" {
			t.Errorf("failed: %v", h)
		}
		b.Wait(first, id, "a", "", "contention", 0)
		if h := ask(t, b, "a"); h.GetState() != "retrying" || !h.GetNextRetryAt().AsTime().Equal(fixture.Noon.Add(10*time.Minute)) {
			t.Errorf("waiting: %v", h)
		}
		second := b.Resend("c2", "", 0, "a")
		if h := ask(t, b, "a"); h.GetState() != "in_flight" {
			t.Errorf("sent again: %v", h)
		}
		b.Outcome(second, "", "l", fixture.Transfers{Landed: 1})
		h := ask(t, b, "a")
		if h.GetState() != "landed" || h.GetSalesforceId() != "003xx0000000000AAA" {
			t.Errorf("landed: %v", h)
		}
		var whats []string
		for _, e := range h.GetEvents() {
			whats = append(whats, e.GetService()+": "+e.GetWhat())
		}
		want := []string{"extractor: accepted and sealed into a chunk", "retrier: sealed into a resend", "reconciler: row failed, try 1", "reconciler: landed"}
		if len(whats) != len(want) {
			t.Fatalf("events %q, want %q", whats, want)
		}
		for i := range want {
			if whats[i] != want[i] {
				t.Errorf("event %d is %q, want %q", i, whats[i], want[i])
			}
		}
	})
	t.Run("a dead record names its letter and what to do, then who discarded it", func(t *testing.T) {
		b := setup(t)
		b.Refuse("x", "", "NOT_JSON", 0)
		h := ask(t, b, "x")
		if h.GetState() != "dead" || h.GetLetterId() != fixture.LetterID("x", 0).String() {
			t.Errorf("%v", h)
		}
		b.sweepLetters(t)
		b.Exec(`INSERT INTO ops.actions (id, idempotency_key, kind, request_digest, reason, by, letters, skipped) VALUES ($1, 'k', 'discard', '', 'test data', 'kim', 1, 0)`, fixture.ID("a"))
		b.Exec(`UPDATE ops.letters SET state = 'discarded', action_id = $1`, fixture.ID("a"))
		if h := ask(t, b, "x"); h.GetState() != "discarded" || h.GetWhy() != "kim discarded it: test data." {
			t.Errorf("%v", h)
		}
	})
	t.Run("a superseded record names its successor by key", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "", "old")
		b.Chunk("c2", "", "new")
		b.Exec(`INSERT INTO submitter.superseded (chunk, row, record, pipeline, run, key_hash, generation, successor_key_hash, successor_seq, successor_idx)
			VALUES ($1, 0, 0, 'contacts', '', $2, 0, $3, 2, 0)`, chunk, fixture.KeyHash("old"), fixture.KeyHash("new"))
		b.Outcome(chunk, "", "s", fixture.Transfers{Superseded: 1})
		if h := ask(t, b, "old"); h.GetState() != "superseded" || h.GetSuccessor() != "new" {
			t.Errorf("%v", h)
		}
	})
	t.Run("a record that one of another pipeline covers names it with its pipeline", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "", "old")
		elsewhere := b.Chunk("c2", "", "new")
		hash := record.HashKey("prices", "new")
		b.Exec(`INSERT INTO extractor.pipelines (name) VALUES ('prices')`)
		b.Exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, 0, 'Id' FROM extractor.pipelines`)
		b.Exec(`UPDATE extractor.records SET pipeline_id = (SELECT id FROM extractor.pipelines WHERE name = 'prices'), key_hash = $2 WHERE chunk = $1`, elsewhere, hash)
		b.Exec(`INSERT INTO submitter.superseded (chunk, row, record, pipeline, run, key_hash, generation, successor_key_hash, successor_seq, successor_idx)
			VALUES ($1, 0, 0, 'contacts', '', $2, 0, $3, 7, 0)`, chunk, fixture.KeyHash("old"), hash)
		b.Outcome(chunk, "", "s", fixture.Transfers{Superseded: 1})
		// The key itself stands in the manifest, which is of another pipeline here and does not hold it: its place is told.
		if h := ask(t, b, "old"); h.GetState() != "superseded" || h.GetSuccessor() != "prices/"+record.PlaceKey(record.Place{Seq: 7}) {
			t.Errorf("%v", h)
		}
	})
	t.Run("an entity's records are found by its value, whatever its case, with their keys", func(t *testing.T) {
		b := setup(t)
		b.Chunk("c1", "", "Ann")
		found, _, err := b.reader.History(t.Context(), ledger.Question{Entity: "ANN", Pipeline: "contacts"})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].GetKey() != "Ann" {
			t.Errorf("%v", found)
		}
	})
	t.Run("of an entity with many records the newest hundred are told of, the newest last, and how many are older", func(t *testing.T) {
		b := setup(t)
		var keys []string
		for i := range 120 {
			keys = append(keys, fmt.Sprintf("e%03d", i))
		}
		for i := range 3 { // frames of forty records each
			chunk := b.Chunk(fmt.Sprint("c", i), "", keys[40*i:40*i+40]...)
			b.Exec(`UPDATE extractor.records SET entity_hash = $2, seq = $3, idx = row WHERE chunk = $1`,
				chunk, uuid.UUID(record.HashEntity(fixture.Space, "ann")), i+1)
		}
		found, older, err := b.reader.History(t.Context(), ledger.Question{Entity: "ann", Pipeline: "contacts"})
		if err != nil || older != 20 {
			t.Fatalf("%d older records: %v", older, err)
		}
		var got []string
		for _, h := range found {
			got = append(got, h.GetKey())
		}
		if !slices.Equal(got, keys[20:]) {
			t.Errorf("%d records: %q", len(got), got)
		}
		if found, older, err := b.reader.History(t.Context(), ledger.Question{Key: "e000"}); len(found) != 1 || older != 0 || err != nil {
			t.Errorf("by its key: %d records and %d older: %v", len(found), older, err)
		}
	})
	t.Run("a record whose key was made from its body is found at the place that the key says", func(t *testing.T) {
		b := setup(t)
		first := record.BodyKey(record.HashRaw([]byte("a")), record.Place{Seq: 1})
		elsewhere := record.BodyKey(record.HashRaw([]byte("b")), record.Place{Seq: 17}) // not where it says: its row is in the index of keys
		b.Chunk("c1", "", first, elsewhere)
		for _, key := range []string{first, elsewhere} {
			if h := ask(t, b, key); h.GetKey() != key || h.GetState() != "in_flight" || h.GetOrigin().GetSequence() == 0 {
				t.Errorf("%v", h)
			}
			found, _, err := b.reader.History(t.Context(), ledger.Question{Entity: key, Pipeline: "contacts"})
			if err != nil || len(found) != 1 || found[0].GetKey() != key {
				t.Errorf("by its entity: %v: %v", found, err)
			}
		}
		// Its next generation is in the index of keys, and both belong to it.
		b.Replay("c2", "", 1, first)
		if h := ask(t, b, first); h.GetGeneration() != 1 || h.GetOrigin().GetSequence() != 1 {
			t.Errorf("%v", h)
		}
	})
	t.Run("an unresolved record tells what nobody knows, what was decided and how far that has come", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "", "a", "b")
		b.submission(chunk, "submitted", "750a")
		b.Exec(`INSERT INTO reconciler.work (chunk, pipeline, org, job_id, job_state, state, lookups, looked_up_at) VALUES ($1, 'contacts', 'main', '750a', 'JobComplete', 'reconciled', 2, $2)`, chunk, fixture.Noon)
		b.Outcome(chunk, "", "mm", fixture.Transfers{Unresolved: 2})
		ids := map[string]int64{}
		for i, key := range []string{"a", "b"} {
			ids[key] = b.Fail(chunk, fixture.Failure{Key: key, Row: i, Class: "unresolved", Code: "MISSING", Text: "in none of the files", Disposition: "unresolved"})
		}
		b.sweepLetters(t)
		expect := func(situation, key, state string, words ...string) *opsv1.RecordHistory {
			t.Helper()
			h := ask(t, b, key)
			if h.GetState() != state {
				t.Errorf("%s: %s is %s, want %s", situation, key, h.GetState(), state)
			}
			for _, w := range words {
				if !strings.Contains(h.GetWhy(), w) {
					t.Errorf("%s: %q does not say %q", situation, h.GetWhy(), w)
				}
			}
			return h
		}
		if h := expect("nobody decided", "a", "unresolved", "bulkhead dlq resolve"); h.GetLetterId() != fixture.UnresolvedID("a", 0, chunk).String() {
			t.Errorf("letter %s", h.GetLetterId())
		}
		for key, said := range map[string]string{"a": "landed", "b": "not_landed"} {
			b.Exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $2, $3, $4, 'seen', 'kim')`,
				fixture.UnresolvedID(key, 0, chunk), fixture.ID("act"+key), said, map[string]string{"a": "003A"}[key])
		}
		expect("decided", "a", "unresolved", "kim decided that it has landed", "reconciler")
		b.Resolve(ids["a"], "landed", "003A")
		b.Resolve(ids["b"], "not_landed", "")
		h := expect("carried out", "a", "landed", "003A", "kim decided")
		if h.GetSalesforceId() != "003A" {
			t.Errorf("%v", h)
		}
		var whats []string
		for _, e := range h.GetEvents() {
			whats = append(whats, e.GetService()+": "+e.GetWhat())
		}
		for _, want := range []string{
			"reconciler: look-up 2 of the rows that are in no result file", "reconciler: row missing, try 1", "ops: kim decided: landed as 003A",
			"reconciler: resolved: landed as 003A",
		} {
			if !slices.Contains(whats, want) {
				t.Errorf("events %q lack %q", whats, want)
			}
		}
		expect("carried out", "b", "retrying", "kim decided that it has not landed", "retrier")
		b.ResolutionTaken(ids["b"])
		b.Wait(chunk, ids["b"], "b", "", "transient", 0)
		expect("taken", "b", "retrying", "waits with the retrier")
		b.Outcome(b.Resend("c2", "", 0, "b"), "", "l", fixture.Transfers{Landed: 1})
		expect("sent again", "b", "landed", "no-op")
	})
	t.Run("a record that came later than newer versions was never sent, and names its successor", func(t *testing.T) {
		b := setup(t)
		b.Chunk("c1", "", "new")
		b.Overtaken("late", "", "new")
		h := ask(t, b, "late")
		if h.GetState() != "superseded" || h.GetSuccessor() != "new" || h.GetOrigin().GetSequence() != 2 {
			t.Errorf("%v", h)
		}
		if e := h.GetEvents()[len(h.GetEvents())-1]; e.GetService() != "extractor" || e.GetWhat() != "not sent: newer versions cover it" {
			t.Errorf("%v", h.GetEvents())
		}
	})
	t.Run("a record that was published again after it was discarded says so", func(t *testing.T) {
		b := setup(t)
		b.Refuse("x", "", "NOT_JSON", 0)
		b.sweepLetters(t)
		b.Exec(`UPDATE ops.letters SET state = 'discarded'`)
		b.Reload("c", "", 1, "x")
		h := ask(t, b, "x")
		if h.GetState() != "in_flight" || h.GetGeneration() != 1 {
			t.Errorf("%v", h)
		}
		if !slices.ContainsFunc(h.GetEvents(), func(e *opsv1.RecordEvent) bool {
			return strings.Contains(e.GetWhat(), "published again after it was discarded, accepted anew as generation 1")
		}) {
			t.Errorf("%v", h.GetEvents())
		}
	})
	t.Run("a row that was left out of the upload says why", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c", "", "a")
		b.submission(chunk, "nothing_sent", "")
		b.Exec(`UPDATE submitter.submissions SET checked_at = $1`, fixture.Noon)
		b.Exec(`INSERT INTO submitter.unsent (chunk, row, class, code, message) VALUES ($1, 0, 'reference', 'ENTITY_NOT_FOUND', 'no row has it')`, chunk)
		h := ask(t, b, "a")
		if !slices.ContainsFunc(h.GetEvents(), func(e *opsv1.RecordEvent) bool {
			return e.GetService() == "submitter" && e.GetWhat() == "left out of the upload" && e.GetCode() == "ENTITY_NOT_FOUND"
		}) {
			t.Errorf("%v", h.GetEvents())
		}
	})
	t.Run("an unknown key is no record", func(t *testing.T) {
		b := setup(t)
		found, _, err := b.reader.History(t.Context(), ledger.Question{Key: "nobody"})
		if len(found) != 0 || err != nil {
			t.Errorf("%v, %v", found, err)
		}
	})
}
