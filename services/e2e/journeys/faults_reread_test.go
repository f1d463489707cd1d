package journeys

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const upsertByPlace = head + `name: patches
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
  - {from: phone, to: Phone, type: string}
`

// forgets takes what the ledger knows of messages of a pipeline out of it, as a restore from an older backup would.
func (s *stack) forgets(t *testing.T, pipeline string, seqs ...int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tag, err := conn.Exec(t.Context(), `DELETE FROM extractor.records r USING extractor.pipelines p WHERE p.id = r.pipeline_id AND p.name = $1 AND r.seq = ANY ($2)`,
		pipeline, seqs)
	if err != nil || tag.RowsAffected() != int64(len(seqs)) {
		t.Fatalf("%d of %d records are forgotten (%v)", tag.RowsAffected(), len(seqs), err)
	}
}

type reread struct {
	ID       string `json:"id"`
	Done     bool   `json:"done"`
	Known    int64  `json:"known"`
	Accepted int64  `json:"accepted"`
	Error    string `json:"error"`
}

// reads gives an order to read a part of a stream again, and waits until it is carried out.
func (s *stack) reads(t *testing.T, args ...string) reread {
	t.Helper()
	r := cli{s.ops}.wants(t, 0, append([]string{"replay", "--reason", "the ledger lost it", "--json"}, args...)...)
	out := decode[struct {
		Order reread `json:"reread"`
	}](t, r.stdout).Order
	if !out.Done || out.Error != "" {
		t.Errorf("the order ended as %+v: %s", out, r.stdout)
	}
	return out
}

