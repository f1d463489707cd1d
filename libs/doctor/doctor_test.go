package doctor_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/doctor"
	"bulkhead/libs/local"
	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
)

// results is every check in a line, for a look and for a failure.
func results(checks []doctor.Check) string {
	var b strings.Builder
	for _, c := range checks {
		b.WriteString(c.Of + " " + c.Name + ": " + string(c.Result) + ", " + c.Found + "\n")
	}
	return b.String()
}

// want holds the results of names against what they must be; "" = no such check.
func want(t *testing.T, checks []doctor.Check, wanted map[string]doctor.Result) {
	t.Helper()
	is := map[string]doctor.Result{}
	for _, c := range checks {
		is[c.Name] = c.Result
	}
	for name, r := range wanted {
		if is[name] != r {
			t.Errorf("%s is %q, want %q:\n%s", name, is[name], r, results(checks))
		}
	}
}

func TestLedger(t *testing.T) {
	t.Run("one of our own for one machine is ok, down to its clock", func(t *testing.T) {
		server, err := local.StartPostgres(t.Context(), local.PostgresOptions{Fsync: true, InitCache: os.TempDir(), SharedBuffers: "32MB"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		pool, err := pg.Open(t.Context(), server.DSN(), pg.Options{MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		checks := doctor.Ledger(t.Context(), pool)
		if len(checks) != 6 || doctor.Count(checks, doctor.OK) != 6 {
			t.Errorf("\n%s", results(checks))
		}
	})
	db := testkit.Database(t)
	t.Run("a service may ask everything but the schemas of others, and sees what is unsafe", func(t *testing.T) {
		pool := db.Pool(t, "ops")
		want(t, doctor.Ledger(t.Context(), pool), map[string]doctor.Result{
			"reachable": doctor.OK, "primary": doctor.OK, "durability": doctor.Wrong, "connections": doctor.OK, "tables": doctor.OK, "clock": doctor.OK,
		})
		all := testkit.AllMigrations(t)
		for _, m := range all {
			r := doctor.Unknown
			if m.Service == "ops" {
				r = doctor.OK
			}
			want(t, doctor.Schemas(t.Context(), pool, m), map[string]doctor.Result{"schema": r})
		}
		want(t, doctor.Schemas(t.Context(), db.AdminPool(t), all...), map[string]doctor.Result{"schema": doctor.OK})
	})
	t.Run("a table that is not logged is seen", func(t *testing.T) {
		admin := db.AdminPool(t)
		if _, err := admin.Exec(t.Context(), "CREATE UNLOGGED TABLE ops.scratch ()"); err != nil {
			t.Fatal(err)
		}
		want(t, doctor.Ledger(t.Context(), db.Pool(t, "ops")), map[string]doctor.Result{"tables": doctor.Wrong})
	})
	t.Run("a schema that was never migrated is wrong", func(t *testing.T) {
		all := testkit.AllMigrations(t)
		empty := testkit.Database(t, all[0])
		want(t, doctor.Schemas(t.Context(), empty.AdminPool(t), all[1]), map[string]doctor.Result{"schema": doctor.Wrong})
	})
	t.Run("one that does not answer is wrong", func(t *testing.T) {
		pool := db.Pool(t, "ops")
		pool.Close()
		want(t, doctor.Ledger(t.Context(), pool), map[string]doctor.Result{"reachable": doctor.Wrong})
	})
}

// broker is a server for one machine and a connection to it.
func broker(t *testing.T, o local.NATSOptions) (*local.NATS, *bus.Conn) {
	t.Helper()
	n, err := local.StartNATS(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	conn, err := bus.Connect(n.URL(), bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return n, conn
}

func TestBroker(t *testing.T) {
	t.Run("one of our own for one machine is ok in everything", func(t *testing.T) {
		n, conn := broker(t, local.NATSOptions{SyncAlways: true, Monitor: true})
		checks := doctor.Broker(t.Context(), conn, []string{n.MonitorURL()})
		if len(checks) != 5 || doctor.Count(checks, doctor.OK) != 5 {
			t.Errorf("\n%s", results(checks))
		}
	})
	t.Run("one that syncs at times is wrong where it tells, and unknown where it does not", func(t *testing.T) {
		n, conn := broker(t, local.NATSOptions{Monitor: true})
		want(t, doctor.Broker(t.Context(), conn, []string{n.MonitorURL()}), map[string]doctor.Result{"sync": doctor.Wrong, "jetstream": doctor.OK})
		want(t, doctor.Broker(t.Context(), conn, nil), map[string]doctor.Result{"sync": doctor.Unknown})
	})
	t.Run("of a cluster each server that holds a stream and that nobody told of is unknown", func(t *testing.T) {
		cluster := testkit.NATSCluster(t)
		conn, err := bus.Connect(cluster.URLs(), bus.ConnectOptions{Name: t.Name()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		other, _ := broker(t, local.NATSOptions{SyncAlways: true, Monitor: true})
		want(t, doctor.Broker(t.Context(), conn, []string{other.MonitorURL()}), map[string]doctor.Result{"sync": doctor.OK}) // they hold nothing yet
		if err := bus.EnsureFlow(t.Context(), conn, bus.Limits{MaxBytes: 64 << 20, Replicas: 3}); err != nil {
			t.Fatal(err)
		}
		checks := doctor.Broker(t.Context(), conn, []string{other.MonitorURL()})
		if n := doctor.Count(checks, doctor.Unknown); n != 3 {
			t.Errorf("%d are unknown of 3\n%s", n, results(checks))
		}
	})
	t.Run("one that takes only small messages is wrong", func(t *testing.T) {
		_, conn := broker(t, local.NATSOptions{MaxPayload: 64 << 10})
		want(t, doctor.Broker(t.Context(), conn, nil), map[string]doctor.Result{"max_payload": doctor.Wrong})
	})
	t.Run("one that is away is wrong", func(t *testing.T) {
		n, conn := broker(t, local.NATSOptions{})
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		for conn.Connected() {
			conn.NC.ForceReconnect() // only to notice sooner
		}
		want(t, doctor.Broker(t.Context(), conn, nil), map[string]doctor.Result{"reachable": doctor.Wrong})
	})
}

func TestStream(t *testing.T) {
	_, conn := broker(t, local.NATSOptions{})
	flow := bus.WantedFlow(bus.Limits{MaxBytes: 64 << 20})
	t.Run("one that is not there is wrong", func(t *testing.T) {
		want(t, doctor.Stream(t.Context(), conn, flow), map[string]doctor.Result{"settings": doctor.Wrong})
	})
	t.Run("one as ops makes it is ok, and FLOW tells the broker's clock", func(t *testing.T) {
		if err := bus.EnsureFlow(t.Context(), conn, bus.Limits{MaxBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		want(t, doctor.Stream(t.Context(), conn, flow), map[string]doctor.Result{"settings": doctor.OK, "clock": doctor.OK})
	})
	t.Run("one of another size is wrong", func(t *testing.T) {
		want(t, doctor.Stream(t.Context(), conn, bus.WantedFlow(bus.Limits{MaxBytes: 32 << 20})), map[string]doctor.Result{"settings": doctor.Wrong})
	})
}
