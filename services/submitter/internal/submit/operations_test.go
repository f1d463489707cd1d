package submit

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/services/orgsim/simtest"

	"github.com/google/uuid"
)

var (
	updatesByID = shape{"Contact", "update", "Id", "main/Contact/Id:exact", []string{"Id", "LastName"}}
	updates     = shape{"Contact", "update", "Loyalty_Number__c", "main/Contact/Loyalty_Number__c", []string{"Loyalty_Number__c", "LastName", "Phone"}}
	updatesMail = shape{"Contact", "update", "Email", "main/Contact/Email", []string{"Email", "LastName"}}
	deletes     = shape{"Contact", "delete", "Email", "main/Contact/Email", []string{"Email"}}
	inserts     = shape{"Contact", "insert", "Loyalty_Number__c", "main/Contact/Loyalty_Number__c", []string{"Loyalty_Number__c", "LastName"}}
	contents    = shape{"Contact", "insert", "", "main/Contact/content-accounts:exact", []string{"FirstName", "LastName"}}
)

func csvWith(header []string, rows ...[]string) string {
	out := rowfile.AppendRow(nil, header)
	for _, r := range rows {
		out = rowfile.AppendRow(out, r)
	}
	return string(out)
}

// seedContacts puts contacts numbered from 0 into the org and returns their ids by loyalty number.
func (b *bench) seedContacts(n int) map[string]string {
	b.t.Helper()
	var rows []map[string]string
	for i := range n {
		rows = append(rows, map[string]string{"LastName": "Old", "Loyalty_Number__c": fmt.Sprintf("L-%d", i), "Email": fmt.Sprintf("c%d@b.example", i), "Phone": "111"})
	}
	b.sim.Seed("Contact", rows...)
	ids := map[string]string{}
	for _, r := range b.sim.Records("Contact", false) {
		ids[r.Fields["Loyalty_Number__c"]] = r.ID
	}
	return ids
}

// uploaded is what the chunk's job was sent.
func (b *bench) uploaded(c sealed) string {
	b.t.Helper()
	return string(b.sim.UploadOf(b.text(c, "job_id")))
}

// landed waits for the chunk's job and returns its rows.
func (b *bench) landed(c sealed) []simtest.Row {
	b.t.Helper()
	job := b.text(c, "job_id")
	b.sim.AwaitJob(job, "finished")
	return b.sim.Rows(job)
}

// unsent are the codes of the rows that are not sent, by row.
func (b *bench) unsent(c sealed) map[int]string {
	b.t.Helper()
	out := map[int]string{}
	rows, err := b.admin.Query(b.t.Context(), `SELECT row, class, code, message FROM submitter_pub.unsent WHERE chunk = $1`, c.id)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row int
		var class, code, message string
		if err := rows.Scan(&row, &class, &code, &message); err != nil || message == "" {
			b.t.Fatal(err, message)
		}
		out[row] = class + " " + code
	}
	return out
}

func (b *bench) rowID(c sealed, row int) string {
	b.t.Helper()
	ids := ask[[]byte](b, `SELECT row_ids FROM submitter_pub.resolutions WHERE chunk = $1`, c.id)
	return strings.Trim(string(ids[row*18:(row+1)*18]), "\x00")
}

func TestAnUpdateByIDGoesUpAsItWasSealed(t *testing.T) {
	b := newBench(t)
	ids := b.seedContacts(2)
	c := b.sealAs(updatesByID, accounts, record.ChunkFresh, 0, oneRow(1, ids["L-0"], "New"), oneRow(2, ids["L-1"][:15], "New"))
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	if got := b.uploaded(c); got != c.csv {
		t.Errorf("uploaded %q, want %q", got, c.csv)
	}
	for _, r := range b.landed(c) {
		if r.Error != "" {
			t.Errorf("a row failed: %s", r.Error)
		}
	}
	if n := len(b.sim.Calls(0, simtest.Query)) + len(b.sim.Calls(0, simtest.Describe)); n != 0 {
		t.Errorf("the org was asked %d times about rows that name their Id", n)
	}
	if got, _ := b.sim.Record("Contact", ids["L-1"]); got.Fields["LastName"] != "New" {
		t.Errorf("the org holds %v", got.Fields)
	}
}

