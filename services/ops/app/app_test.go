package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"bulkhead/libs/bus"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/ops/app"
	"bulkhead/services/ops/internal/fixture"
)

var update = flag.Bool("update", false, "write the golden files anew")

type bundle struct {
	*fixture.Ledger

	app     *app.App
	natsURL string
	dsn     string
	base    string
}

// start starts ops as a program; it is stopped when the test ends, and must end well.
func start(t *testing.T, change func(*app.Config)) *bundle {
	t.Helper()
	db := testkit.Database(t)
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), natsURL: testkit.NATS(t).URL(), dsn: db.DSN("ops")}
	b.run(t, change)
	return b
}

func (b *bundle) config(change func(*app.Config)) app.Config {
	c := app.Config{
		DSN: b.dsn, NATSURL: b.natsURL, HTTPListen: "127.0.0.1:0", GRPCListen: "127.0.0.1:0", Sweep: 50 * time.Millisecond, SkipDescribe: true,
		Orgs: [][]byte{[]byte(fixture.Org)}, Definitions: [][]byte{[]byte(fixture.Contacts)}, Now: func() time.Time { return fixture.Noon.Add(time.Hour) },
	}
	if change != nil {
		change(&c)
	}
	return c
}

func (b *bundle) run(t *testing.T, change func(*app.Config)) (stop func()) {
	t.Helper()
	a, err := app.New(t.Context(), b.config(change), service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("ops ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("ops does not end")
		}
	}
	t.Cleanup(stop)
	b.app, b.base = a, "http://"+a.HTTPAddr()
	return stop
}

func (b *bundle) call(t *testing.T, method, path, token, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, reply
}

// eventually waits for what a loop does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// story is a ledger with a bit of everything.
func (b *bundle) story(t *testing.T) {
	t.Helper()
	first := b.Chunk("c1", "r1", "a", "b", "c", "d")
	b.Outcome(first, "r1", "lfff", fixture.Transfers{Landed: 1, Dead: 2, WaitingForParent: 1})
	b.Fail(first, fixture.Failure{Key: "b", Run: "r1", Row: 1, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "Email: invalid email address: b@", Disposition: "dead"})
	b.Fail(first, fixture.Failure{Key: "c", Run: "r1", Row: 2, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "Email: invalid email address: c@", Disposition: "dead"})
	wait := b.Fail(first, fixture.Failure{Key: "d", Run: "r1", Row: 3, Class: "reference", Code: "INVALID_CROSS_REFERENCE_KEY", Text: "no parent", Disposition: "retry"})
	b.Wait(first, wait, "d", "r1", "reference", 0)
	b.Refuse("x", "r1", "NOT_JSON", 0)
	b.Chunk("c2", "r1", "e")
	b.Exec(`INSERT INTO extractor.repeats (pipeline, run, n) VALUES ('contacts', 'r1', 2)`)
	eventually(t, "letters are known", func() bool { return b.Count(`SELECT count(*) FROM ops.letters`) == 3 })
	b.Exec(`UPDATE ops.letters SET changed_at = dead_at`)
	b.Exec(`UPDATE ops.definitions SET applied_at = $1`, fixture.Noon)
}

// What differs from run to run, and what stands for it.
var unstable = regexp.MustCompile(`"(version|action_id)":\s*"[^"]*"`)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(got), "", "  "); err != nil {
		t.Fatalf("%s is no JSON: %v: %s", name, err, got)
	}
	pretty.WriteByte('\n')
	text := unstable.ReplaceAll(pretty.Bytes(), []byte(`"$1": "*"`))
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update and look at it", err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s differs from testdata/%s.json:\n%s", name, name, text)
	}
}

