package reconcile_test

import (
	"strings"
	"testing"

	"bulkhead/libs/record"
)

// called stores what the submitter knows of a chunk that went by calls: it is answered.
func (c *sealed) called(refusal string) *sealed {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, upload_rows, answered_at, close_refused)
		VALUES ($1, $2, 3, $3, 'main', $4, 1, 1, 'sent', $5, now(), $6)`, c.id, pipelineName, c.kind, c.form.space, len(c.rows), refusal)
	return c
}

// call stores a call; states as the ledger has them, "" = nobody knows its answer.
func (c *sealed) call(n, first, end int, states string, ids ...string) {
	c.b.t.Helper()
	if states == "" {
		c.b.exec(`INSERT INTO submitter.calls (chunk, call, epoch, first_row, end_row, state, deadline) VALUES ($1, $2, 1, $3, $4, 'sent', now())`, c.id, n, first, end)
		return
	}
	stored := strings.Join(ids, "")
	c.b.exec(`INSERT INTO submitter.calls (chunk, call, epoch, first_row, end_row, state, deadline, answered_at, row_states, row_ids)
		VALUES ($1, $2, 1, $3, $4, 'answered', now(), now(), $5, $6)`, c.id, n, first, end, []byte(states), []byte(stored))
}

func (c *sealed) refused(row int, code, message string) {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO submitter.refused (chunk, row, code, message, fields) VALUES ($1, $2, $3, $4, '{}')`, c.id, row, code, message)
}

const noID = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestAChunkThatWentByCallsIsAccountedFor(t *testing.T) {
	t.Parallel()
	t.Run("by what they answered, with the classes, letters and retries of any other", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("k-0", "k-1", "k-2", "k-3")
		c := b.seal(record.ChunkFresh, accountRows("k", 4)).called("")
		c.call(0, 0, 2, "cf", ids[0], noID)
		c.call(1, 2, 4, "lf", ids[2], noID)
		c.refused(1, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]")
		c.refused(3, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
		if reads := b.run(b.reconciler(), 0); reads != 1 {
			t.Errorf("it took %d reads, want one", reads)
		}
		o := c.outcome()
		if o.States != "lflf" || o.Created != 1 || o.Standing != "works" || string(o.IDs[:18]) != ids[0] || string(o.IDs[36:54]) != ids[2] {
			t.Fatalf("%+v", o)
		}
		f := c.failures()
		if f[0].Class != "data" || f[0].Disposition != "dead" || f[1].Class != "contention" || f[1].Disposition != "retry" || f[0].Pay == "" || f[1].Attempt != 1 {
			t.Errorf("%+v", f)
		}
		if letters := b.letters(); len(letters) != 1 || letters[0].Code != "REQUIRED_FIELD_MISSING" {
			t.Errorf("letters are %+v", letters)
		}
		if facts := b.facts(); len(facts) != 1 || facts[0].GetChunkReconciled().GetLanded() != 2 {
			t.Errorf("facts are %+v", facts)
		}
	})
	t.Run("what was not called for comes back, what has no answer too, at a try's cost", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("k-0")
		c := b.seal(record.ChunkFresh, accountRows("k", 3)).called("JSON_PARSER_ERROR: no")
		c.call(0, 0, 1, "l", ids[0])
		c.call(1, 1, 2, "")
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "lmu" {
			t.Fatalf("%+v", o)
		}
		f := c.failures()
		if f[0].Outcome != "missing" || f[0].Disposition != "retry" || f[0].Attempt != 1 || !f[0].Ambiguous || f[1].Outcome != "unprocessed" || f[1].Attempt != 0 ||
			f[1].Message != "JSON_PARSER_ERROR: no" {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a chunk whose calls are still made is left alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkFresh, accountRows("k", 1)).called("")
		b.exec(`UPDATE submitter.submissions SET answered_at = NULL`)
		c.call(0, 0, 1, "")
		b.run(b.reconciler(), 0)
		if c.hasOutcome() || len(c.work()) != 0 {
			t.Errorf("its work is %v", c.work())
		}
	})
	t.Run("a row that is said to be another object's is sent again: the answer stays what it is", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a")
		c := b.seal(record.ChunkFresh, accountRows("k", 2)).called("")
		c.call(0, 0, 2, "ll", "003000000000001AAA", ids[0])
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "ml" || len(b.pauses()) != 0 {
			t.Errorf("%+v, pauses are %v", o, b.pauses())
		}
	})
	t.Run("an answer that does not fit the chunk decides nothing, and a person is told of calls and not of a job", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a")
		c := b.seal(record.ChunkFresh, accountRows("k", 2)).called("")
		c.call(0, 0, 2, "l\x00", ids[0], noID)
		b.run(b.reconciler(), 0)
		words := one[string](b, `SELECT message FROM reconciler.pauses`)
		if c.hasOutcome() || !strings.Contains(words, "sent by calls of sObject Collections: ") || strings.Contains(words, "job") || strings.Contains(words, "files") {
			t.Errorf("its work is %v, a person reads %q", c.work(), words)
		}
	})
	t.Run("an update answers with the ids that were sent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a", "b")
		b.form = updates
		c := b.seal(record.ChunkFresh, []row{{cells: []string{ids[0][:15], "A", ""}}, {cells: []string{ids[1], "B", ""}}}).called("")
		c.call(0, 0, 2, "ll", ids[0], ids[0])
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "lm" {
			t.Errorf("%+v", o)
		}
	})
	t.Run("a delete that was repeated and finds its row gone has deleted it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a")
		b.form = deletes
		c := b.seal(record.ChunkFresh, []row{{cells: []string{ids[0]}}}).called("")
		c.call(0, 0, 1, "")
		c.call(1, 0, 1, "f", noID)
		c.refused(0, "ENTITY_IS_DELETED", "entity is deleted")
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "l" {
			t.Errorf("%+v", o)
		}
	})
}