func TestAnUpdateByAnotherFieldIsSentByID(t *testing.T) {
	b := newBench(t)
	ids := b.seedContacts(3)
	c := b.sealAs(updates, accounts, record.ChunkFresh, 0,
		oneRow(1, "l-0", "New, 0", ""), oneRow(2, "nobody's", "New", "222"), oneRow(3, " L-2", "New", "#N/A"), oneRow(4, "o'hara \\", "New", "1"))
	b.note(c)
	b.setHook(func(what string) {
		if what == "before lookup" && b.holder1(updates.space) != c.id {
			t.Error("the org is asked although the lane is not held: another chunk may change what it says")
		}
	})
	b.untilSubmitted(NewRunner(b.config), c)
	want := csvWith([]string{"Id", "LastName", "Phone"}, []string{ids["L-0"], "New, 0", ""}, []string{ids["L-2"], "New", "#N/A"})
	if got := b.uploaded(c); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	b.landed(c)
	for number, phone := range map[string]string{"L-0": "111", "L-2": ""} {
		if got, _ := b.sim.Record("Contact", ids[number]); !strings.HasPrefix(got.Fields["LastName"], "New") || got.Fields["Phone"] != phone || got.Fields["Loyalty_Number__c"] != number {
			t.Errorf("the org holds %v, want the new name, phone %q and the same number", got.Fields, phone)
		}
	}
	if got := b.unsent(c); len(got) != 2 || got[1] != "reference ENTITY_NOT_FOUND" || got[3] != "reference ENTITY_NOT_FOUND" {
		t.Errorf("unsent are %v, want rows 1 and 3", got)
	}
	if b.rowID(c, 0) != ids["L-0"] || b.rowID(c, 1) != "" || b.rowID(c, 2) != ids["L-2"] {
		t.Errorf("the ids of the rows are %q, %q, %q", b.rowID(c, 0), b.rowID(c, 1), b.rowID(c, 2))
	}
	if n := ask[int](b, `SELECT upload_rows FROM submitter.submissions WHERE chunk = $1`, c.id); n != 2 {
		t.Errorf("upload_rows is %d, want 2", n)
	}
	b.outcome(c, "lflf")
	b.end(c)
	if n := ask[int](b, `SELECT count(*) FROM submitter.resolutions`); n != 0 {
		t.Errorf("%d chunks keep the ids of their rows after the outcome, want none", n)
	}
}

// holder1 is who holds lane 0 of a space.
func (b *bench) holder1(space string) uuid.UUID {
	b.t.Helper()
	return ask[uuid.NullUUID](b, `SELECT holder FROM submitter.lanes WHERE space = $1 AND lane = 0`, space).UUID
}

func TestADeleteByAnotherFieldSendsIDsAlone(t *testing.T) {
	b := newBench(t)
	ids := b.seedContacts(3)
	b.sim.Seed("Contact", map[string]string{"LastName": "Twin", "Loyalty_Number__c": "L-9", "Email": "C1@b.example"})
	rows := []row{oneRow(1, "c0@b.example"), oneRow(2, "c1@B.example"), oneRow(3, "gone@b.example"), oneRow(4, "never@b.example"), oneRow(5, "half@b.example")}
	rows[2].records[0].Ambiguous = true
	// A row of two records, of which only one may have been sent before.
	rows[4].records = append(rows[4].records, oneRow(6, "half@b.example").records...)
	rows[4].records[0].Ambiguous = true
	c := b.sealAs(deletes, accounts, record.ChunkResend, 0, rows...)
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	if got, want := b.uploaded(c), csvWith([]string{"Id"}, []string{ids["L-0"]}); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	want := map[int]string{
		1: "duplicate DUPLICATE_EXTERNAL_ID", 2: "reference ENTITY_IS_DELETED", 3: "reference ENTITY_NOT_FOUND", 4: "reference ENTITY_NOT_FOUND",
	}
	if got := b.unsent(c); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("unsent are %v, want %v", got, want)
	}
	b.landed(c)
	if got, _ := b.sim.Record("Contact", ids["L-0"]); !got.Deleted {
		t.Error("the row is still there")
	}
	if got, _ := b.sim.Record("Contact", ids["L-1"]); got.Deleted {
		t.Error("one of two rows of the same value was deleted")
	}
}

func TestAChunkOfWhichNoRowIsFoundSendsNothing(t *testing.T) {
	b := newBench(t)
	c := b.sealAs(deletes, accounts, record.ChunkFresh, 0, oneRow(1, "a@b.example"), oneRow(2, "c@b.example"))
	b.note(c)
	b.turns(NewRunner(b.config), 5)
	if got := b.stage(c); got != StageNothingSent {
		t.Fatalf("the chunk is %s, want nothing_sent", got)
	}
	if n := ask[int](b, `SELECT count(*) FROM submitter.outbox WHERE subject = 'flow.accounts.chunk_answered'`); n != 1 || len(b.sim.Jobs()) != 0 {
		t.Errorf("chunk_answered stands %d times in the outbox and %d jobs were made, want once and none", n, len(b.sim.Jobs()))
	}
	if got := b.unsent(c); len(got) != 2 {
		t.Errorf("unsent are %v, want both rows", got)
	}
	b.outcome(c, "ff")
	b.end(c)
	if got := b.holder1(deletes.space); got != uuid.Nil {
		t.Errorf("the lane is held by %v after the outcome", got)
	}
}