func TestReplies(t *testing.T) {
	t.Run("have the form that scripts rely on", func(t *testing.T) {
		b := start(t, func(c *app.Config) { c.Sweep = 10 * time.Millisecond })
		b.story(t)
		for _, c := range []struct {
			name, method, path, body string
			status                   int
		}{
			{"balance", http.MethodGet, "/v1/balance", "", 200},
			{"balance_run", http.MethodGet, "/v1/balance?pipeline=contacts&run=r1", "", 200},
			{"pipelines", http.MethodGet, "/v1/pipelines", "", 200},
			{"pipeline", http.MethodGet, "/v1/pipelines/contacts", "", 200},
			{"pipeline_unknown", http.MethodGet, "/v1/pipelines/nobody", "", 404},
			{"dead_letters", http.MethodGet, "/v1/dead-letters?class=data&page_size=2", "", 200},
			{"dead_letter", http.MethodGet, "/v1/dead-letters/" + fixture.LetterID("b", 0).String(), "", 200},
			{"dead_letter_unknown", http.MethodGet, "/v1/dead-letters/" + fixture.ID("none").String(), "", 404},
			{"groups", http.MethodGet, "/v1/dead-letter-groups", "", 200},
			{"record_landed", http.MethodGet, "/v1/records?key=a", "", 200},
			{"record_waiting", http.MethodGet, "/v1/records?key=d&pipeline=contacts", "", 200},
			{"record_dead", http.MethodGet, "/v1/records?entity=b", "", 200},
			{"record_in_flight", http.MethodGet, "/v1/records?key=e", "", 200},
			{"record_unknown", http.MethodGet, "/v1/records?key=nobody", "", 404},
			{"invalid", http.MethodGet, "/v1/dead-letters?class=nonsense&page_size=5000", "", 400},
			{"replay_refused", http.MethodPost, "/v1/dead-letters:replay", `{"filter":{"class":"data"},"expected_count":99,"idempotency_key":"k0"}`, 409},
			{"replay", http.MethodPost, "/v1/dead-letters:replay", `{"filter":{"class":"data","code":"INVALID_EMAIL_ADDRESS"},"expected_count":2,"idempotency_key":"k1","by":"kim"}`, 200},
			{"replay_again", http.MethodPost, "/v1/dead-letters:replay", `{"filter":{"class":"data","code":"INVALID_EMAIL_ADDRESS"},"expected_count":2,"idempotency_key":"k1","by":"kim"}`, 200},
			{"discard_no_reason", http.MethodPost, "/v1/dead-letters:discard", `{"ids":["` + fixture.LetterID("x", 0).String() + `"],"idempotency_key":"k2"}`, 400},
			{"discard", http.MethodPost, "/v1/dead-letters:discard", `{"ids":["` + fixture.LetterID("x", 0).String() + `"],"idempotency_key":"k2","reason":"test data","by":"kim"}`, 200},
			{"balance_after", http.MethodGet, "/v1/balance", "", 200},
			{"resume_no_reason", http.MethodPost, "/v1/pipelines/contacts:resume", `{}`, 400},
			{"resume", http.MethodPost, "/v1/pipelines/contacts:resume", `{"reason":"rights were given","by":"kim"}`, 200},
			{"unknown_parameter", http.MethodGet, "/v1/dead-letters?klass=data", "", 400},
			{"unknown_member", http.MethodPost, "/v1/dead-letters:replay", `{"colour":"red"}`, 400},
		} {
			code, reply := b.call(t, c.method, c.path, "", c.body)
			if code != c.status {
				t.Errorf("%s: status %d, want %d: %s", c.name, code, c.status, reply)
			}
			golden(t, c.name, reply)
		}
	})
	t.Run("status is the whole picture", func(t *testing.T) {
		b := start(t, nil)
		b.story(t)
		code, reply := b.call(t, http.MethodGet, "/v1/status", "", "")
		var got struct {
			AddsUp    bool `json:"adds_up"`
			Balance   map[string]int64
			Pipelines []struct {
				Name     string
				Revision int
			}
			Orgs []struct {
				Name, Error string
			}
			OpenItems []struct{ Owner string } `json:"open_items"`
		}
		if err := json.Unmarshal(reply, &got); err != nil || code != 200 {
			t.Fatalf("%d %v %s", code, err, reply)
		}
		if !got.AddsUp || got.Balance["accepted"] != 6 || len(got.Balance) != 10 || len(got.Pipelines) != 1 || len(got.OpenItems) < 3 {
			t.Errorf("%s", reply)
		}
		for _, item := range got.OpenItems {
			if item.Owner == "" {
				t.Errorf("an item without an owner: %s", reply)
			}
		}
		if len(got.Orgs) != 1 || got.Orgs[0].Error == "" {
			t.Errorf("the org that does not answer is not told: %s", reply)
		}
	})
}

