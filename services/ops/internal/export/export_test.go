package export_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/api"
	"bulkhead/services/ops/internal/export"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

type bundle struct {
	*fixture.Ledger

	letters *letters.Index
	url     string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	st := store.New(db.Pool(t, "ops"))
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t))}
	b.Define()
	b.letters = letters.New(letters.Config{Store: st, Owner: "test", Lease: time.Minute, Logger: testkit.Logger(t)})
	mux := http.NewServeMux()
	mux.Handle(export.Pattern, export.Handler(export.New(st), testkit.Logger(t), api.Refuse))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	b.url = srv.URL + "/v1/exports/"
	return b
}

func (b *bundle) get(t *testing.T, query string) (status, announced int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	announced, _ = strconv.Atoi(resp.Header.Get(export.HeaderRecords))
	return resp.StatusCode, announced, string(text), err
}

// rows reads an export as CSV and as NDJSON, and makes sure that both hold as many records as were announced.
func (b *bundle) rows(t *testing.T, kind, run string) []map[string]any {
	t.Helper()
	query := kind + "?pipeline=contacts"
	if run != "" {
		query += "&run=" + run
	}
	status, announced, text, err := b.get(t, query+"&format=csv")
	if status != http.StatusOK || err != nil {
		t.Fatalf("%d %v %s", status, err, text)
	}
	table, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(table) != announced+1 {
		t.Fatalf("%d lines of CSV, %d records announced: %v", len(table), announced, err)
	}
	_, announced, text, err = b.get(t, query+"&format=ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for sc := bufio.NewScanner(strings.NewReader(text)); sc.Scan(); {
		var row map[string]any
		if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	if len(out) != announced || len(out) != len(table)-1 {
		t.Fatalf("%d lines of NDJSON, %d of CSV, %d records announced", len(out), len(table)-1, announced)
	}
	return out
}

func keys(rows []map[string]any) []string {
	var out []string
	for _, r := range rows {
		word, _ := r["key"].(string)
		if state, ok := r["state"].(string); ok {
			word += " " + state
		}
		out = append(out, word)
	}
	slices.Sort(out)
	return out
}

func expect(t *testing.T, what string, rows []map[string]any, want ...string) {
	t.Helper()
	if got := keys(rows); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestExports(t *testing.T) {
	t.Run("landed and failed records stand in one export each, in every situation from the seal to a replay that landed", func(t *testing.T) {
		b := setup(t)
		expect(t, "nothing", b.rows(t, "landed", ""))
		first := b.Chunk("c1", "r1", "a", "b", "c", "d", "e")
		b.Refuse("x", "r1", "NOT_JSON", 0)
		expect(t, "in flight", b.rows(t, "landed", ""))
		expect(t, "refused", b.rows(t, "failed", ""), "x dead")

		b.Outcome(first, "r1", "lfffs", fixture.Transfers{Landed: 1, Dead: 1, Retrying: 1, WaitingForParent: 1, Superseded: 1})
		fb := b.Fail(first, fixture.Failure{Key: "b", Run: "r1", Row: 1, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "bad", Disposition: "dead"})
		fc := b.Fail(first, fixture.Failure{Key: "c", Run: "r1", Row: 2, Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Text: "locked", Disposition: "retry"})
		fd := b.Fail(first, fixture.Failure{Key: "d", Run: "r1", Row: 3, Class: "reference", Code: "INVALID_CROSS_REFERENCE_KEY", Text: "none", Disposition: "retry"})
		expect(t, "reconciled", b.rows(t, "landed", ""), "a")
		all := []string{"b dead", "c retrying", "d waiting_for_parent", "x dead"}
		expect(t, "reconciled", b.rows(t, "failed", ""), all...)

		b.Wait(first, fc, "c", "r1", "contention", 0)
		b.Wait(first, fd, "d", "r1", "reference", 0)
		expect(t, "taken by the retrier", b.rows(t, "failed", "r1"), all...)

		second := b.Resend("c2", "r1", 0, "c", "d")
		expect(t, "sent again", b.rows(t, "failed", ""), "b dead", "x dead")
		b.Outcome(second, "r1", "fl", fixture.Transfers{Landed: 1, Retrying: 1})
		fc2 := b.Fail(second, fixture.Failure{Key: "c", Run: "r1", Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Text: "locked", Disposition: "retry", Attempt: 8})
		b.Exhaust(second, fc2, "c", "r1", 0)
		expect(t, "exhausted", b.rows(t, "failed", ""), "b dead", "c dead", "x dead")
		expect(t, "landed in a resend", b.rows(t, "landed", ""), "a", "d")

		if _, err := b.letters.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		order := letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID("b", 0).String(), fixture.LetterID("x", 0).String()}, Key: "k1", By: "someone"}
		if _, err := b.letters.Order(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		expect(t, "ordered", b.rows(t, "failed", ""), "b retrying", "c dead", "x retrying")
		b.TakenByRetrier(fixture.LetterID("b", 0))
		b.Wait(first, fb, "b", "r1", "", 1)
		expect(t, "one taken", b.rows(t, "failed", ""), "b retrying", "c dead", "x retrying")
		b.Outcome(b.Resend("c3", "r1", 1, "b"), "r1", "l", fixture.Transfers{Landed: 1})
		expect(t, "landed", b.rows(t, "landed", ""), "a", "b", "d")
		expect(t, "landed", b.rows(t, "failed", ""), "c dead", "x retrying")

		discard := letters.Order{Kind: store.ActionDiscard, IDs: []string{fixture.LetterID("c", 0).String()}, Key: "k2", By: "someone", Reason: "test"}
		if _, err := b.letters.Order(t.Context(), discard); err != nil {
			t.Fatal(err)
		}
		expect(t, "discarded", b.rows(t, "failed", ""), "x retrying")
	})
	t.Run("unresolved records stand with the failed ones until they are decided, then where the decision puts them", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "r1", "a", "b", "c")
		b.Outcome(chunk, "r1", "lmm", fixture.Transfers{Landed: 1, Unresolved: 2})
		fb := b.Fail(chunk, fixture.Failure{Key: "b", Run: "r1", Row: 1, Class: "unresolved", Code: "MISSING", Text: "in no file", Disposition: "unresolved"})
		fc := b.Fail(chunk, fixture.Failure{Key: "c", Run: "r1", Row: 2, Class: "unresolved", Code: "MISSING", Text: "in no file", Disposition: "unresolved"})
		expect(t, "nobody decided", b.rows(t, "failed", "r1"), "b unresolved", "c unresolved")
		if row := b.rows(t, "failed", "")[0]; row["class"] != "unresolved" || row["code"] != "MISSING" || row["letter_id"] == "" {
			t.Errorf("%v", row)
		}
		if _, err := b.letters.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Exec(`UPDATE ops.letters SET state = CASE key WHEN 'b' THEN 'landed' ELSE 'replaying' END`)
		expect(t, "decided, not carried out", b.rows(t, "failed", ""), "b unresolved", "c unresolved")
		b.Resolve(fb, "landed", "003xx00000zzzzzAAA")
		b.Resolve(fc, "not_landed", "")
		expect(t, "carried out", b.rows(t, "failed", ""), "c retrying")
		rows := b.rows(t, "landed", "r1")
		expect(t, "carried out", rows, "a", "b")
		if rows[1]["salesforce_id"] != "003xx00000zzzzzAAA" || rows[1]["chunk"] != chunk.String() {
			t.Errorf("%v", rows[1])
		}
		b.ResolutionTaken(fc)
		b.Wait(chunk, fc, "c", "r1", "transient", 0)
		expect(t, "taken", b.rows(t, "failed", ""), "c retrying")
		b.Outcome(b.Resend("c2", "r1", 0, "c"), "r1", "l", fixture.Transfers{Landed: 1})
		expect(t, "sent again", b.rows(t, "landed", ""), "a", "b", "c")
		expect(t, "sent again", b.rows(t, "failed", ""))
	})
	t.Run("a line says all that a person needs to find, correct and replay the record", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "r1", "a", "b")
		b.Outcome(chunk, "r1", "lf", fixture.Transfers{Landed: 1, Dead: 1})
		b.Fail(chunk, fixture.Failure{Key: "b", Run: "r1", Row: 1, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "=bad, and long", Disposition: "dead"})
		for name, want := range map[string]any{
			"key": "b", "entity": "b", "generation": 0.0, "state": "dead", "class": "data", "code": "INVALID_EMAIL_ADDRESS",
			"message": "=bad, and long", "attempts": 1.0, "job_id": "750xx0000000001AAA", "run": "r1",
			"letter_id": fixture.LetterID("b", 0).String(), "payload": `{"id":"b","email":"not an address"}`,
		} {
			if got := b.rows(t, "failed", "")[0][name]; got != want {
				t.Errorf("failed: %s is %v, want %v", name, got, want)
			}
		}
		for name, want := range map[string]any{
			"key": "a", "generation": 0.0, "salesforce_id": "003xx0000000000AAA", "job_id": "750xx0000000001AAA", "run": "r1", "chunk": chunk.String(),
			"accepted_at": "2026-03-01T12:00:00Z",
		} {
			if got := b.rows(t, "landed", "")[0][name]; got != want {
				t.Errorf("landed: %s is %v, want %v", name, got, want)
			}
		}
		if _, _, text, _ := b.get(t, "failed?pipeline=contacts&format=csv"); !strings.Contains(text, "\"'=bad, and long\"") {
			t.Errorf("the formula is not kept harmless: %s", text)
		}
	})
	t.Run("runs are told apart and add up to the whole", func(t *testing.T) {
		b := setup(t)
		b.Outcome(b.Chunk("c1", "r1", "a", "b"), "r1", "ll", fixture.Transfers{Landed: 2})
		b.Outcome(b.Chunk("c2", "r2", "c"), "r2", "l", fixture.Transfers{Landed: 1})
		expect(t, "r1", b.rows(t, "landed", "r1"), "a", "b")
		expect(t, "r2", b.rows(t, "landed", "r2"), "c")
		expect(t, "none", b.rows(t, "landed", "r3"))
		expect(t, "all", b.rows(t, "landed", ""), "a", "b", "c")
	})
	t.Run("more records than a page holds come whole and once each", func(t *testing.T) {
		b := setup(t)
		const n = 130 // more than two pages with payload
		var names []string
		for i := range n {
			names = append(names, "k"+strconv.Itoa(1000+i))
		}
		chunk := b.Chunk("c1", "", names...)
		b.Outcome(chunk, "", strings.Repeat("f", n), fixture.Transfers{Dead: n / 2, Retrying: n / 2})
		var want []string
		for i, k := range names {
			f := fixture.Failure{Key: k, Row: i, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "bad", Disposition: "dead"}
			state := " dead"
			if i%2 == 1 {
				f.Class, f.Disposition, state = "transient", "retry", " retrying"
			}
			b.Fail(chunk, f)
			want = append(want, k+state)
		}
		expect(t, "all", b.rows(t, "failed", ""), want...)
	})
	t.Run("an export that comes to another number than the balance breaks off instead of looking whole", func(t *testing.T) {
		b := setup(t)
		b.Outcome(b.Chunk("c1", "", "a", "b"), "", "lf", fixture.Transfers{Landed: 1, Dead: 1}) // and no failure row
		if status, announced, text, err := b.get(t, "failed?pipeline=contacts&format=csv"); err == nil || status != http.StatusOK || announced != 1 {
			t.Errorf("%d, %d announced, error %v: %s", status, announced, err, text)
		}
	})
	t.Run("what cannot be answered is refused in ops' form", func(t *testing.T) {
		b := setup(t)
		for query, want := range map[string]int{
			"landed?pipeline=nobody": http.StatusNotFound, "landed": http.StatusBadRequest, "lost?pipeline=contacts": http.StatusBadRequest,
			"failed?pipeline=contacts&format=xml": http.StatusBadRequest, "failed?pipeline=contacts&colour=red": http.StatusBadRequest,
		} {
			status, _, text, err := b.get(t, query)
			var body struct {
				Code    int
				Message string
			}
			if err != nil || status != want || json.Unmarshal([]byte(text), &body) != nil || body.Message == "" || body.Code == 0 {
				t.Errorf("%s: %d %s", query, status, text)
			}
		}
	})
}
