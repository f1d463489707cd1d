package submit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/submitter/internal/store"

	dto "github.com/prometheus/client_model/go"
)

// newCallBench is a bench whose small chunks go by calls. A call may take long, and counts as one that may land only so long as a test waits.
func newCallBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.config.BulkThreshold, b.config.CallTime, b.config.CallMargin = 2000, 20*time.Second, time.Hour
	b.says(&pipeline.Definition{})
	return b
}

func (b *bench) says(d *pipeline.Definition) {
	b.defined = map[store.Revision]*pipeline.Definition{{Pipeline: accounts, Number: 1}: d}
}

// past lets the time go by in which a call without an answer may land.
func (b *bench) past() {
	b.exec(`UPDATE submitter.submissions SET landing_until = '-infinity' WHERE ended_at IS NULL`)
}

func (b *bench) answered(c sealed) bool {
	b.t.Helper()
	return ask[bool](b, `SELECT answered_at IS NOT NULL FROM submitter_pub.submissions WHERE chunk = $1`, c.id)
}

// untilAnswered works until every row of the chunk has its answer.
func (b *bench) untilAnswered(r *Runner, c sealed) {
	b.t.Helper()
	for range 60 {
		if b.answered(c) {
			return
		}
		b.turns(r, 1)
		b.past()
	}
	b.t.Fatalf("chunk is %s and not answered: %s %s", b.stage(c), b.text(c, "last_error"), b.text(c, "waiting_for"))
}

// states are those of the chunk's calls, in their order, with their rows.
func (b *bench) calls(c sealed) string {
	b.t.Helper()
	return ask[string](b, `SELECT coalesce(string_agg(state || ' ' || first_row || '-' || end_row, ', ' ORDER BY call), '') FROM submitter_pub.calls WHERE chunk = $1`, c.id)
}

// said is what the calls answered, a letter a row; '-' where there is no answer.
func (b *bench) said(c sealed) string {
	b.t.Helper()
	out := []byte(strings.Repeat("-", strings.Count(c.csv, "\n")-1))
	rows, err := b.admin.Query(b.t.Context(), `SELECT first_row, row_states FROM submitter_pub.calls WHERE chunk = $1 AND state = 'answered'`, c.id)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var first int
		var states []byte
		if err := rows.Scan(&first, &states); err != nil {
			b.t.Fatal(err)
		}
		for i, state := range states {
			if state != 0 {
				out[first+i] = state
			}
		}
	}
	return string(out)
}

// collectedOnce checks what must hold when chunks have been answered: no job was made, each row is in the org as it was sealed, and the reconciler was
// told once of each chunk.
func (b *bench) collectedOnce(versions int, chunks ...sealed) {
	b.t.Helper()
	if n := len(b.sim.Jobs()); n != 0 {
		b.t.Errorf("%d jobs were made, want none", n)
	}
	for _, c := range chunks {
		if got := b.stage(c); got != StageSent || !b.answered(c) {
			b.t.Errorf("chunk is %s, want sent and answered", got)
		}
		if n := ask[int](b, `SELECT count(*) FROM submitter.outbox WHERE subject = 'flow.accounts.chunk_answered' AND position($1::bytea in body) > 0`, []byte(c.id.String())); n != 1 {
			b.t.Errorf("chunk_answered stands %d times in the outbox, want once", n)
		}
		if said := b.said(c); strings.Trim(said, "cl") != "" {
			b.t.Errorf("the calls answered %s, want every row saved", said)
		}
	}
	for _, r := range b.sim.Records("Account", true) {
		if len(r.Versions) > versions {
			b.t.Errorf("record %s has %d versions, want at most %d", r.Fields["External_Id__c"], len(r.Versions), versions)
		}
	}
}

