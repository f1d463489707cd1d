package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/app"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/orgsim/simtest"
)

// found is a check as the API tells it.
type found struct{ Of, Name, Result, Found, Fix string }

// diagnose has ops look at everything; checks are by "<of> <name>", of several of one name the last.
func (b *bundle) diagnose(t *testing.T) map[string]found {
	t.Helper()
	code, reply := b.call(t, http.MethodGet, "/v1/diagnosis", "", "")
	var answer struct{ Checks []found }
	if err := json.Unmarshal(reply, &answer); err != nil || code != http.StatusOK {
		t.Fatalf("%d %v: %s", code, err, reply)
	}
	out := map[string]found{}
	for _, c := range answer.Checks {
		if (c.Result == "ok") != (c.Fix == "") {
			t.Errorf("it says %s, and to do %q: %+v", c.Result, c.Fix, c)
		}
		out[c.Of+" "+c.Name] = c
	}
	return out
}

func TestDiagnosis(t *testing.T) {
	sim := simtest.Start(t)
	t.Setenv(orgSecret, sim.Secret)
	text := func(version, pin string) [][]byte {
		return [][]byte{fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretEnv: %s\napiVersion: %q\n%sallowInsecureLoopback: true\n",
			sim.URL, sim.ClientID, orgSecret, version, pin)}
	}
	b := start(t, func(c *app.Config) { c.Orgs = text("66.0", "") })
	want := func(t *testing.T, wanted map[string]string) {
		t.Helper()
		is := b.diagnose(t)
		for name, r := range wanted {
			if is[name].Result != r {
				t.Errorf("%s is %+v, want %s", name, is[name], r)
			}
		}
	}
	t.Run("says what is ok, and of the ledger of a test and of a broker that tells nothing that they are not", func(t *testing.T) {
		want(t, map[string]string{
			"ledger reachable": "ok", "ledger primary": "ok", "ledger durability": "wrong", "ledger connections": "ok", "ledger schema": "ok", "ledger clock": "ok",
			"broker reachable": "ok", "broker jetstream": "ok", "broker max_payload": "ok", "broker room": "ok", "broker sync": "unknown", "broker clock": "ok",
			"stream FLOW settings": "ok", "stream DLQ settings": "ok", "stream RECORDS_contacts settings": "ok",
			"org main login": "ok", "org main org_id": "ok", "org main api": "ok", "org main DailyApiRequests": "ok", "org main DailyBulkApiBatches": "ok", "org main clock": "ok",
		})
	})
	t.Run("asks nobody who may not be called: the circuit of an org is open", func(t *testing.T) {
		b.Circuit("poller", fixture.Circuit{Class: "transient", Cause: "status 503: busy", Failures: 2, Opened: -20, Failed: -10, NextCall: 600})
		defer b.Exec(`DELETE FROM poller.circuits`)
		before := len(sim.Calls(0, ""))
		want(t, map[string]string{"org main login": "unknown", "org main api": ""})
		if n := len(sim.Calls(0, "")) - before; n != 0 {
			t.Errorf("the org was called %d times", n)
		}
	})
	t.Run("a login that is refused is wrong, and the secret stands in no check", func(t *testing.T) {
		t.Setenv(orgSecret, "another-secret")
		for name, c := range b.diagnose(t) {
			if strings.Contains(c.Found+c.Fix, "another-secret") {
				t.Errorf("%s shows the secret", name)
			}
			if name == "org main login" && c.Result != "wrong" {
				t.Errorf("%+v", c)
			}
		}
	})
	t.Run("a day's limit that is used up is wrong", func(t *testing.T) {
		sim.Set(map[string]any{"daily_api_limit": 1})
		defer sim.Set(map[string]any{"daily_api_limit": 100_000})
		if is := b.diagnose(t); is["org main DailyApiRequests"].Result != "wrong" && is["org main api"].Result != "wrong" {
			t.Errorf("%+v", is)
		}
	})
	t.Run("a stream that is another one than ops makes is wrong until ops has mended it", func(t *testing.T) {
		conn, err := bus.Connect(b.natsURL, bus.ConnectOptions{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.JS.DeleteStream(t.Context(), bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is there again", func() bool { return b.diagnose(t)["stream DLQ settings"].Result == "ok" })
	})
	t.Run("costs a role that may spend calls", func(t *testing.T) {
		tokens := filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(tokens, []byte("tokens:\n  - {name: dash, role: viewer, token: viewer-token-0000}\n  - {name: night, role: operator, token: operator-token-00}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		guarded := start(t, func(c *app.Config) { c.TokensFile = tokens })
		for token, want := range map[string]int{"viewer-token-0000": http.StatusForbidden, "operator-token-00": http.StatusOK, "": http.StatusUnauthorized} {
			if code, reply := guarded.call(t, http.MethodGet, "/v1/diagnosis", token, ""); code != want {
				t.Errorf("%q: %d, want %d: %s", token, code, want, reply)
			}
		}
	})
}

// TestABrokerThatTellsThatItCouldLose is about brokers that are asked at their monitoring address.
func TestABrokerThatTellsThatItCouldLose(t *testing.T) {
	open := func(t *testing.T, o local.NATSOptions) (*bundle, error) {
		t.Helper()
		o.Monitor = true
		n, err := local.StartNATS(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		db := testkit.Database(t)
		b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), natsURL: n.URL(), dsn: db.DSN("ops")}
		config := b.config(func(c *app.Config) { c.NATSMonitor = n.MonitorURL() })
		a, err := app.New(t.Context(), config, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		b.app, b.base = a, "http://"+a.HTTPAddr()
		return b, nil
	}
	t.Run("is refused at start, with the way out", func(t *testing.T) {
		if _, err := open(t, local.NATSOptions{}); !errors.Is(err, bus.ErrUnsafe) || !strings.Contains(err.Error(), "sync_interval: always") {
			t.Error(err)
		}
	})
	t.Run("is none when it syncs every write", func(t *testing.T) {
		b, err := open(t, local.NATSOptions{SyncAlways: true})
		if err != nil {
			t.Fatal(err)
		}
		if c := b.diagnose(t)["broker sync"]; c.Result != "ok" {
			t.Errorf("%+v", c)
		}
	})
	t.Run("cannot be refused where it does not answer, and ops starts", func(t *testing.T) {
		b := start(t, func(c *app.Config) { c.NATSMonitor = "http://127.0.0.1:1" })
		if c := b.diagnose(t)["broker sync"]; c.Result != "unknown" {
			t.Errorf("%+v", c)
		}
	})
	t.Run("has an address that can be asked", func(t *testing.T) {
		c := app.Config{DSN: "postgres://x", NATSURL: "nats://x", NATSMonitor: "nats://x:4222"}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "natsMonitor") {
			t.Error(err)
		}
	})
}