// TestAPartOfTheStreamIsReadAgain: what the ledger knows is a repeat, what a person discarded or what the ledger lost is accepted, and
// no newer version is overwritten, neither by place nor by the member that a pipeline names.
func TestAPartOfTheStreamIsReadAgain(t *testing.T) {
	inTurn(t)
	dir := oneDefinition(t, upsertVersions+byJobs)
	if err := os.WriteFile(filepath.Join(dir, "patches.yaml"), []byte(upsertByPlace+byJobs), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dev(t, "--model", operationsModel, "--pipelines", dir, "--horizon", "1h")
	c := s.client(t)
	v := func(key, n string) fields {
		return fields{"id": key, "first_name": "first v" + n, "last_name": "last v" + n, "phone": "phone v" + n}
	}
	// Message n of patches is key n-1, for the first twenty.
	keys := keysOf("p", 20)
	dead := keys[7]
	rule := s.org.fault(t, failRows(noLastName, []string{dead}, nil))
	c.publish(t, "patches", messagesOf(keys, func(id string) fields { return v(id, "1") })...)
	c.publish(t, "patches", message{id: "evt-broken", body: "no JSON"})
	s.settle(t, "patches", 21)
	for _, k := range keys[:5] {
		c.publish(t, "patches", message{id: "evt-2-" + k, body: fields{"id": k, "first_name": "first v2"}})
	}
	c.publish(t, "patches", message{id: "evt-2-" + keys[5], body: v(keys[5], "2")})
	s.settle(t, "patches", 27)
	versions := keysOf("v", 6)
	c.publish(t, "versions", messagesOf(versions, func(id string) fields { return v(id, "5").with("rev", 5) })...)
	s.settle(t, "versions", 6)
	c.publish(t, "versions",
		message{id: "evt-late", body: v(versions[0], "4").with("rev", 4)},
		message{id: "evt-new", body: v(versions[1], "6").with("rev", 6)},
		message{id: "evt-part", body: fields{"id": versions[2], "phone": "phone v6", "rev": 6}},
	)
	if b, want := s.settle(t, "versions", 9), (balance{Accepted: 9, Landed: 8, Superseded: 1}); b.Balance != want {
		t.Fatalf("%+v, want %+v", b.Balance, want)
	}
	for _, l := range s.letters(t, "patches") {
		cli{s.ops}.wants(t, 0, "dlq", "discard", l.ID, "--reason", "given up for now")
	}
	if b, want := s.settle(t, "patches", 27), (balance{Accepted: 27, Landed: 25, Discarded: 2}); b.Balance != want {
		t.Fatalf("%+v, want %+v", b.Balance, want)
	}
	s.org.heal(t, rule)

	t.Run("an order that says nothing clear is refused, with what to say", func(t *testing.T) {
		b := cli{s.ops}
		for text, args := range map[string][]string{
			"--reason is needed": {"--pipeline", "patches", "--from-seq", "1"},
			"give either":        {"--pipeline", "patches", "--from-seq", "1", "--since", "1h", "--reason", "r"},
			"--pipeline":         {"--from-seq", "1", "--reason", "r"},
			"in the future":      {"--pipeline", "patches", "--since", "2999-01-01T00:00:00Z", "--reason", "r"},
		} {
			if r := b.wants(t, 2, append([]string{"replay"}, args...)...); !strings.Contains(r.stderr, text) {
				t.Errorf("%q: %s", args, r.stderr)
			}
		}
		if r := b.wants(t, 5, "replay", "--pipeline", "patches", "--from-seq", "28", "--reason", "r"); !strings.Contains(r.stderr, "1 to 27") {
			t.Errorf("%s", r.stderr)
		}
		b.wants(t, 4, "replay", "--pipeline", "nosuch", "--from-seq", "1", "--reason", "r")
		b.wants(t, 4, "replay", "--follow", "00000000-0000-5000-8000-000000000000")
	})
	closed := len(s.org.closedJobs(t))
	t.Run("what is known is a repeat, what was discarded is accepted anew", func(t *testing.T) {
		if got := s.reads(t, "--pipeline", "patches", "--from-seq", "1"); got.Known != 25 || got.Accepted != 2 {
			t.Errorf("%+v, want 25 known and 2 accepted", got)
		}
		if b, want := s.settle(t, "patches", 29), (balance{Accepted: 29, Landed: 26, Dead: 1, Discarded: 2}); b.Balance != want {
			t.Errorf("%+v, want %+v", b.Balance, want)
		}
		if h := s.record(t, "patches", "evt-"+dead); h.State != "landed" || h.Generation != 1 {
			t.Errorf("%+v, want landed in generation 1", h)
		}
		if l := s.letters(t, "patches"); len(l) != 1 || l[0].Key != "evt-broken" || l[0].Generation != 1 {
			t.Errorf("%+v, want the broken one, in generation 1", l)
		}
		jobs := s.org.closedJobs(t)[closed:]
		if len(jobs) != 1 {
			t.Fatalf("%d jobs, want one", len(jobs))
		}
		if rows := s.org.jobRows(t, jobs[0].ID); len(rows) != 1 || rows[0].Key != dead {
			t.Errorf("%+v was sent, want %s alone", rows, dead)
		}
	})
	t.Run("a second order has no effect, with the same idempotency key or without", func(t *testing.T) {
		began := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
		first := s.reads(t, "--pipeline", "patches", "--since", began, "--idempotency-key", "once")
		again := s.reads(t, "--pipeline", "patches", "--since", began, "--idempotency-key", "once")
		if first != again || first.Known != 27 || first.Accepted != 0 {
			t.Errorf("first %+v, again %+v, want 27 known", first, again)
		}
		if got := s.reads(t, "--pipeline", "versions", "--from-seq", "1", "--to-seq", "8"); got.Known != 8 || got.Accepted != 0 {
			t.Errorf("%+v, want 8 known", got)
		}
	})
	before := s.org.rows(t, "Contact")
	t.Run("what the ledger lost is accepted, and covers nothing that is newer", func(t *testing.T) {
		lost := []int64{1, 2, 3, 4, 5, 6, 11, 12, 13}
		s.forgets(t, "patches", lost...)
		if got := s.reads(t, "--pipeline", "patches", "--since", "1h"); got.Known != 18 || got.Accepted != 9 {
			t.Errorf("%+v, want 18 known and 9 accepted", got)
		}
		// The sixth says nothing that its second version does not.
		if b, want := s.settle(t, "patches", 38), (balance{Accepted: 38, Landed: 34, Superseded: 1, Dead: 1, Discarded: 2}); b.Balance != want {
			t.Errorf("%+v, want %+v", b.Balance, want)
		}
		s.forgets(t, "versions", 2, 3)
		if got := s.reads(t, "--pipeline", "versions", "--from-seq", "1"); got.Known != 7 || got.Accepted != 2 {
			t.Errorf("%+v, want 7 known and 2 accepted", got)
		}
		if b, want := s.settle(t, "versions", 11), (balance{Accepted: 11, Landed: 9, Superseded: 2}); b.Balance != want {
			t.Errorf("%+v, want %+v", b.Balance, want)
		}
	})
	t.Run("the org is what it was, and no value ever went back", func(t *testing.T) {
		after := s.org.rows(t, "Contact")
		if a, b := slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)); !slices.Equal(a, b) || len(a) != 26 {
			t.Errorf("rows %q, were %q", a, b)
		}
		for k, r := range after {
			if problem := goesBack(r.Versions); problem != "" {
				t.Errorf("%s: %s", k, problem)
			}
			if !maps.Equal(r.Fields, before[k].Fields) {
				t.Errorf("%s is %v, was %v", k, r.Fields, before[k].Fields)
			}
		}
	})
	if len(s.pipelines) != 2 {
		t.Errorf("pipelines %v", s.pipelines)
	}
}