func TestASmallChunkGoesByCallsOf200(t *testing.T) {
	b := newCallBench(t)
	rows := accountRows("a", 450)
	rows[3].cells[2] = "" // says nothing of the field
	rows[4].cells[2] = "#N/A"
	c := b.seal(record.ChunkFresh, 0, rows...)
	b.note(c)
	b.untilAnswered(NewRunner(b.config), c)
	b.collectedOnce(1, c)
	if got := b.calls(c); got != "answered 0-200, answered 200-400, answered 400-450" {
		t.Errorf("calls are %s", got)
	}
	if got := b.said(c); got != strings.Repeat("c", 450) {
		t.Errorf("the calls answered %s", got)
	}
	if got := b.holder(0); got.UUID != c.id {
		t.Errorf("the lane is held by %v, want the chunk until its outcome is there", got)
	}
	if n := len(b.sim.Records("Account", false)); n != 450 {
		t.Errorf("the org holds %d rows, want 450", n)
	}
	if r, _ := b.sim.Record("Account", "a-5"); r.Fields["Name"] != `Name "5", Ltd` || r.Fields["Phone"] != "+31 20 555" {
		t.Errorf("row 5 is %v", r.Fields)
	}
	if n := ask[int](b, `SELECT upload_rows FROM submitter.submissions WHERE chunk = $1`, c.id); n != 450 {
		t.Errorf("upload_rows is %d, want 450", n)
	}
	b.reconcile(c)
	if got := b.stage(c); got != StageReconciled || b.holder(0).Valid || b.calls(c) != "" {
		t.Errorf("behind its outcome the chunk is %s, its lane held by %v, its calls are %q", got, b.holder(0), b.calls(c))
	}
}