func TestInsertsGoUpAsTheyWereSealedAndAreNeverSuperseded(t *testing.T) {
	for name, s := range map[string]shape{"with a correlating field": inserts, "matched by content": contents} {
		for _, kind := range []string{record.ChunkFresh, record.ChunkResend} {
			t.Run(name+", "+kind, func(t *testing.T) {
				b := newBench(t)
				newer := oneRow(9, "x-0", "Later")
				b.accept(uuid.New(), newer)
				b.exec(`UPDATE extractor.records SET entity_hash = $1`, uuid.UUID(record.HashEntity(s.space, record.FoldIn(s.space, "x-0"))))
				c := b.sealAs(s, accounts, kind, 0, oneRow(1, "x-0", "One"), oneRow(2, "x-1", "Two"))
				b.note(c)
				b.untilSubmitted(NewRunner(b.config), c)
				if got := b.uploaded(c); got != c.csv {
					t.Errorf("uploaded %q, want %q", got, c.csv)
				}
				b.landed(c)
				if n := len(b.sim.Records("Contact", false)); n != 2 {
					t.Errorf("the org holds %d contacts, want 2", n)
				}
				if n := ask[int](b, `SELECT count(*) FROM submitter.superseded`) + len(b.sim.Calls(0, simtest.Query)); n != 0 {
					t.Errorf("%d records superseded or queries made, want none", n)
				}
			})
		}
	}
}

func TestAResendOfAnUpdateByAnotherFieldLeavesOutWhatNewerVersionsCover(t *testing.T) {
	b := newBench(t)
	ids := b.seedContacts(2)
	old := []row{oneRow(1, "L-0", "Old", "1"), oneRow(2, "L-1", "Old", "1")}
	newer := []row{oneRow(11, "l-0", "New", "2"), oneRow(12, "L-1", "", "2")}
	fresh := b.seal(record.ChunkFresh, 1)
	b.accept(fresh.id, newer...)
	for _, r := range newer {
		b.exec(`UPDATE extractor.records SET entity_hash = $1 WHERE seq = $2`, uuid.UUID(record.HashEntity(updates.space, record.FoldIn(updates.space, r.cells[0]))), r.records[0].Seq)
	}
	b.outcome(fresh, "ll")
	b.exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, 10, 'Loyalty_Number__c' FROM extractor.pipelines`)
	b.exec(`UPDATE extractor.columns SET name = 'LastName' WHERE ordinal = 1`)
	c := b.sealAs(updates, accounts, record.ChunkResend, 0, old...)
	b.note(c)
	b.untilSubmitted(NewRunner(b.config), c)
	if got, want := b.uploaded(c), csvWith([]string{"Id", "LastName", "Phone"}, []string{ids["L-1"], "Old", ""}); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	if b.rowID(c, 0) != "" || len(b.unsent(c)) != 0 {
		t.Errorf("row 0 has id %q and unsent are %v: it is superseded, the org is not asked about it", b.rowID(c, 0), b.unsent(c))
	}
}

func TestVersionsOrderWhatIsSentAgain(t *testing.T) {
	b := newBench(t)
	version := func(r row, v byte) row {
		r.records[0].Version = []byte{v}
		return r
	}
	// e1: a later version that stands earlier in the stream; e2: an earlier one that stands later; e3: equal versions, the place decides; e4: the row has
	// none, and the place decides.
	newer := []row{
		version(oneRow(1, "e1", "new", "222"), 9), version(oneRow(12, "e2", "older", "222"), 3), version(oneRow(13, "e3", "new", "222"), 5), version(oneRow(2, "e4", "older", "222"), 1),
	}
	fresh := b.seal(record.ChunkFresh, 0, newer...)
	b.accept(fresh.id, newer...)
	b.outcome(fresh, "llll")
	resend := b.seal(record.ChunkResend, 0, version(oneRow(5, "e1", "old", "1"), 5), version(oneRow(6, "e2", "mine", "1"), 5), version(oneRow(7, "e3", "old", "1"), 5), oneRow(8, "e4", "mine", "1"))
	b.note(resend)
	b.untilSubmitted(NewRunner(b.config), resend)
	if got, want := b.uploaded(resend), csvOf([]string{"e2", "mine", "1"}, []string{"e4", "mine", "1"}); got != want {
		t.Errorf("uploaded %q, want %q", got, want)
	}
	if got := ask[int64](b, `SELECT successor_seq FROM submitter_pub.superseded WHERE chunk = $1 AND row = 0`, resend.id); got != 1 {
		t.Errorf("row 0 names the record at %d as successor, want that of the later version at 1", got)
	}
}
