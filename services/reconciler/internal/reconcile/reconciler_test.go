package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

func TestOutcome(t *testing.T) {
	t.Parallel()
	t.Run("each row of a complete job has its outcome, each record of a failed row its failure, payload and letter", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.Set(map[string]any{"shuffle_seed": 7})
		b.rowFault(simtest.LockError, "locked")
		rows := accountRows("good", 30)
		rows = append(rows,
			row{cells: []string{"Nameless", "", "", ""}, records: []rec{
				{key: "k1", run: "monday", body: `{"id":"Nameless","phone":null}`}, {key: "k2", run: "tuesday", body: `{"id":"Nameless",  "n":1.50}`},
			}},
			row{cells: []string{"locked", "Locked", "", ""}, records: []rec{{key: "k3", run: "tuesday", body: `{"id":"locked"}`}}},
		)
		c := b.seal(record.ChunkFresh, rows).send()
		if reads := b.run(b.reconciler(), 0); reads != 1 {
			t.Fatalf("%d reads", reads)
		}
		o := c.outcome()
		if o.Landed != 30 || o.Failed != 2 || o.Created != 30 || o.States != strings.Repeat("l", 30)+"ff" || o.Standing != "works" {
			t.Fatalf("%+v", o)
		}
		for i := range 30 {
			held, ok := b.sim.Record("Account", fmt.Sprintf("good-%d", i))
			if id := string(o.IDs[i*18 : i*18+18]); !ok || held.ID != id {
				t.Fatalf("row %d has the id %q, the org %q", i, id, held.ID)
			}
		}
		if got := fmt.Sprint(c.transfers("")); got != "map[dead:0 landed:30 retrying:0 superseded:0 unresolved:0 waiting_for_parent:0]" {
			t.Error(got)
		}
		if got := fmt.Sprint(c.transfers("tuesday")); got != "map[dead:1 landed:0 retrying:1 superseded:0 unresolved:0 waiting_for_parent:0]" {
			t.Error(got)
		}

		failures := c.failures()
		if len(failures) != 3 {
			t.Fatalf("%+v", failures)
		}
		for i, want := range []struct{ key, pay, class, disposition string }{
			{"k1", `{"id":"Nameless","phone":null}`, "data", "dead"},
			{"k2", `{"id":"Nameless",  "n":1.50}`, "data", "dead"},
			{"k3", `{"id":"locked"}`, "contention", "retry"},
		} {
			f := failures[i]
			if f.Key != want.key || f.Pay != want.pay || f.Class != want.class || f.Disposition != want.disposition || f.Attempt != 1 || f.Outcome != "failed" ||
				len(f.Attempts) != 1 || f.Attempts[0].JobID != c.jobID || f.Attempts[0].Chunk != c.id.String() || f.Attempts[0].N != 1 {
				t.Errorf("%+v", f)
			}
		}
		letters := b.letters()
		if len(letters) != 2 {
			t.Fatalf("%d letters", len(letters))
		}
		l := letters[1]
		if l.ID != uuid.UUID(record.LetterID("accounts", "k2", 0)).String() || l.Key != "k2" || l.Class != "data" || l.Code != "REQUIRED_FIELD_MISSING" ||
			l.Stage != "reconcile" || string(l.Payload) != `{"id":"Nameless",  "n":1.50}` || l.Run != "tuesday" || l.Revision != 3 || l.Entity != "Nameless" ||
			l.Origin.Stream != "RECORDS_accounts" || l.Origin.Sequence != rows[30].records[1].place.Seq || l.Origin.Index != rows[30].records[1].place.Idx ||
			len(l.Attempts) != 1 || l.Attempts[0].JobID != c.jobID || fmt.Sprint(l.Fields) != "[Name]" ||
			fmt.Sprint(l.Row) != "map[External_Id__c:Nameless]" || l.AcceptedAt.IsZero() || l.DeadAt.IsZero() {
			t.Errorf("%+v", l)
		}
		facts := b.facts()
		if len(facts) != 1 {
			t.Fatalf("%d facts", len(facts))
		}
		if f := facts[0].GetChunkReconciled(); f.GetChunk() != c.id.String() || f.GetLanded() != 30 || f.GetFailed() != 2 || f.GetSpace() != space || f.GetLane() != 1 ||
			facts[0].GetTraceparent() != "tp" || facts[0].GetRevision() != 3 {
			t.Errorf("%v", facts[0])
		}
	})
	t.Run("a chunk whose rows all landed writes no failure and no letter, and reads two files", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkFresh, accountRows("a", 500)).send()
		r := b.reconciler()
		b.run(r, 0)
		if o := c.outcome(); o.Landed != 500 {
			t.Fatalf("%+v", o)
		}
		if n := len(c.failures()) + len(b.letters()); n != 0 {
			t.Fatalf("%d failures and letters", n)
		}
		if len(b.sim.Calls(0, simtest.Successful)) != 1 || len(b.sim.Calls(0, simtest.FailedRows)) != 1 || len(b.sim.Calls(0, simtest.Unprocessed)) != 0 {
			t.Fatal("other calls than the two files")
		}
		b.note(r)
		if b.pass(r) != 0 {
			t.Fatal("a reconciled chunk was worked on again")
		}
	})
	t.Run("a complete job in which every row failed is reconciled like any other", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := accountRows("a", 20)
		for i := range rows {
			rows[i].cells[1] = ""
		}
		c := b.seal(record.ChunkFresh, rows).send()
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.Failed != 20 || o.Standing != "works" || len(b.letters()) != 20 || len(b.pauses()) != 0 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("thousands of failures are written in batches, each with its own payload", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := accountRows("a", 2600)
		for i := range rows {
			if i%13 != 0 {
				rows[i].cells[1] = ""
			}
		}
		c := b.seal(record.ChunkFresh, rows).send()
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.Failed != 2400 || o.Landed != 200 {
			t.Fatalf("%+v", o)
		}
		failures := c.failures()
		if len(failures) != 2400 || len(b.letters()) != 2400 {
			t.Fatalf("%d failures, %d letters", len(failures), len(b.letters()))
		}
		for _, f := range failures {
			if want := rows[f.Row].records[0].body; f.Pay != want || f.Cells[0] != rows[f.Row].cells[0] {
				t.Fatalf("row %d: %s", f.Row, f.Pay)
			}
		}
	})
	t.Run("rows in no file are missing after three reads over the whole wait, and come back as counted tries", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: []string{"a-2", "a-3"}}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
		c := b.seal(record.ChunkFresh, accountRows("a", 5)).send()
		begin := b.now
		if reads := b.run(b.reconciler(), time.Hour); reads != 3 {
			t.Fatalf("%d reads", reads)
		}
		if took := b.now.Sub(begin); took < 10*time.Minute || took > 11*time.Minute {
			t.Fatalf("decided after %v", took)
		}
		if o := c.outcome(); o.Landed != 3 || o.Missing != 2 || o.States != "llmml" {
			t.Fatalf("%+v", o)
		}
		for _, f := range c.failures() {
			if f.Outcome != "missing" || f.Class != "transient" || f.Code != "MISSING" || f.Disposition != "retry" || f.Attempt != 1 || len(f.Attempts) != 1 || f.Pay == "" {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("an aborted job is decided by two equal reads, and what was never tried counts no try", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(200)}})
		c := b.seal(record.ChunkFresh, accountRows("a", 500)).send()
		begin := b.now
		if reads := b.run(b.reconciler(), time.Hour); reads != 2 || b.now.Sub(begin) < time.Minute {
			t.Fatalf("%d reads over %v", reads, b.now.Sub(begin))
		}
		if o := c.outcome(); o.Landed != 200 || o.Unprocessed != 300 {
			t.Fatalf("%+v", o)
		}
		failures := c.failures()
		if f := failures[0]; len(failures) != 300 || f.Outcome != "unprocessed" || f.Class != "" || f.Code != "UNPROCESSED" || f.Attempt != 0 || len(f.Attempts) != 0 ||
			f.Disposition != "retry" || f.Pay == "" {
			t.Fatalf("%d: %+v", len(failures), f)
		}
	})
	t.Run("a job whose file was refused whole leaves every row unprocessed with the reason", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := accountRows("a", 3)
		rows[0].cells[3] = "parent-1" // sends the column, which accounts do not have
		c := b.seal(record.ChunkFresh, rows).send()
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Unprocessed != 3 || o.Standing != "blocked" {
			t.Fatalf("%+v", o)
		}
		if f := c.failures()[0]; !strings.HasPrefix(f.Message, "InvalidBatch") {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("a job that is gone leaves every row missing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkFresh, accountRows("a", 3))
		c.jobID = "7505g00000abcdEAAQ"
		c.submitted(3)
		c.watched("gone", "gone", 0, 0, "")
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.Missing != 3 || len(b.sim.Calls(0, simtest.Successful)) != 0 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("a job whose results are gone is taken as gone after three answers over the whole wait", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkFresh, accountRows("a", 3)).send()
		b.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: simtest.Successful}, Times: simtest.Times(0),
			Effect: simtest.Effect{Kind: simtest.Status, Status: 404, Code: "NOT_FOUND", Message: "The requested resource does not exist"},
		})
		begin := b.now
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Missing != 3 || b.now.Sub(begin) < 2*time.Minute || len(b.sim.Calls(0, simtest.Successful)) != 3 {
			t.Fatalf("%+v after %v and %d calls", o, b.now.Sub(begin), len(b.sim.Calls(0, simtest.Successful)))
		}
	})
	t.Run("a chunk that needed no job has every row superseded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkResend, accountRows("a", 3))
		c.superseded(0, 1, 2)
		b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state) VALUES ($1, 'accounts', 3, 'resend', 'main', $2, 1, 1, 'nothing_sent')`, c.id, space)
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.Superseded != 3 || len(c.failures()) != 0 || c.transfers("")["superseded"] != 3.0 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("a job whose close was refused leaves every row unprocessed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.seal(record.ChunkFresh, accountRows("a", 3)).send()
		b.exec(`UPDATE submitter.submissions SET close_refused = 'INVALIDJOB: no'`)
		b.exec(`UPDATE poller.watches SET job_state = 'Aborted', processed = 0, failed = 0`)
		for _, e := range []simtest.Endpoint{simtest.Successful, simtest.FailedRows, simtest.Unprocessed} {
			b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: e}, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Status, Status: 204}})
		}
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Unprocessed != 3 {
			t.Fatalf("%+v", o)
		}
	})
}

func TestResend(t *testing.T) {
	t.Parallel()
	t.Run("a failure that is sent again keeps its payload, its tries and its count over the generations of chunks", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault(simtest.LockError, "locked")
		rows := []row{{cells: []string{"locked", "Locked", "", ""}, records: []rec{{key: "k", run: "r", body: `{"id":"locked", "original":true}`}}}}
		first := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		b.run(r, 0)
		f := first.failures()[0]
		// The stream's part is over: what is sent again comes from the ledger alone.
		if err := b.conn.JS.DeleteStream(t.Context(), "RECORDS_accounts"); err != nil {
			t.Fatal(err)
		}
		second := b.seal(record.ChunkResend, []row{{cells: f.Cells, records: []rec{{key: "k", run: "r", attempts: f.Attempt, failureID: f.ID, place: rows[0].records[0].place}}}}).send()
		b.run(r, 0)
		again := second.failures()[0]
		if again.Attempt != 2 || again.Pay != `{"id":"locked", "original":true}` || len(again.Attempts) != 2 || again.Attempts[0].JobID != first.jobID ||
			again.Attempts[1].JobID != second.jobID || again.Attempts[1].N != 2 || again.Disposition != "retry" {
			t.Fatalf("%+v", again)
		}
	})
	t.Run("a replayed letter brings payload and tries from whoever decided it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := []row{{cells: []string{"dead", "", "", ""}, records: []rec{{key: "own", body: `{"of":"reconciler"}`}}}}
		first := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		b.run(r, 0)
		own := first.failures()[0]
		refused, exhausted := uuid.New(), uuid.New()
		b.exec(`INSERT INTO extractor.dead (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, payload, seq, idx, accepted_at, dead_at)
			VALUES ($1, 'accounts', 1, '', 'x', $1, 0, '', 'data', 'WRONG_TYPE', '', '{}', '{"of":"extractor"}', 1, 0, now(), now())`, refused)
		b.exec(`INSERT INTO retrier.dead (letter_id, failure_id, pipeline, run, key, key_hash, generation, class, code, message)
			VALUES ($1, $2, 'accounts', '', 'x', $1, 0, 'contention', '', '')`, exhausted, own.ID)
		replay := b.seal(record.ChunkReplay, []row{
			{cells: []string{"d1", "", "", ""}, records: []rec{{key: "own", generation: 1, letterID: own.LetterID.UUID}}},
			{cells: []string{"d2", "", "", ""}, records: []rec{{key: "refused", generation: 1, letterID: refused}}},
			{cells: []string{"d3", "", "", ""}, records: []rec{{key: "exhausted", generation: 1, letterID: exhausted}}},
			{cells: []string{"d4", "", "", ""}, records: []rec{{key: "unknown", generation: 1, letterID: uuid.New()}}},
		}).send()
		b.run(r, 0)
		got := replay.failures()
		for i, want := range []struct {
			pay      string
			attempts int
		}{{`{"of":"reconciler"}`, 2}, {`{"of":"extractor"}`, 1}, {`{"of":"reconciler"}`, 2}, {"", 1}} {
			if f := got[i]; f.Pay != want.pay || len(f.Attempts) != want.attempts || f.Attempt != 1 || f.Generation != 1 {
				t.Errorf("%s: %+v", f.Key, f)
			}
		}
		if got[0].LetterID.UUID != uuid.UUID(record.LetterID("accounts", "own", 1)) || got[0].LetterID == own.LetterID {
			t.Error("the next generation's letter is not another one")
		}
	})
	t.Run("superseded rows were not sent and reduced ones are kept as they were sent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault(simtest.LockError, "a-2")
		rows := accountRows("a", 4)
		rows[2].cells[2] = "+1 555"
		c := b.seal(record.ChunkResend, rows)
		c.superseded(1)
		b.exec(`INSERT INTO submitter.reduced (chunk, row, columns) VALUES ($1, 2, '\x04')`, c.id) // Phone
		c.send(1)
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "lsfl" || o.Superseded != 1 {
			t.Fatalf("%+v", o)
		}
		if f := c.failures()[0]; fmt.Sprint(f.Cells) != "[a-2 Name of a-2  ]" {
			t.Fatalf("%q", f.Cells)
		}
	})
	t.Run("payloads that are not in the stream any more are empty, and the row as sent is kept", func(t *testing.T) {
		t.Parallel()
		for name, spoil := range map[string]func(*bundle){
			"stream deleted": func(b *bundle) { _ = b.conn.JS.DeleteStream(b.t.Context(), "RECORDS_accounts") },
			"stream made again with other messages": func(b *bundle) {
				_ = b.conn.JS.DeleteStream(b.t.Context(), "RECORDS_accounts")
				b.exec(`UPDATE extractor.readers SET incarnation = incarnation - interval '1 day'`)
				b.exec(`INSERT INTO extractor.readers (pipeline) VALUES ('other')`)
				b.remake()
			},
			"stream put back to an earlier state and written to since": func(b *bundle) {
				b.exec(`UPDATE extractor.readers SET witness_seq = 100, witness_stored_at = now() - interval '1 day'`)
			},
			"stream with another message where the last one was read": func(b *bundle) {
				b.exec(`UPDATE extractor.readers SET witness_seq = 1, witness_stored_at = now() - interval '1 day'`)
			},
			"stream put back, and the last message that was read is in a hole": func(b *bundle) {
				s := b.fragile()
				b.fill()
				if err := s.DeleteMsg(b.t.Context(), 8); err != nil {
					b.t.Fatal(err)
				}
				b.exec(`UPDATE extractor.readers SET incarnation = $1, witness_seq = 8, witness_stored_at = now() - interval '1 day'`, s.CachedInfo().Created)
			},
			"messages that were stored again behind": func(b *bundle) {
				b.exec(`INSERT INTO extractor.skipped (pipeline, from_seq, through_seq) VALUES ('other', 1, 5), ('accounts', 1, 100)`)
			},
			"stream purged": func(b *bundle) {
				s, err := b.conn.JS.Stream(b.t.Context(), "RECORDS_accounts")
				if err == nil {
					err = s.Purge(b.t.Context())
				}
				if err != nil {
					b.t.Fatal(err)
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				rows := accountRows("a", 2)
				rows[1].cells[1] = ""
				c := b.seal(record.ChunkFresh, rows).send()
				spoil(b)
				b.run(b.reconciler(), 0)
				if o := c.outcome(); o.Landed != 1 || o.Failed != 1 {
					t.Fatalf("%+v", o)
				}
				if f := c.failures()[0]; f.Pay != "" || f.Cells[0] != "a-1" || len(b.letters()) != 1 {
					t.Fatalf("%+v", f)
				}
			})
		}
	})
	t.Run("a broker that does not answer only delays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := accountRows("a", 2)
		rows[1].cells[1] = ""
		c := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		b.conn.NC.Close()
		b.run(r, time.Minute)
		if c.hasOutcome() || c.work()["last_error"] == "" {
			t.Fatalf("%v", c.work())
		}
		b.connect()
		b.run(b.reconciler(), time.Minute)
		if o := c.outcome(); o.Failed != 1 || c.failures()[0].Pay == "" {
			t.Fatalf("%+v", o)
		}
	})
}