func TestWhatGoesByAJob(t *testing.T) {
	five, zero := 5, 0
	tests := []struct {
		name   string
		d      pipeline.Definition
		shape  shape
		rows   int
		change func(*Config)
		calls  bool
	}{
		{name: "a chunk below the threshold goes by calls", shape: upserts, rows: 4, d: pipeline.Definition{BulkThreshold: &five}, calls: true},
		{name: "a chunk of as many rows as the threshold goes by a job", shape: upserts, rows: 5, d: pipeline.Definition{BulkThreshold: &five}},
		{name: "a definition may want jobs only", shape: upserts, rows: 1, d: pipeline.Definition{BulkThreshold: &zero}},
		{name: "where the definition says nothing, the service's threshold counts", shape: upserts, rows: 4, change: func(c *Config) { c.BulkThreshold = 4 }},
		{name: "inserts go by jobs", shape: shape{"Account", "insert", "", "main/Account/content-accounts:exact", []string{"Name"}}, rows: 1},
		{name: "upserts by Id go by jobs", shape: shape{"Account", "upsert", "Id", "main/Account/Id:exact", []string{"Id", "Name"}}, rows: 1},
		{
			name: "rows that name two keys of a parent go by jobs", rows: 1,
			shape: shape{"Contact", "upsert", "External_Id__c", testSpace, []string{"External_Id__c", "Account.External_Id__c", "Account.Id"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newCallBench(t)
			b.says(&tt.d)
			if tt.change != nil {
				tt.change(&b.config)
			}
			var rows []row
			for i := range tt.rows {
				rows = append(rows, oneRow(uint64(i+1), append([]string{fmt.Sprintf("x-%d", i)}, make([]string, len(tt.shape.header)-1)...)...))
			}
			c := b.sealAs(tt.shape, accounts, record.ChunkFresh, 0, rows...)
			b.note(c)
			b.turns(NewRunner(b.config), 1)
			if calls := len(b.sim.Calls(0, simtest.Collections)); (calls > 0) != tt.calls {
				t.Errorf("%d calls of collections; the chunk is %s: %s", calls, b.stage(c), b.text(c, "last_error"))
			}
			if jobs := len(b.sim.Calls(0, simtest.Create)); (jobs > 0) == tt.calls {
				t.Errorf("%d jobs", jobs)
			}
		})
	}
}

// The windows in which a reply is lost, cut or wrong: rows without an answer are called for again when the call can land no more, and not before.
func TestLostAnswers(t *testing.T) {
	status := func(code int, name string) simtest.Effect {
		return simtest.Effect{Kind: simtest.Status, Status: code, Code: name}
	}
	tests := map[string]struct {
		effect simtest.Effect
		surely bool // it surely had no effect
	}{
		"the connection is cut before the effect": {effect: simtest.Effect{Kind: simtest.DropBefore}},
		"the reply is lost after the effect":      {effect: simtest.Effect{Kind: simtest.DropAfter}},
		"half of the reply comes":                 {effect: simtest.Effect{Kind: simtest.HalfReply, Bytes: 5}},
		"a part of the reply comes as the whole":  {effect: simtest.Effect{Kind: simtest.Truncate, Bytes: 20}},
		"503 comes":                               {effect: status(503, "SERVER_UNAVAILABLE")},
		"503 comes after the effect":              {effect: simtest.Effect{Kind: simtest.Status, When: "after", Status: 503, Code: "SERVER_UNAVAILABLE"}},
		"a page of the edge comes":                {effect: simtest.Effect{Kind: simtest.Status, Status: 502, Body: "<html>Bad Gateway</html>"}},
		"the session is refused":                  {effect: status(401, "INVALID_SESSION_ID"), surely: true},
		"the daily limit is reached": {
			effect: simtest.Effect{Kind: simtest.Status, Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, surely: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newCallBench(t)
			b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Times: simtest.Times(2), Effect: tt.effect})
			c := b.seal(record.ChunkFresh, 0, accountRows("a", 20)...)
			b.note(c)
			r := NewRunner(b.config)
			b.turns(r, 1)
			switch got := b.calls(c); {
			case tt.surely && got != "void 0-20":
				t.Errorf("calls are %s, want one that is void", got)
			case !tt.surely && got != "sent 0-20":
				t.Errorf("calls are %s, want one without an answer", got)
			}
			if !tt.surely {
				if n := b.turns(r, 3); n != 0 {
					t.Errorf("the chunk was taken up %d times while its call may land", n)
				}
			} else if got := b.stage(c); got != StageClaimed || b.holder(0).Valid {
				t.Errorf("nothing was sent and the chunk is %s, its lane held by %v", got, b.holder(0))
			}
			b.untilAnswered(r, c)
			b.collectedOnce(3, c)
			if n := ask[int](b, `SELECT count(*) FROM submitter.pauses`); n != 0 {
				t.Errorf("%d pauses, want none: the fault passes", n)
			}
		})
	}
	t.Run("a call that the network holds lands before its rows are called for again", func(t *testing.T) {
		b := newCallBench(t)
		b.config.CallTime, b.config.CallMargin = time.Second, time.Millisecond // whoever made the call has gone by then
		b.sim.AddFault(simtest.Fault{
			Match:  simtest.Match{Endpoint: simtest.Collections},
			Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(2 * time.Second), When: "late"},
		})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
		b.note(c)
		r := NewRunner(b.config)
		b.turns(r, 1)
		if b.answered(c) || len(b.sim.Records("Account", false)) != 0 {
			t.Fatal("the call has landed before its time")
		}
		b.exec(`UPDATE submitter.submissions SET landing_until = landing_until + interval '7 seconds' WHERE chunk = $1`, c.id)
		b.config.CallTime = 20 * time.Second
		r = NewRunner(b.config)
		b.sim.AwaitCall(0, simtest.Collections, true)
		if n := len(b.sim.Records("Account", false)); n != 3 {
			t.Fatalf("the org holds %d rows, want 3 of the late call", n)
		}
		for deadline := time.Now().Add(25 * time.Second); !b.answered(c) && time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
			b.turns(r, 1)
		}
		b.collectedOnce(2, c)
		if got := b.calls(c); got != "sent 0-3, answered 0-3" {
			t.Errorf("calls are %s", got)
		}
	})
	t.Run("rows for which no call is ever answered are let go of, and go by a job when they come back", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: simtest.Collections, After: 1}, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.DropAfter},
		})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 203)...)
		b.note(c)
		r := NewRunner(b.config)
		for range maxSilences {
			b.turns(r, 1)
			b.past()
		}
		away := b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.DropBefore}})
		for range 3 {
			b.turns(r, 1)
			b.past()
		}
		if n := strings.Count(b.calls(c), "sent"); b.answered(c) || n != maxSilences {
			t.Errorf("an org that answers nobody got %d calls, the chunk is let go of: %t", n, b.answered(c))
		}
		b.sim.ClearFaults(away)
		b.untilAnswered(r, c)
		if got := b.calls(c); !strings.HasPrefix(got, "answered 0-200, sent 200-203, ") || strings.Count(got, "sent") != maxSilences+1 || !strings.HasSuffix(got, "sent 200-201, sent 200-201") {
			t.Errorf("calls are %s", got)
		}
		if got := b.text(c, "close_refused"); !strings.Contains(got, "13 calls in a row") {
			t.Errorf("it says %q", got)
		}
		b.reconcile(c)
		rows := accountRows("a", 203)[200:]
		rows[0].records[0].Ambiguous = true
		again := b.seal(record.ChunkResend, 0, rows...)
		b.note(again)
		b.untilSubmitted(r, again)
	})
	t.Run("rows that had no answer while the org was away are called for again, and nothing of them is let go of", func(t *testing.T) {
		b := newCallBench(t)
		away := b.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.DropBefore}})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
		b.note(c)
		r := NewRunner(b.config)
		for range maxSilences {
			b.turns(r, 1)
			b.past()
		}
		b.sim.ClearFaults(away)
		b.untilAnswered(r, c)
		b.collectedOnce(maxSilences+3, c)
		if got := b.text(c, "close_refused"); got != "" {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("whoever takes over asks for as many rows as were answered for", func(t *testing.T) {
		b := newCallBench(t)
		fault := simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.DropBefore}}
		b.sim.AddFault(fault)
		fault.Match.Nth = 2 // after 100 rows were answered for
		b.sim.AddFault(fault)
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 450)...)
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		if got := b.calls(c); got != "sent 0-200, answered 0-100, sent 100-300, answered 100-200, answered 200-400, answered 400-450" {
			t.Errorf("calls are %s", got)
		}
	})
	t.Run("an org that takes longer than a call may take to go out is waited for", func(t *testing.T) {
		b := newCallBench(t)
		b.config.CallTime = 500 * time.Millisecond
		b.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(time.Second)},
		})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...)
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		if got := b.calls(c); got != "answered 0-3" {
			t.Errorf("calls are %s", got)
		}
	})
	t.Run("a worker that is told to stop keeps the answer of the call in hand", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(300 * time.Millisecond)},
		})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 300)...)
		b.note(c)
		ctx, stop := context.WithCancel(t.Context())
		b.setHook(func(place string) {
			if place == "before collect" {
				stop()
			}
		})
		r := NewRunner(b.config)
		works, err := r.Claim(ctx, 1)
		if err != nil || len(works) != 1 {
			t.Fatal(works, err)
		}
		r.Drive(ctx, works[0])
		b.setHook(nil)
		if got := b.calls(c); got != "answered 0-200" || b.answered(c) {
			t.Errorf("calls are %s, want the answer of the one in hand and no other", got)
		}
		b.turns(r, 1) // it was given back, and nothing of it may land: the next one goes on at once
		b.collectedOnce(1, c)
	})
	t.Run("an org that answers only for few rows is asked for ever fewer", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Times: simtest.Times(3), Effect: simtest.Effect{Kind: simtest.DropBefore}})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 300)...)
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		b.collectedOnce(1, c)
		if got := b.calls(c); got != "sent 0-200, sent 0-100, sent 0-50, answered 0-25, answered 25-75, answered 75-175, answered 175-300" {
			t.Errorf("calls are %s", got)
		}
	})
}

