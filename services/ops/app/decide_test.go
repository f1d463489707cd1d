package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/services/ops/app"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/orgsim/simtest"
)

const orgSecret = "BULKHEAD_TEST_OPS_SECRET"

// unresolved is an ops whose org is simulated and holds a contact with the external id B-1, and three records of which nobody knows what became.
func unresolved(t *testing.T) (b *bundle, sim *simtest.Sim, chunk uuid.UUID, failures map[string]int64) {
	t.Helper()
	sim = simtest.Start(t)
	sim.Seed("Contact", map[string]string{"LastName": "Berg", "External_Id__c": "B-1"})
	t.Setenv(orgSecret, sim.Secret)
	b = start(t, func(c *app.Config) {
		c.Definitions = [][]byte{[]byte(fixture.Inserts)}
		c.Orgs = [][]byte{fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretEnv: %s\napiVersion: \"66.0\"\nallowInsecureLoopback: true\n", sim.URL, sim.ClientID, orgSecret)}
	})
	chunk = b.Chunk("c", "r1", "a", "b-1", "c-1", "d-1")
	b.Outcome(chunk, "r1", "lmmm", fixture.Transfers{Landed: 1, Unresolved: 3})
	failures = map[string]int64{}
	for i, key := range []string{"b-1", "c-1", "d-1"} {
		failures[key] = b.Fail(chunk, fixture.Failure{Key: key, Run: "r1", Row: i + 1, Class: "unresolved", Code: "MISSING", Text: "in none of the result files", Disposition: "unresolved"})
	}
	eventually(t, "the letters are known", func() bool { return b.Count(`SELECT count(*) FROM ops.letters`) == 3 })
	return b, sim, chunk, failures
}

func (b *bundle) balance(t *testing.T) map[string]int64 {
	t.Helper()
	_, reply := b.call(t, http.MethodGet, "/v1/balance", "", "")
	var got struct {
		AddsUp  bool `json:"adds_up"`
		Balance map[string]int64
	}
	if err := json.Unmarshal(reply, &got); err != nil || !got.AddsUp {
		t.Fatalf("%v: %s", err, reply)
	}
	return got.Balance
}

func TestDecisions(t *testing.T) {
	t.Run("a decision is checked against the org, carried out, and ends its letter", func(t *testing.T) {
		b, sim, chunk, failures := unresolved(t)
		row := sim.Holding("Contact", "External_Id__c", "B-1", false)[0].ID
		letter := func(key string) string { return fixture.UnresolvedID(key, 0, chunk).String() }
		for _, c := range []struct {
			name, body string
			status     int
			words      string
		}{
			{"listed", "", 200, `"total":3`},
			{"the org has it", `{"ids":["` + letter("b-1") + `"],"decision":"not_landed","reason":"r","idempotency_key":"k1"}`, 409, row},
			{"another record's row", `{"ids":["` + letter("c-1") + `"],"decision":"landed","salesforce_id":"` + row + `","reason":"r","idempotency_key":"k2"}`, 409, "B-1"},
			{"no such row", `{"ids":["` + letter("c-1") + `"],"decision":"landed","salesforce_id":"003000000000009","reason":"r","idempotency_key":"k3"}`, 409, "has no row"},
			{"no reason", `{"ids":["` + letter("c-1") + `"],"decision":"not_landed","idempotency_key":"k4"}`, 400, "reason"},
			{"landed", `{"ids":["` + letter("b-1") + `"],"decision":"landed","salesforce_id":"` + row[:15] + `","reason":"seen in the org","idempotency_key":"k5","by":"kim"}`, 200, `"resolved":1`},
			{"landed again", `{"ids":["` + letter("b-1") + `"],"decision":"landed","salesforce_id":"` + row[:15] + `","reason":"seen in the org","idempotency_key":"k5","by":"kim"}`, 200, `"repeated_request":true`},
			{"not landed", `{"ids":["` + letter("c-1") + `"],"decision":"not_landed","reason":"not in the org","idempotency_key":"k6","by":"kim"}`, 200, `"resolved":1`},
		} {
			method, path := http.MethodPost, "/v1/dead-letters:resolve"
			if c.body == "" {
				method, path = http.MethodGet, "/v1/dead-letters?class=unresolved"
			}
			if code, reply := b.call(t, method, path, "", c.body); code != c.status || !strings.Contains(string(reply), c.words) {
				t.Errorf("%s: %d %s, want %d and %q", c.name, code, reply, c.status, c.words)
			}
		}
		if n := b.balance(t); n["unresolved"] != 3 || n["landed"] != 1 {
			t.Errorf("before the reconciler carries it out: %v", n)
		}
		b.Resolve(failures["b-1"], "landed", row)
		b.Resolve(failures["c-1"], "not_landed", "")
		if n := b.balance(t); n["unresolved"] != 1 || n["landed"] != 2 || n["retrying"] != 1 {
			t.Errorf("carried out: %v", n)
		}
		b.ResolutionTaken(failures["c-1"])
		b.Wait(chunk, failures["c-1"], "c-1", "r1", "transient", 0)
		b.Outcome(b.Resend("c2", "r1", 0, "c-1"), "r1", "l", fixture.Transfers{Landed: 1})
		eventually(t, "its letter is closed", func() bool {
			return b.Count(`SELECT count(*) FROM ops.letters WHERE letter_id = $1 AND state = 'landed'`, letter("c-1")) == 1
		})
		if n := b.balance(t); n["landed"] != 3 || n["unresolved"] != 1 {
			t.Errorf("sent again: %v", n)
		}
	})
	t.Run("an org that does not answer makes it unavailable, and nothing is decided", func(t *testing.T) {
		b, sim, chunk, _ := unresolved(t)
		sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Query}, Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Status, Status: 503, Code: "SERVER_UNAVAILABLE"}})
		body := `{"ids":["` + fixture.UnresolvedID("c-1", 0, chunk).String() + `"],"decision":"not_landed","reason":"r","idempotency_key":"k1"}`
		if code, reply := b.call(t, http.MethodPost, "/v1/dead-letters:resolve", "", body); code != http.StatusServiceUnavailable || !strings.Contains(string(reply), "nothing was decided") {
			t.Errorf("%d %s", code, reply)
		}
		if n := b.Count(`SELECT count(*) FROM ops.decisions`); n != 0 {
			t.Errorf("%d decisions", n)
		}
	})
}