// TestTextsThatCannotBeStored come from the caller, so that the answer is not that ops has failed.
func TestTextsThatCannotBeStored(t *testing.T) {
	b := start(t, nil)
	id := b.Refuse("x", "", "NOT_JSON", 0).String()
	eventually(t, "the letter is known", func() bool { return b.Count(`SELECT count(*) FROM ops.letters`) == 1 })
	for _, c := range []struct{ name, method, path, body, field string }{
		{"the reason of a replay", http.MethodPost, "/v1/dead-letters:replay", `{"ids":["` + id + `"],"idempotency_key":"k","reason":"r\u0000"}`, "reason"},
		{"the idempotency key of a discard", http.MethodPost, "/v1/dead-letters:discard", `{"ids":["` + id + `"],"idempotency_key":"k\u0000","reason":"r"}`, "idempotency_key"},
		{"a filter of an order", http.MethodPost, "/v1/dead-letters:replay", `{"filter":{"code":"X\u0000"},"expected_count":1,"idempotency_key":"k"}`, "filter.code"},
		{"the reason of a resume", http.MethodPost, "/v1/pipelines/contacts:resume", `{"reason":"r\u0000"}`, "reason"},
		{"the reason of a reread", http.MethodPost, "/v1/pipelines/contacts:reread", `{"from_seq":1,"idempotency_key":"k","reason":"r\u0000"}`, "reason"},
		{"a definition", http.MethodPut, "/v1/pipelines/contacts", `{"yaml":"kind: Pipeline\u0000"}`, "yaml"},
		{"a filter of a list", http.MethodGet, "/v1/dead-letters?code=%00", "", "code"},
		{"a filter of a list that is no UTF-8", http.MethodGet, "/v1/dead-letters?code=%ff", "", "code"},
		{"a key that is no UTF-8", http.MethodGet, "/v1/records?key=%c3", "", "key"},
	} {
		t.Run(c.name+" is refused by its name", func(t *testing.T) {
			code, reply := b.call(t, c.method, c.path, "", c.body)
			if code != http.StatusBadRequest || !strings.Contains(string(reply), `"`+c.field+" ") {
				t.Errorf("%d %s", code, reply)
			}
		})
	}
	if n := b.Count(`SELECT count(*) FROM ops.letters WHERE state = 'open'`); n != 1 {
		t.Errorf("%d letters are still open, want the one", n)
	}
}

// TestLettersWithoutATimeOfDeath: whoever publishes a letter says when its record died, or does not.
func TestLettersWithoutATimeOfDeath(t *testing.T) {
	b := start(t, nil)
	b.Exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at)
		SELECT gen_random_uuid(), 'contacts', 1, '', 'k' || n, gen_random_uuid(), 0, '', 'data', 'X', '', '{}', 'reconcile', '', '0001-01-01T00:00:00Z'::timestamptz
		FROM generate_series(1, 3) n`)
	listed, token := 0, ""
	for range 2 {
		code, reply := b.call(t, http.MethodGet, "/v1/dead-letters?page_size=2&page_token="+token, "", "")
		var page struct {
			DeadLetters   []struct{ Key string } `json:"dead_letters"`
			NextPageToken string                 `json:"next_page_token"`
		}
		if err := json.Unmarshal(reply, &page); err != nil || code != http.StatusOK {
			t.Fatalf("%d, %v: %s", code, err, reply)
		}
		listed, token = listed+len(page.DeadLetters), page.NextPageToken
	}
	if listed != 3 || token != "" {
		t.Errorf("%d letters are listed on two pages, want 3 (and then %q)", listed, token)
	}
}

// TestGroupsHaveABound: a message with a name of the publisher's in it makes a group of each, however many there are.
func TestGroupsHaveABound(t *testing.T) {
	b := start(t, nil)
	// Group n of 205 has two letters where n is 1 to 3, else one; what is dead in another state is no part of any.
	b.Exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state)
		SELECT gen_random_uuid(), 'contacts', 1, 'r1', 'k' || n || '-' || copy, gen_random_uuid(), 0, 'e' || n, 'data', 'UNKNOWN_MEMBER', 'member', ARRAY['m' || n], 'extract',
		       lpad(to_hex(n), 16, '0'), now(), CASE copy WHEN 3 THEN 'landed' ELSE 'open' END
		FROM generate_series(1, 205) n CROSS JOIN generate_series(1, 3) copy WHERE copy <> 2 OR n <= 3`)
	type answer struct {
		Groups []struct {
			Group string
			Count int
		}
		MoreGroups  int `json:"more_groups"`
		MoreLetters int `json:"more_letters"`
	}
	ask := func(query string) (got answer) {
		code, reply := b.call(t, http.MethodGet, "/v1/dead-letter-groups?"+query, "", "")
		if err := json.Unmarshal(reply, &got); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d, %v: %s", query, code, err, reply)
		}
		return got
	}
	t.Run("the largest are listed, and the others counted", func(t *testing.T) {
		got := ask("pipeline=contacts")
		if len(got.Groups) != 200 || got.Groups[2].Count != 2 || got.Groups[3].Count != 1 || got.MoreGroups != 5 || got.MoreLetters != 5 {
			t.Errorf("%d groups, then %d with %d letters: %v", len(got.Groups), got.MoreGroups, got.MoreLetters, got.Groups[:4])
		}
	})
	t.Run("one that is named is found, wherever it stands", func(t *testing.T) {
		got := ask("group=00000000000000cd")
		if len(got.Groups) != 1 || got.Groups[0].Count != 1 || got.MoreGroups != 0 || got.MoreLetters != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a group that there is not is an empty list, and what is none is refused", func(t *testing.T) {
		if got := ask("group=00000000000000ff"); len(got.Groups) != 0 || got.MoreGroups != 0 || got.MoreLetters != 0 {
			t.Errorf("%+v", got)
		}
		if code, reply := b.call(t, http.MethodGet, "/v1/dead-letter-groups?group=x", "", ""); code != http.StatusBadRequest {
			t.Errorf("%d: %s", code, reply)
		}
	})
	t.Run("a pipeline that there is not is no empty list", func(t *testing.T) {
		for _, path := range []string{"/v1/dead-letter-groups?pipeline=contcts", "/v1/dead-letters?pipeline=contcts", "/v1/dead-letters?pipeline=contcts&state=landed"} {
			if code, reply := b.call(t, http.MethodGet, path, "", ""); code != http.StatusNotFound || !strings.Contains(string(reply), "contcts") {
				t.Errorf("%s: %d: %s", path, code, reply)
			}
		}
	})
}