func TestRefusedCalls(t *testing.T) {
	refuse := simtest.Effect{Kind: simtest.Status, Status: http.StatusBadRequest, Code: "JSON_PARSER_ERROR", Message: "Cannot deserialize"}
	t.Run("a chunk whose first call is refused for good goes by a job", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Effect: refuse})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 20)...)
		b.note(c)
		b.untilSubmitted(NewRunner(b.config), c)
		b.landedOnce(c)
		if got := b.text(c, "by_job"); !strings.Contains(got, "JSON_PARSER_ERROR") || b.calls(c) != "void 0-20" {
			t.Errorf("by_job says %q, the calls are %s", got, b.calls(c))
		}
	})
	t.Run("when others were answered, what is left is not sent", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections, Nth: 2}, Effect: refuse})
		c := b.seal(record.ChunkFresh, 0, accountRows("a", 300)...)
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		if got := b.said(c); got != strings.Repeat("c", 200)+strings.Repeat("-", 100) || b.calls(c) != "answered 0-200, void 200-300" {
			t.Errorf("the calls are %s, they answered %s", b.calls(c), got)
		}
		if got := b.text(c, "close_refused"); !strings.Contains(got, "JSON_PARSER_ERROR") || len(b.sim.Jobs()) != 0 {
			t.Errorf("it says %q, and made %d jobs", got, len(b.sim.Jobs()))
		}
	})
	t.Run("a row that is refused keeps nobody back", func(t *testing.T) {
		b := newCallBench(t)
		rows := accountRows("a", 3)
		rows[1].cells[1] = "#N/A" // an account needs a name
		c := b.seal(record.ChunkFresh, 0, rows...)
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		if got := b.said(c); got != "cfc" {
			t.Errorf("the call answered %s", got)
		}
		if got := ask[string](b, `SELECT row || ' ' || code || ' ' || array_to_string(fields, ',') FROM submitter_pub.refused WHERE chunk = $1`, c.id); got != "1 REQUIRED_FIELD_MISSING Name" {
			t.Errorf("it says %s", got)
		}
	})
}