func TestRereads(t *testing.T) {
	t.Run("a part of the stream is ordered to be read again, and shows how far it has come", func(t *testing.T) {
		b := start(t, nil)
		conn, err := bus.Connect(b.natsURL, bus.ConnectOptions{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range 4 {
			if err := bus.Publish(t.Context(), conn, bus.Message{Subject: "records.contacts", Body: []byte(`{"id":"1"}`)}); err != nil {
				t.Fatal(err)
			}
		}
		b.Exec(`INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES ('contacts', 0, 4, 2147483647)`)
		code, reply := b.call(t, http.MethodPost, "/v1/pipelines/contacts:reread", "", `{"from_seq":2,"reason":"restored","idempotency_key":"k1"}`)
		var ordered struct {
			Reread struct {
				ID      string
				FromSeq int64 `json:"from_seq"`
				ToSeq   int64 `json:"to_seq"`
				Done    bool
			}
		}
		if err := json.Unmarshal(reply, &ordered); err != nil || code != 200 || ordered.Reread.FromSeq != 2 || ordered.Reread.ToSeq != 4 {
			t.Fatalf("%d %v %s", code, err, reply)
		}
		b.Exec(`INSERT INTO extractor.rereads (id, pipeline, read_seq, known, accepted, done_at) VALUES ($1, 'contacts', 4, 2, 1, now())`, ordered.Reread.ID)
		code, reply = b.call(t, http.MethodGet, "/v1/rereads/"+ordered.Reread.ID, "", "")
		if code != 200 || !strings.Contains(string(reply), `"known":2,"accepted":1,"done":true`) {
			t.Errorf("%d %s", code, reply)
		}
		for _, c := range []struct {
			path, body string
			status     int
		}{
			{"/v1/pipelines/contacts:reread", `{"from_seq":9,"reason":"restored","idempotency_key":"k2"}`, 409},
			{"/v1/pipelines/contacts:reread", `{"from_seq":1,"idempotency_key":"k2"}`, 400},
			{"/v1/pipelines/nobody:reread", `{"from_seq":1,"reason":"r","idempotency_key":"k2"}`, 404},
		} {
			if code, reply := b.call(t, http.MethodPost, c.path, "", c.body); code != c.status {
				t.Errorf("%s %s: %d %s", c.path, c.body, code, reply)
			}
		}
		for path, want := range map[string]int{"/v1/rereads/x": 400, "/v1/rereads/" + fixture.ID("none").String(): 404} {
			if code, reply := b.call(t, http.MethodGet, path, "", ""); code != want {
				t.Errorf("%s: %d %s", path, code, reply)
			}
		}
	})
}