func TestPut(t *testing.T) {
	t.Run("a definition that is put has its stream at once, and one that is refused has none", func(t *testing.T) {
		b := start(t, nil)
		conn, err := bus.Connect(b.natsURL, bus.ConnectOptions{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		people := strings.Replace(fixture.Contacts, "name: contacts", "name: people", 1)
		body, err := json.Marshal(map[string]string{"yaml": people, "by": "kim"})
		if err != nil {
			t.Fatal(err)
		}
		code, reply := b.call(t, http.MethodPut, "/v1/pipelines/people", "", string(body))
		if code != 200 {
			t.Fatalf("%d %s", code, reply)
		}
		if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.people", Body: []byte(`{"id":"1"}`)}); err != nil {
			t.Error(err)
		}
		if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.nobody", Body: []byte(`{"id":"1"}`)}); err == nil {
			t.Error("a publish to a pipeline that is not there was taken")
		}
		other := strings.NewReplacer("name: contacts", "name: other", "lanes: 2", "lanes: 5").Replace(fixture.Contacts)
		body, err = json.Marshal(map[string]string{"yaml": other})
		if err != nil {
			t.Fatal(err)
		}
		if code, reply := b.call(t, http.MethodPut, "/v1/pipelines/other", "", string(body)); code != http.StatusConflict {
			t.Errorf("%d %s", code, reply)
		}
		if code, reply := b.call(t, http.MethodPut, "/v1/pipelines/other", "", `{"yaml":"kind: Nothing"}`); code != http.StatusBadRequest {
			t.Errorf("%d %s", code, reply)
		}
	})
}

