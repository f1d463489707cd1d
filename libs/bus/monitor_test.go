package bus_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bulkhead/libs/bus"
)

// monitored starts a server that tells of itself, and gives its monitoring address.
func monitored(t *testing.T, o server.Options) string {
	t.Helper()
	o.Host, o.Port, o.HTTPHost, o.HTTPPort = "127.0.0.1", server.RANDOM_PORT, "127.0.0.1", -1
	o.NoLog, o.NoSigs, o.StoreDir, o.ServerName = true, true, t.TempDir(), "n1"
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not take connections")
	}
	return "http://" + s.MonitorAddr().String()
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options server.Options
		refused bool
	}{
		"a server that syncs every write is safe":                              {server.Options{JetStream: true, SyncAlways: true}, false},
		"a server that syncs when it is time to is refused":                    {server.Options{JetStream: true, SyncInterval: 2 * time.Minute}, true},
		"a server that loses on purpose says so by its tag":                    {server.Options{JetStream: true, SyncInterval: time.Second, Tags: []string{"bulkhead.durability:unsafe"}}, false},
		"a server without streams has nothing to lose, whatever it syncs when": {server.Options{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := bus.Monitor(t.Context(), monitored(t, c.options))
			if err != nil {
				t.Fatal(err)
			}
			if m.Name != "n1" || m.Version != server.VERSION || m.Streams != c.options.JetStream || m.SyncAlways != c.options.SyncAlways {
				t.Errorf("%+v", m)
			}
			err = m.Check()
			if errors.Is(err, bus.ErrUnsafe) != c.refused || c.refused && !strings.Contains(err.Error(), "sync_interval: always") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("what is no NATS server's is an error", func(t *testing.T) {
		t.Parallel()
		for _, answer := range []string{"{}", "not JSON", `{"server_id":7}`} {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
			if m, err := bus.Monitor(t.Context(), other.URL); err == nil {
				t.Errorf("%s is read as %+v", answer, m)
			}
			other.Close()
		}
		if _, err := bus.Monitor(t.Context(), "http://127.0.0.1:1"); err == nil {
			t.Error("nobody answered, and there is an answer")
		}
	})
}

func TestMonitorAddresses(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]int{"": 0, "http://a:8222": 1, "http://a:8222/, https://b:8222": 2} {
		t.Run("are taken: "+list, func(t *testing.T) {
			if err := bus.CheckMonitors(list); err != nil || len(bus.Monitors(list)) != want {
				t.Errorf("%v, %v", bus.Monitors(list), err)
			}
		})
	}
	for _, list := range []string{"a:8222", "nats://a:4222", "http://", "http://a:8222,ftp://u:s3cret@b", "http://u:s3cret@a b"} {
		t.Run("are refused without their passwords: "+list, func(t *testing.T) {
			if err := bus.CheckMonitors(list); err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v", err)
			}
		})
	}
}
