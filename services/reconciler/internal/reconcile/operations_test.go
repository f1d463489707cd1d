package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/orgsim/simtest"
)

// seed puts rows into the org and returns their ids.
func (b *bundle) seed(keys ...string) []string {
	b.t.Helper()
	ids := make([]string, len(keys))
	for i, k := range keys {
		b.sim.Seed("Account", map[string]string{"External_Id__c": k, "Name": "Name of " + k})
		held, ok := b.sim.Record("Account", k)
		if !ok {
			b.t.Fatalf("%s was not seeded", k)
		}
		ids[i] = held.ID
	}
	return ids
}

// resolvedTo stores what the submitter asked the org for before the upload.
func (c *sealed) resolvedTo(ids ...string) *sealed {
	c.b.t.Helper()
	c.rowIDs = ids
	var stored []byte
	for _, id := range ids {
		stored = append(stored, fmt.Sprintf("%-18s", id)...)
	}
	c.b.exec(`INSERT INTO submitter.resolutions (chunk, row_ids) VALUES ($1, $2)`, c.id, slices.Collect(func(yield func(byte) bool) {
		for _, x := range stored {
			if x == ' ' {
				x = 0
			}
			if !yield(x) {
				return
			}
		}
	}))
	return c
}

func (c *sealed) unsent(row int, class, code string) {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO submitter.unsent (chunk, row, class, code, message) VALUES ($1, $2, $3, $4, 'asked for before the upload')`, c.id, row, class, code)
}

func TestUpdatesAndDeletes(t *testing.T) {
	t.Parallel()
	t.Run("updated rows are found again by their Id, of fifteen characters too, in whatever order they come back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.Set(map[string]any{"shuffle_seed": 3})
		ids := b.seed("a", "b", "c")
		b.form = updates
		b.form.version = []byte{1, 2}
		c := b.seal(record.ChunkFresh, []row{
			{cells: []string{ids[0][:15], "A", ""}}, {cells: []string{ids[1], "#N/A", ""}}, {cells: []string{ids[2], "C", ""}},
		}).send()
		b.run(b.reconciler(), 0)
		o := c.outcome()
		if o.States != "lfl" || o.Created != 0 || string(o.IDs[:18]) != ids[0] || string(o.IDs[36:]) != ids[2] {
			t.Fatalf("%+v", o)
		}
		f := c.failures()[0]
		if f.Entity != ids[1] || f.SfID != ids[1] || f.Class != "data" || f.Ambiguous || string(f.Version) != "\x01\x02" {
			t.Fatalf("%+v", f)
		}
		hash := one[uuid.UUID](b, `SELECT entity_hash FROM reconciler.failures`)
		if hash != uuid.UUID(record.HashEntity(updates.space, ids[1])) {
			t.Fatal("the entity's hash is not that of its space")
		}
	})
	t.Run("rows that another field named are found again by the ids they were sent with, and keep them", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a", "b", "c", "d")
		b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: []string{ids[3]}}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
		b.form = updatesBy
		c := b.seal(record.ChunkFresh, []row{accountRow("a"), accountRow("nowhere"), accountRow("twice"), accountRow("c"), accountRow("d")})
		c.resolvedTo(ids[0], "", "", ids[2], ids[3])
		c.unsent(1, "reference", "ENTITY_NOT_FOUND")
		c.unsent(2, "duplicate", "DUPLICATE_EXTERNAL_ID")
		c.send(1, 2)
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.States != "lfflm" || o.Failed != 2 {
			t.Fatalf("%+v", o)
		}
		f := c.failures()
		if f[0].Code != "ENTITY_NOT_FOUND" || f[0].Disposition != "retry" || f[0].Attempt != 1 || f[0].Entity != "nowhere" ||
			f[1].Code != "DUPLICATE_EXTERNAL_ID" || f[1].Disposition != "dead" || f[1].Message == "" ||
			f[2].Outcome != "missing" || f[2].SfID != ids[3] || f[2].Entity != "d" || !f[2].Ambiguous || f[2].Disposition != "retry" {
			t.Fatalf("%+v", f)
		}
		if got := fmt.Sprint(c.transfers("")); got != "map[dead:1 landed:2 retrying:1 superseded:0 unresolved:0 waiting_for_parent:1]" {
			t.Fatal(got)
		}
	})
	t.Run("a chunk of which no row is in the org needs no job, and blocks nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.form = updatesBy
		c := b.seal(record.ChunkFresh, accountRows("a", 2))
		c.resolvedTo("", "")
		c.unsent(0, "reference", "ENTITY_NOT_FOUND")
		c.unsent(1, "reference", "ENTITY_NOT_FOUND")
		c.nothingSent()
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "ff" || o.Standing != "open" {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("a row that is deleted already has landed only where an earlier try may have deleted it", func(t *testing.T) {
		t.Parallel()
		for _, again := range []bool{true, false} {
			t.Run(fmt.Sprint("sent before: ", again), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				ids := b.seed("a", "b")
				b.form = deletes
				b.seal(record.ChunkFresh, []row{{cells: []string{ids[0]}, records: []rec{{key: "first"}}}}).send()
				b.run(b.reconciler(), 0)
				if again {
					b.form = deletes.again()
				}
				c := b.seal(record.ChunkResend, []row{
					{cells: []string{ids[0]}, records: []rec{{key: "again"}}}, {cells: []string{ids[1]}, records: []rec{{key: "new"}}},
				}).send()
				b.run(b.reconciler(), 0)
				o := c.outcome()
				switch {
				case again && (o.States != "ll" || string(o.IDs[:18]) != ids[0] || len(c.failures()) != 0):
					t.Fatalf("%+v", o)
				case !again && (o.States != "fl" || c.failures()[0].Code != "ENTITY_IS_DELETED"):
					t.Fatalf("%+v %+v", o, c.failures())
				}
			})
		}
	})
	t.Run("an ambiguous delete whose row is not found any more landed earlier, under the id that it had then", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids := b.seed("a")
		b.form = deletesBy
		b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: ids}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
		rows := []row{{cells: []string{"a"}, records: []rec{{key: "k", run: "r"}}}}
		first := b.seal(record.ChunkFresh, rows).resolvedTo(ids[0]).send()
		b.run(b.reconciler(), time.Hour)
		f := first.failures()[0]
		if f.Outcome != "missing" || !f.Ambiguous || f.SfID != ids[0] {
			t.Fatalf("%+v", f)
		}
		b.form = deletesBy.again()
		second := b.seal(record.ChunkResend, []row{{cells: []string{"a"}, records: []rec{{key: "k", run: "r", attempts: 1, failureID: f.ID}}}}).resolvedTo("")
		second.unsent(0, "reference", "ENTITY_IS_DELETED")
		second.nothingSent()
		b.run(b.reconciler(), 0)
		if o := second.outcome(); o.States != "l" || string(o.IDs) != ids[0] || second.transfers("r")["landed"] != 1.0 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("ids that were not stored, or not of every row, make no chunk", func(t *testing.T) {
		t.Parallel()
		for name, spoil := range map[string]func(*sealed){
			"none":    func(*sealed) {},
			"too few": func(c *sealed) { c.resolvedTo("0015g00000AbCdEAAV") },
			"a hole":  func(c *sealed) { c.resolvedTo("0015g00000AbCdEAAV", "") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.script()
				b.form = updatesBy
				c := b.scripted(2, "JobComplete", 2, 0)
				spoil(c)
				b.run(b.reconciler(), time.Hour)
				if w := c.work(); w["state"] != "quarantined" || fmt.Sprint(b.pauses()) != "[unclassified CHUNK_UNMATCHABLE]" {
					t.Fatalf("%v", w)
				}
			})
		}
	})
}

// nothingSent notes a chunk that needed no job.
func (c *sealed) nothingSent() {
	c.b.t.Helper()
	c.b.exec(`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state)
		VALUES ($1, 'accounts', 3, $2, 'main', $3, 1, 1, 'nothing_sent')`, c.id, c.kind, c.form.space)
}

func TestInsertsWithACorrelatingField(t *testing.T) {
	t.Parallel()
	lose := func(b *bundle, keys ...string) {
		b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Where: &simtest.Where{Keys: keys}, Effect: simtest.Effect{Kind: simtest.LoseRows}})
	}
	t.Run("rows in no file that are in the org have landed, at the first look", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		lose(b, "a-1", "a-2")
		b.form = inserts
		c := b.seal(record.ChunkFresh, accountRows("a", 4)).send()
		b.run(b.reconciler(), time.Hour)
		o := c.outcome()
		held, _ := b.sim.Record("Account", "a-1")
		if o.States != "llll" || string(o.IDs[18:36]) != held.ID || len(c.failures()) != 0 {
			t.Fatalf("%+v", o)
		}
		if n := len(b.sim.Calls(0, simtest.Query)); n != 1 {
			t.Fatalf("%d queries", n)
		}
	})
	t.Run("rows that two looks a minute apart do not find are sent again; the lane is held until then", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.form = inserts
		c := b.seal(record.ChunkFresh, accountRows("a", 3))
		c.jobID = "7505g00000abcdEAAQ"
		c.submitted(3)
		c.watched("gone", "gone", 0, 0, "")
		b.seed("a-1") // by hand, before or after: not by us
		r := b.reconciler()
		begin := b.now
		b.run(r, 30*time.Second)
		if w := c.work(); c.hasOutcome() || w["lookups"] != 1.0 || !strings.Contains(fmt.Sprint(w["reason"]), "looked up by External_Id__c, again at") {
			t.Fatalf("%v", w)
		}
		b.run(r, time.Hour)
		if took := b.now.Sub(begin); took < time.Minute {
			t.Fatalf("decided after %v", took)
		}
		o := c.outcome()
		if o.Missing+o.Landed != 3 {
			t.Fatalf("%+v", o.States)
		}
		for _, f := range c.failures() {
			if f.Disposition != "retry" || f.Class != "transient" || f.Code != "MISSING" || !f.Ambiguous || !strings.Contains(f.Message, "looked up by External_Id__c") || f.LetterID.Valid {
				t.Fatalf("%+v", f)
			}
		}
	})
	t.Run("a look-up that fails waits and is repeated, and counts as none", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		lose(b, "a-1")
		b.form = inserts
		c := b.seal(record.ChunkFresh, accountRows("a", 2)).send()
		id := b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Query}, Times: simtest.Times(0), Effect: simtest.Effect{
			Kind: simtest.Status, Status: 503,
		}})
		r := b.reconciler()
		b.run(r, time.Hour)
		if w := c.work(); c.hasOutcome() || w["lookups"] != 0.0 || w["last_error"] == "" {
			t.Fatalf("%v", w)
		}
		b.sim.ClearFaults(id)
		b.run(r, time.Hour)
		if o := c.outcome(); o.States != "ll" {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("an object that is not there any more is looked for again and again, with rests, and decides nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script() // knows of no object
		s.set(success, text(landed("a-0")))
		b.form = inserts
		c := b.scripted(2, "JobComplete", 2, 0)
		if reads := b.run(b.reconciler(), time.Hour); reads > 300 {
			t.Fatalf("%d reads", reads)
		}
		if w := c.work(); c.hasOutcome() || w["job_state"] != "JobComplete" || w["not_found"] != 0.0 || !strings.Contains(fmt.Sprint(w["last_error"]), "look-up of 1 inserted rows") {
			t.Fatalf("%v", w)
		}
	})
	t.Run("a duplicate after an ambiguous try has landed if the row is ours, and is a duplicate if not", func(t *testing.T) {
		t.Parallel()
		for name, test := range map[string]struct {
			first  func(b *bundle)
			form   form
			states string
		}{
			"made by the earlier try": {func(b *bundle) { b.orphanInsert("a-0") }, inserts.again(), "l"},
			"made before the record":  {func(b *bundle) { b.orphanInsert("a-0"); b.now = b.now.Add(time.Hour) }, inserts.again(), "f"},
			"no earlier try":          {func(b *bundle) { b.orphanInsert("a-0") }, inserts, "f"},
			"made by another record": {func(b *bundle) {
				b.seal(record.ChunkFresh, []row{{cells: accountRow("a-0").cells, records: []rec{{key: "another"}}}}).send()
				b.run(b.reconciler(), 0)
				// That outcome is written after this record was accepted.
				b.exec(`UPDATE reconciler.outcomes SET reconciled_at = now() + interval '1 minute'`)
			}, inserts.again(), "f"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.form = inserts
				test.first(b)
				b.form = test.form
				c := b.seal(record.ChunkResend, accountRows("a", 1)).send()
				b.run(b.reconciler(), 0)
				if o := c.outcome(); o.States != test.states {
					t.Fatalf("%+v %+v", o, c.failures())
				}
			})
		}
	})
	t.Run("a field that several rows of ours hold is a matter for a person", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.form = form{operation: "insert", key: "Phone", space: "main/Account/Phone", header: header}
		b.orphanInsert("x", "y") // with the same phone
		c := b.seal(record.ChunkFresh, []row{{cells: []string{"z", "Z", "555", ""}, records: []rec{{key: "z"}}}})
		c.jobID = "7505g00000abcdEAAQ"
		c.submitted(1)
		c.watched("gone", "gone", 0, 0, "")
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.States != "m" {
			t.Fatalf("%+v", o)
		}
		f := c.failures()[0]
		if f.Disposition != "unresolved" || !strings.Contains(f.Message, "candidates: 001") || f.LetterID.UUID != uuid.UUID(record.UnresolvedID("accounts", "z", 0, c.id)) {
			t.Fatalf("%+v", f)
		}
	})
}

// orphanInsert inserts rows as our user does, without anybody accounting for it.
func (b *bundle) orphanInsert(keys ...string) {
	b.t.Helper()
	rows := make([]row, len(keys))
	for i, k := range keys {
		rows[i] = row{cells: []string{k, "Name of " + k, "555", ""}, records: []rec{{key: "orphan of " + k}}}
	}
	c := b.seal(record.ChunkFresh, rows)
	c.jobID = c.job()
	b.sim.AwaitJob(c.jobID, "finished")
}

func TestInsertsByContent(t *testing.T) {
	t.Parallel()
	same := func(n int, cells ...string) []row {
		rows := make([]row, n)
		for i := range rows {
			rows[i] = row{cells: cells, records: []rec{{key: fmt.Sprintf("%s-%d", cells[1], i), run: "r"}}}
		}
		return rows
	}
	t.Run("rows wanted twice land twice, whatever order the files are in", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.Set(map[string]any{"shuffle_seed": 5})
		b.form = blind
		rows := append(same(7, "", "Twice", "555", ""), same(3, "", "Other", "", "")...)
		rows = append(rows, same(2, "", "", "556", "")...) // without a name: refused
		c := b.seal(record.ChunkFresh, rows).send()
		b.run(b.reconciler(), 0)
		o := c.outcome()
		if o.States != "llllllllllff" || o.Created != 10 {
			t.Fatalf("%+v", o)
		}
		ids := map[string]bool{}
		for i := range 10 {
			ids[string(o.IDs[i*18:i*18+18])] = true
		}
		if len(ids) != 10 {
			t.Fatalf("%d ids", len(ids))
		}
		f := c.failures()
		if len(f) != 2 || f[0].Class != "data" || f[0].Entity != f[0].Key || f[0].Key != "-0" {
			t.Fatalf("%+v", f)
		}
		hash := one[uuid.UUID](b, `SELECT entity_hash FROM reconciler.failures WHERE row = 10`)
		if hash != uuid.UUID(record.HashEntity(blind.space, "-0")) {
			t.Fatal("the entity is not the key")
		}
	})
	t.Run("rows that stay in no file are unresolved, each with a letter that says so, until a decision is taken over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		b.form = blind
		b.exec(`UPDATE extractor.pipelines SET name = name`)
		rows := []row{
			{cells: []string{"", "One", "", ""}, records: []rec{{key: "one", run: "r"}}},
			{cells: []string{"", "Two", "", ""}, records: []rec{{key: "two", run: "r"}}},
			{cells: []string{"", "Three", "", ""}, records: []rec{{key: "three", run: "r"}}},
		}
		s.set(success, text("\"sf__Id\",\"sf__Created\",Name\n\"0015g00000AbCdEAAV\",\"true\",\"One\"\n\"0015g00000AbCdFAAV\",\"true\",\"Somebody\"\n"))
		c := b.scriptedRows(rows, "JobComplete", 2, 0)
		r := b.reconciler()
		b.run(r, time.Hour)
		o := c.outcome()
		if o.States != "lmm" || c.transfers("r")["unresolved"] != 2.0 {
			t.Fatalf("%+v %v", o, c.transfers("r"))
		}
		f := c.failures()
		letters := b.letters()
		if len(f) != 2 || len(letters) != 2 {
			t.Fatalf("%d failures, %d letters", len(f), len(letters))
		}
		for i, f := range f {
			l := letters[i]
			if f.Disposition != "unresolved" || f.Class != "unresolved" || f.Outcome != "missing" || f.Code != "MISSING" || !f.Ambiguous || f.Pay == "" ||
				!strings.Contains(f.Message, "1 result rows match no row that was sent, candidates: 0015g00000AbCdF") ||
				f.LetterID.UUID != uuid.UUID(record.UnresolvedID("accounts", f.Key, 0, c.id)) || l.ID != f.LetterID.UUID.String() || l.Class != "unresolved" ||
				l.Entity != f.Key || len(l.Attempts) != 1 {
				t.Fatalf("%+v\n%+v", f, l)
			}
		}
		if subject := one[string](b, `SELECT DISTINCT subject FROM reconciler.outbox WHERE subject LIKE 'dlq.%'`); subject != "dlq.accounts.unresolved" {
			t.Fatal(subject)
		}

		if n, err := r.Resolve(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d taken over without a decision, %v", n, err)
		}
		decide := func(f failure, decision, id string) {
			b.exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $1, $2, $3, 'seen in the org', 'alex')`,
				f.LetterID.UUID, decision, id)
		}
		decide(f[0], "landed", "0015g00000AbCdFAAV")
		decide(f[1], "not_landed", "")
		b.exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $1, 'landed', '', '', '')`, uuid.New())
		b.exec(`DELETE FROM reconciler.outbox WHERE subject LIKE 'flow.%'`)
		for range 2 {
			if _, err := r.Resolve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got := one[[]string](b, `SELECT array_agg(decision || ' ' || sf_id || ' ' || by ORDER BY failure_id) FROM reconciler_pub.resolutions`)
		if fmt.Sprint(got) != "[landed 0015g00000AbCdFAAV alex not_landed  alex]" {
			t.Fatal(got)
		}
		if subjects := one[[]string](b, `SELECT array_agg(subject) FROM reconciler.outbox WHERE subject LIKE 'flow.%'`); fmt.Sprint(subjects) != "[flow.accounts.rows_resolved]" {
			t.Fatal(subjects)
		}
	})
	t.Run("a job that is gone leaves all of it unresolved", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.form = blind
		c := b.seal(record.ChunkFresh, same(3, "", "Twice", "", ""))
		c.jobID = "7505g00000abcdEAAQ"
		c.submitted(3)
		c.watched("gone", "gone", 0, 0, "")
		b.run(b.reconciler(), 0)
		if o := c.outcome(); o.States != "mmm" || c.transfers("r")["unresolved"] != 3.0 || !strings.Contains(c.failures()[0].Message, "does not know the job") {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("a job whose file was refused whole leaves nothing in doubt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		s.set(success, status(204, "text/csv", ""))
		s.set(failedFile, status(204, "text/csv", ""))
		s.set(unprocessed, status(204, "text/csv", ""))
		b.form = blind
		c := b.scriptedRows(same(3, "", "Twice", "", ""), "Failed", 0, 0)
		b.exec(`UPDATE poller.watches SET error_message = 'InvalidBatch : Field name not found : X'`)
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Unprocessed != 3 {
			t.Fatalf("%+v", o)
		}
	})
	t.Run("an aborted job's unprocessed copies come back, the landed ones do not", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.JobAbort, Rows: simtest.AfterRows(200)}})
		b.form = blind
		c := b.seal(record.ChunkFresh, same(500, "", "Copies", "", "")).send()
		b.run(b.reconciler(), time.Hour)
		if o := c.outcome(); o.Landed != 200 || o.Unprocessed != 300 || o.States != strings.Repeat("l", 200)+strings.Repeat("u", 300) {
			t.Fatalf("%s", o.States)
		}
	})
	t.Run("letters of unresolved records are published again into a new stream as long as nobody ended them", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.form = blind
		c := b.seal(record.ChunkFresh, same(2, "", "Twice", "", ""))
		c.jobID = "7505g00000abcdEAAQ"
		c.submitted(2)
		c.watched("gone", "gone", 0, 0, "")
		r := b.reconciler()
		b.run(r, 0)
		letters := b.letters()
		b.exec(`DELETE FROM reconciler.outbox`)
		b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state)
			VALUES ($1, 'accounts', 3, '', 'k', $1, 0, '', 'unresolved', '', '', '{}', 'reconcile', '', now(), 'landed')`, uuid.MustParse(letters[0].ID))
		if err := bus.EnsureDLQ(t.Context(), b.conn, bus.Limits{}); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Republish(t.Context()); n != 2 || err != nil {
			t.Fatalf("%d looked at, %v", n, err)
		}
		again := b.letters()
		if len(again) != 1 || again[0].ID != letters[1].ID || again[0].Message != letters[1].Message {
			t.Fatalf("%+v", again)
		}
	})
}

func TestAges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.script()
	c := b.scripted(1, "JobComplete", 1, 0)
	r := b.reconciler()
	for _, step := range []struct {
		age  string
		told int
	}{{"23 hours", 0}, {"25 hours", 1}, {"80 hours", 1}} {
		b.exec(`UPDATE submitter.submissions SET submitted_at = $1::timestamptz - $2::interval`, b.now, step.age)
		if n, err := r.Ages(t.Context()); n != step.told || err != nil {
			t.Errorf("%s: told of %d, %v", step.age, n, err)
		}
	}
	b.run(r, time.Hour)
	b.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		SELECT $1, '', '', '', '', 0, 0, 0, 0, 0, 0, '', '', 0, 'open' WHERE NOT EXISTS (SELECT FROM reconciler.outcomes WHERE chunk = $1)`, c.id)
	if n, err := r.Ages(t.Context()); n != 0 || err != nil {
		t.Errorf("told of %d reconciled ones, %v", n, err)
	}
}