func TestUpdatesAndDeletesGoByCalls(t *testing.T) {
	t.Run("an update by Id, and by a field that the org is asked for", func(t *testing.T) {
		b := newCallBench(t)
		ids := b.seedContacts(3)
		byID := b.sealAs(updatesByID, accounts, record.ChunkFresh, 0, oneRow(1, ids["L-0"], "One"))
		b.note(byID)
		b.untilAnswered(NewRunner(b.config), byID)
		resolved := b.sealAs(updatesMail, accounts, record.ChunkFresh, 1, oneRow(2, "c1@b.example", "Two"), oneRow(3, "nobody@b.example", "Three"))
		b.note(resolved)
		b.untilAnswered(NewRunner(b.config), resolved)
		for i, want := range []string{"One", "Two", "Old"} {
			if r, _ := b.sim.Record("Contact", ids[fmt.Sprintf("L-%d", i)]); r.Fields["LastName"] != want {
				t.Errorf("contact %d is called %s, want %s", i, r.Fields["LastName"], want)
			}
		}
		if got := b.said(resolved); got != "l-" || b.unsent(resolved)[1] == "" || len(b.sim.Jobs()) != 0 {
			t.Errorf("the call answered %s, unsent are %v, %d jobs", got, b.unsent(resolved), len(b.sim.Jobs()))
		}
		if n := ask[int](b, `SELECT upload_rows FROM submitter.submissions WHERE chunk = $1`, resolved.id); n != 1 {
			t.Errorf("upload_rows is %d, want 1", n)
		}
	})
	t.Run("a delete", func(t *testing.T) {
		b := newCallBench(t)
		b.seedContacts(3)
		c := b.sealAs(deletes, accounts, record.ChunkFresh, 0, oneRow(1, "c0@b.example"), oneRow(2, "c2@b.example"))
		b.note(c)
		b.untilAnswered(NewRunner(b.config), c)
		if n := len(b.sim.Records("Contact", false)); n != 1 || b.said(c) != "ll" {
			t.Errorf("the org holds %d contacts, want 1; the call answered %s", n, b.said(c))
		}
	})
}

func TestGatesStandBeforeTheFirstCall(t *testing.T) {
	b := newCallBench(t)
	first, second := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...), b.seal(record.ChunkFresh, 0, accountRows("b", 3)...)
	b.note(first, second)
	r := NewRunner(b.config)
	b.turns(r, 5)
	if !b.answered(first) || b.stage(second) != StageClaimed || len(b.sim.Calls(0, simtest.Collections)) != 1 {
		t.Fatalf("the second chunk is %s, %d calls were made", b.stage(second), len(b.sim.Calls(0, simtest.Collections)))
	}
	b.reconcile(first)
	b.untilAnswered(r, second)
	b.collectedOnceOf(second)
	t.Run("a pipeline that is paused makes no first call, and goes on with what it has begun", func(t *testing.T) {
		b := newCallBench(t)
		b.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Collections}, Effect: simtest.Effect{Kind: simtest.DropAfter}})
		begun, fresh := b.seal(record.ChunkFresh, 0, accountRows("a", 3)...), b.seal(record.ChunkFresh, 1, accountRows("b", 3)...)
		b.note(begun)
		r := NewRunner(b.config)
		b.turns(r, 1)
		b.insert("ops", "pauses", map[string]any{"pipeline": accounts, "class": "permission", "code": "BY_HAND"})
		b.note(fresh)
		b.untilAnswered(r, begun)
		b.turns(r, 5)
		if got := b.stage(fresh); got != StageClaimed {
			t.Errorf("the chunk of a paused pipeline is %s", got)
		}
	})
}

// collectedOnceOf checks only the chunk's own answer.
func (b *bench) collectedOnceOf(c sealed) {
	b.t.Helper()
	if said := b.said(c); strings.Trim(said, "cl") != "" {
		b.t.Errorf("the calls answered %s, want every row saved", said)
	}
}

