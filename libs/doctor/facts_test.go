package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
)

// sound is a ledger of which nothing is wrong.
func sound() ledgerFacts {
	return ledgerFacts{version: 150004, most: 97, taken: 40, durability: pg.Durability{Fsync: "on", FullPageWrites: "on", SynchronousCommit: "on"}}
}

// one finds the check of a name.
func one(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, checks)
	return Check{}
}

// is compares a check with what it must say; whatever is not ok has a fix.
func is(t *testing.T, c Check, want Result, words string) {
	t.Helper()
	if c.Result != want || !strings.Contains(c.Found, words) || (c.Result == OK) != (c.Fix == "") {
		t.Errorf("%+v, want %s with %q", c, want, words)
	}
}

func TestLedgerFacts(t *testing.T) {
	t.Run("a sound ledger is ok in everything", func(t *testing.T) {
		for _, c := range sound().checks() {
			is(t, c, OK, "")
		}
	})
	for name, c := range map[string]struct {
		change func(*ledgerFacts)
		check  string
		want   Result
		words  string
	}{
		"a version that is too old is wrong":                 {func(f *ledgerFacts) { f.version = 140010 }, "reachable", Wrong, "PostgreSQL 14"},
		"a replica is wrong":                                 {func(f *ledgerFacts) { f.replica = true }, "primary", Wrong, "replica"},
		"a ledger without fsync is wrong":                    {func(f *ledgerFacts) { f.durability.Fsync = "off" }, "durability", Wrong, "fsync off"},
		"a ledger without full_page_writes is wrong":         {func(f *ledgerFacts) { f.durability.FullPageWrites = "off" }, "durability", Wrong, "full_page_writes off"},
		"losses that are wanted are wrong all the same":      {func(f *ledgerFacts) { f.durability.Word = "unsafe" }, "durability", Wrong, "by name"},
		"asynchronous commits by default are none of ours":   {func(f *ledgerFacts) { f.durability.SynchronousCommit = "off" }, "durability", OK, "all the same"},
		"a table that a crash empties is wrong":              {func(f *ledgerFacts) { f.unlogged = "records.seen" }, "tables", Wrong, "records.seen"},
		"fifteen connections are too few to start a service": {func(f *ledgerFacts) { f.taken = f.most - 15 }, "connections", Wrong, "15 are left"},
		"sixteen are enough":                                 {func(f *ledgerFacts) { f.taken = f.most - 16 }, "connections", OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			c.change(&f)
			is(t, one(t, f.checks(), c.check), c.want, c.words)
		})
	}
}

func TestSchema(t *testing.T) {
	for name, c := range map[string]struct {
		err, hidden error
		want        Result
	}{
		"that fits is ok":                                  {nil, nil, OK},
		"that is older is wrong":                           {fmt.Errorf("%w: 3", pg.ErrSchemaOlder), nil, Wrong},
		"that is newer is wrong":                           {fmt.Errorf("%w: 9", pg.ErrSchemaNewer), nil, Wrong},
		"whose version nobody shows is unknown, not older": {pg.ErrSchemaOlder, &pgconn.PgError{Code: denied}, Unknown},
		"that cannot be asked for is wrong":                {errors.New("broken pipe"), nil, Wrong},
	} {
		t.Run(name, func(t *testing.T) {
			is(t, schema("poller", c.err, c.hidden), c.want, "")
		})
	}
}

func TestBrokerFacts(t *testing.T) {
	account := func(used uint64, most int64) *jetstream.AccountInfo {
		a := &jetstream.AccountInfo{}
		a.Store, a.Limits.MaxStore = used, most
		return a
	}
	for name, c := range map[string]struct {
		check Check
		want  Result
		words string
	}{
		"a payload of a mebibyte is enough":                  {payload(1 << 20), OK, ""},
		"less is wrong":                                      {payload(1<<20 - 1), Wrong, "1048576 are needed"},
		"an account without a bound has room":                {room(account(1<<40, -1)), OK, "no bound"},
		"an account that is half full has room":              {room(account(50, 100)), OK, "50 of 100"},
		"an account that is nearly full has not":             {room(account(91, 100)), Wrong, "91 of 100"},
		"a server that syncs always is ok":                   {synced(bus.Monitored{Name: "n1", Streams: true, SyncAlways: true}), OK, "n1"},
		"a server that syncs at times is wrong":              {synced(bus.Monitored{Name: "n1", Streams: true, SyncInterval: 2 * time.Minute}), Wrong, "every 2m0s"},
		"losses that are wanted are wrong all the same":      {synced(bus.Monitored{Streams: true, Tags: []string{"bulkhead.durability:unsafe"}}), Wrong, "wanted"},
		"a server that stores nothing has nothing to sync":   {synced(bus.Monitored{Name: "edge"}), OK, "stores nothing"},
		"without a monitoring address nobody knows":          {syncs(t.Context(), nil, nil)[0], Unknown, "monitoring addresses alone"},
		"nor where nobody answers at it":                     {syncs(t.Context(), []string{"http://127.0.0.1:1"}, nil)[0], Unknown, "monitor"},
		"clocks that differ by as much as asking took agree": {Skew(broker, 6*time.Second, 2*time.Second), OK, "8s"},
		"clocks that differ by more do not":                  {Skew(broker, -8*time.Second, time.Second), Wrong, "8s behind"},
	} {
		t.Run(name, func(t *testing.T) { is(t, c.check, c.want, c.words) })
	}
}

func TestStanding(t *testing.T) {
	const of = "stream DLQ"
	whole := bus.Standing{Clustered: true, Leader: "n1"}
	for name, c := range map[string]struct {
		change func(*bus.Standing)
		check  string
		want   Result
		words  string
	}{
		"a stream with all of its replicas is ok": {func(*bus.Standing) {}, "replicas", OK, ""},
		"a replica that is behind is wrong":       {func(s *bus.Standing) { s.Behind = []string{"n3"} }, "replicas", Wrong, "n3"},
		"another setting is wrong":                {func(s *bus.Standing) { s.Differences = []string{"max_age is 1h and not 0"} }, "settings", Wrong, "max_age"},
		"a DLQ that is nearly full is wrong":      {func(s *bus.Standing) { s.Bytes, s.MaxBytes = 95, 100 }, "room", Wrong, "95 of 100"},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole
			c.change(&s)
			is(t, one(t, standing(of, s), c.check), c.want, c.words)
		})
	}
	t.Run("RECORDS may be full: that is the backpressure", func(t *testing.T) {
		s := whole
		s.Bytes, s.MaxBytes = 100, 100
		for _, c := range standing("stream RECORDS_contacts", s) {
			is(t, c, OK, "")
		}
	})
}