func TestTokens(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("viewer-token-0000")))
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(file, []byte("tokens:\n  - {name: dash, role: viewer, sha256: "+sum+"}\n  - {name: night, role: operator, token: operator-token-00}\n  - {name: root, role: admin, token: admin-token-00000}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *app.Config) { c.TokensFile = file })
	const (
		replay = `{"ids":["0190b1b0-7d3e-7c1c-8f5c-1d2e3f405060"],"idempotency_key":"k"}`
		put    = `{"yaml":"kind: Nothing"}`
	)
	for _, c := range []struct {
		name, token, method, path, body string
		status                          int
	}{
		{"nobody reads without a token", "", http.MethodGet, "/v1/balance", "", 401},
		{"an unknown token is nobody's", "wrong-token-0000000", http.MethodGet, "/v1/balance", "", 401},
		{"a viewer reads", "viewer-token-0000", http.MethodGet, "/v1/balance", "", 200},
		{"a viewer does not replay", "viewer-token-0000", http.MethodPost, "/v1/dead-letters:replay", replay, 403},
		{"an operator replays", "operator-token-00", http.MethodPost, "/v1/dead-letters:replay", replay, 404},
		{"a viewer decides nothing", "viewer-token-0000", http.MethodPost, "/v1/dead-letters:resolve", `{}`, 403},
		{"an operator decides", "operator-token-00", http.MethodPost, "/v1/dead-letters:resolve", `{}`, 400},
		{"a viewer orders nothing to be read again", "viewer-token-0000", http.MethodPost, "/v1/pipelines/contacts:reread", `{}`, 403},
		{"an operator does", "operator-token-00", http.MethodPost, "/v1/pipelines/contacts:reread", `{}`, 400},
		{"a viewer asks how far it is", "viewer-token-0000", http.MethodGet, "/v1/rereads/0190b1b0-7d3e-7c1c-8f5c-1d2e3f405060", "", 404},
		{"an operator applies no definition", "operator-token-00", http.MethodPut, "/v1/pipelines/x", put, 403},
		{"an admin does", "admin-token-00000", http.MethodPut, "/v1/pipelines/x", put, 400},
		{"health needs no token", "", http.MethodGet, "/readyz", "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, reply := b.call(t, c.method, c.path, c.token, c.body); code != c.status {
				t.Errorf("status %d, want %d: %s", code, c.status, reply)
			}
		})
	}
	t.Run("gRPC asks for the same", func(t *testing.T) {
		conn, err := grpc.NewClient("passthrough:///"+b.app.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client := opsv1.NewOpsServiceClient(conn)
		if _, err := client.GetBalance(t.Context(), &opsv1.GetBalanceRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("without a token: %v", err)
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer viewer-token-0000")
		if _, err := client.GetBalance(ctx, &opsv1.GetBalanceRequest{}); err != nil {
			t.Errorf("with one: %v", err)
		}
		if _, err := client.ReplayDeadLetters(ctx, &opsv1.ReplayDeadLettersRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("a viewer's replay: %v", err)
		}
	})
	t.Run("the audit trail names the token", func(t *testing.T) {
		b.Refuse("x", "", "NOT_JSON", 0)
		eventually(t, "the letter is known", func() bool { return b.Count(`SELECT count(*) FROM ops.letters`) == 1 })
		body := `{"ids":["` + fixture.LetterID("x", 0).String() + `"],"idempotency_key":"k9","reason":"r","by":"kim"}`
		if code, reply := b.call(t, http.MethodPost, "/v1/dead-letters:discard", "operator-token-00", body); code != 200 {
			t.Fatalf("%d %s", code, reply)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE by = 'kim (token night)'`); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestExposure(t *testing.T) {
	t.Run("without tokens ops does not listen beyond this machine", func(t *testing.T) {
		b := &bundle{}
		for _, change := range []func(*app.Config){
			func(c *app.Config) { c.DSN, c.NATSURL, c.HTTPListen = "postgres://x", "nats://x", "0.0.0.0:0" },
			func(c *app.Config) { c.DSN, c.NATSURL, c.GRPCListen = "postgres://x", "nats://x", ":0" },
		} {
			_, err := app.New(t.Context(), b.config(change), service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
			if err == nil || !strings.Contains(err.Error(), "BULKHEAD_TOKENS_FILE") {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestLife(t *testing.T) {
	t.Run("a second instance works beside the first, and one alone goes on", func(t *testing.T) {
		b := start(t, nil)
		first := b.base
		stop := b.run(t, nil)
		b.Refuse("x", "", "NOT_JSON", 0)
		eventually(t, "the letter is known", func() bool { return b.Count(`SELECT count(*) FROM ops.letters`) == 1 })
		stop()
		b.base = first
		if code, reply := b.call(t, http.MethodGet, "/readyz", "", ""); code != 200 {
			t.Errorf("%d %s", code, reply)
		}
		if code, reply := b.call(t, http.MethodGet, "/metrics", "", ""); code != 200 || !bytes.Contains(reply, []byte(`bulkhead_records{pipeline="contacts",state="dead"} 1`)) {
			t.Errorf("%d %s", code, reply)
		}
	})
	t.Run("DLQ and FLOW that are deleted are made again, and letters go on", func(t *testing.T) {
		b := start(t, nil)
		conn, err := bus.Connect(b.natsURL, bus.ConnectOptions{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, name := range []string{bus.StreamDLQ, bus.StreamFlow} {
			if err := conn.JS.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		letter, err := bus.DeadLetterMessage(bus.DeadLetter{
			ID: fixture.LetterID("a", 0).String(), Pipeline: "contacts", Revision: 1, Key: "a", Class: "data", Code: "X", Message: "m", Stage: "reconcile", DeadAt: fixture.Noon,
		})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the stream is there again", func() bool { return bus.Publish(t.Context(), conn, letter) == nil })
		eventually(t, "the letter is known with its place", func() bool { return b.Count(`SELECT count(*) FROM ops.letter_messages`) == 1 })
	})
}