// upsert writes a name straight into the org, as a newer version would.
func (b *bench) upsert(id, name string) {
	b.t.Helper()
	items, err := b.client.Collect(b.t.Context(), salesforce.Collection{
		Object: "Account", Operation: "upsert", ExternalIDField: "External_Id__c", Columns: []string{"External_Id__c", "Name"}, Rows: [][]string{{id, name}},
	}, time.Now().Add(time.Minute), time.Now().Add(time.Minute))
	if err != nil || !items[0].Saved {
		b.t.Fatal(items, err)
	}
}

// callPlaces counts the places of an undisturbed run.
func callPlaces(t *testing.T) int {
	t.Helper()
	b := newCallBench(t)
	count := &interrupter{n: -1}
	c := b.seal(record.ChunkFresh, 0, accountRows("a", 5)...)
	b.note(c)
	b.setHook(count.at)
	b.turns(NewRunner(b.config), 1)
	b.setHook(nil)
	b.collectedOnce(1, c)
	return count.seen
}

// A worker dies at every place there is. Another one finishes, when what the first may have sent can land no more.
func TestACrashAnywhereInACallIsFinishedByAnother(t *testing.T) {
	all := callPlaces(t)
	b := newCallBench(t)
	var done []sealed
	for n := 1; n <= all; n += stride(t) {
		c := b.seal(record.ChunkFresh, n, accountRows(fmt.Sprintf("c%d", n), 5)...)
		b.note(c)
		ctx, cancel := context.WithCancel(t.Context())
		stop := &interrupter{n: n, do: cancel}
		b.setHook(stop.at)
		first := NewRunner(b.config)
		if works, err := first.Claim(ctx, 1); err == nil {
			for _, w := range works {
				first.Drive(ctx, w)
			}
		}
		b.setHook(nil)
		cancel()
		b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
		second := b.config
		second.Owner = "two"
		b.untilAnswered(NewRunner(second), c)
		done = append(done, c)
		if t.Failed() {
			t.Fatalf("after a crash at place %d (%s)", n, stop.what)
		}
	}
	b.collectedOnce(2, done...)
	t.Logf("crashed at %d of %d places", len(done), all)
}

// A worker stands still at every place there is until its call's time is over. Another one takes over, finishes, and a newer version lands. Then the first
// goes on: it sends nothing.
func TestAPausedTwinsLateCallIsNotMade(t *testing.T) {
	all := callPlaces(t)
	b := newCallBench(t)
	b.config.CallTime, b.config.CallMargin = 300*time.Millisecond, time.Millisecond
	b.config.Metrics = NewMetrics(nil)
	late := 0
	for n := 1; n <= all; n += stride(t) {
		c := b.seal(record.ChunkFresh, n, accountRows(fmt.Sprintf("c%d", n), 5)...)
		b.note(c)
		first := NewRunner(b.config)
		works, err := first.Claim(t.Context(), 1)
		if err != nil || len(works) != 1 {
			t.Fatal(works, err)
		}
		second := b.config
		second.Owner = "two"
		var once sync.Once
		newer := ""
		stop := &interrupter{n: n, do: func() {
			once.Do(func() {
				b.setHook(nil)
				// The clocks run on while it stands still.
				<-time.After(b.config.CallTime + 10*time.Millisecond)
				b.takeOver(NewRunner(second), c)
				if b.answered(c) { // its lane may be free any moment
					newer = fmt.Sprintf("c%d-0", n)
					b.upsert(newer, "Newer")
				}
			})
		}}
		b.setHook(stop.at)
		first.Drive(t.Context(), works[0])
		b.setHook(nil)
		b.exec(`UPDATE submitter.submissions SET lease_until = '-infinity' WHERE ended_at IS NULL`)
		b.untilAnswered(NewRunner(second), c)
		if newer != "" {
			late++
			if r, _ := b.sim.Record("Account", newer); r.Fields["Name"] != "Newer" {
				t.Fatalf("after a takeover at place %d (%s): the twin's call overwrote what is newer with %v", n, stop.what, r.Fields)
			}
		}
		b.collectedOnceOf(c)
		if t.Failed() {
			t.Fatalf("after a takeover at place %d (%s)", n, stop.what)
		}
	}
	var refused dto.Metric
	if err := b.config.Metrics.zombies.Write(&refused); err != nil || refused.GetCounter().GetValue() == 0 || late == 0 {
		t.Errorf("no write of a stale owner was refused (%v), %d chunks were answered meanwhile: the test takes nothing over", err, late)
	}
	t.Logf("taken over at %d of %d places", late, all)
}
