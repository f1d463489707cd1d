package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/local"
	"bulkhead/libs/testkit"
)

const (
	checkOK      = `{"of":"ledger","name":"reachable","result":"ok","found":"PostgreSQL 15.4","fix":""}`
	checkWrong   = `{"of":"stream DLQ","name":"settings","result":"wrong","found":"max_age is 1h0m0s and not \u001b[31m0s","fix":"ops puts it right"}`
	checkUnknown = `{"of":"broker","name":"sync","result":"unknown","found":"nobody tells","fix":"give ops the addresses"}`
)

// diagnosed is an ops that answers with checks.
func diagnosed(t *testing.T, checks ...string) string {
	t.Helper()
	return fakeOps(t, map[string]reply{"GET /v1/diagnosis": ok(`{"version":"v1","checks":[` + strings.Join(checks, ",") + `]}`)})
}

func TestDoctor(t *testing.T) {
	for name, c := range map[string]struct {
		checks []string
		want   int
	}{
		"ok":      {[]string{checkOK}, ExitDone},
		"wrong":   {[]string{checkOK, checkUnknown, checkWrong}, ExitFailed},
		"unknown": {[]string{checkOK, checkUnknown}, ExitPartly},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run("of an installation that is "+name+" as "+format+" prints and exits as written", func(t *testing.T) {
				args := []string{"--ops", diagnosed(t, c.checks...), "doctor"}
				if format == "json" {
					args = append(args, "--json")
				}
				code, out, errOut := invoke(t, "", args...)
				if code != c.want || errOut != "" || strings.ContainsAny(out, "\x1b") {
					t.Errorf("exit %d, want %d, stderr %q\n%q", code, c.want, errOut, out)
				}
				golden(t, "commands/doctor-"+name+"."+format+".txt", "exit "+itoa(code)+"\n--- stdout\n"+out)
			})
		}
	}
	t.Run("an ops that is away is something that was seen, and exits 6", func(t *testing.T) {
		code, out, _ := invoke(t, "", "--ops", "http://127.0.0.1:1", "doctor", "--json")
		var d diagnosis
		if err := json.Unmarshal([]byte(out), &d); err != nil || code != ExitUnreachable || d.Wrong != 1 || len(d.Checks) != 1 || d.Checks[0].Of != "ops" || d.Checks[0].Fix == "" {
			t.Errorf("exit %d, %v: %s", code, err, out)
		}
	})
	t.Run("an ops that is older than the verb is unknown, and exits 3", func(t *testing.T) {
		older := fakeOps(t, map[string]reply{"GET /v1/diagnosis": {404, `{"code":5,"message":"Not Found"}`}})
		if code, out, _ := invoke(t, "", "--ops", older, "doctor"); code != ExitPartly || !strings.Contains(out, "older than this command") {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	t.Run("an ops that refuses is an error", func(t *testing.T) {
		denied := fakeOps(t, map[string]reply{"GET /v1/diagnosis": {403, `{"code":7,"message":"the role viewer may not"}`}})
		if code, _, errOut := invoke(t, "", "--ops", denied, "doctor"); code != ExitRefused || !strings.Contains(errOut, "viewer") {
			t.Errorf("exit %d: %s", code, errOut)
		}
	})
	t.Run("an ops that wants a token names the flag for it: exit 2", func(t *testing.T) {
		closed := fakeOps(t, map[string]reply{"GET /v1/diagnosis": {401, `{"code":16,"message":"no bearer token"}`}})
		if code, _, errOut := invoke(t, "", "--ops", closed, "doctor"); code != ExitUsage || !strings.Contains(errOut, "--token-file") {
			t.Errorf("exit %d: %s", code, errOut)
		}
	})
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"an argument":                     {"all"},
		"a monitor of no broker":          {"--nats-monitor", "http://127.0.0.1:8222"},
		"a monitor that is no address":    {"--nats", "nats://127.0.0.1:4222", "--nats-monitor", "127.0.0.1:8222"},
		"a broker that is no address":     {"--nats", "http://127.0.0.1:4222"},
		"a file of an address, not there": {"--dsn-file", empty + ".gone"},
		"a file of an address, empty":     {"--dsn-file", empty},
	} {
		t.Run("is not asked with "+name+": exit 2", func(t *testing.T) {
			if code, out, errOut := invoke(t, "", append([]string{"--ops", "http://127.0.0.1:1", "doctor"}, args...)...); code != ExitUsage || out != "" || errOut == "" {
				t.Errorf("exit %d: %s%s", code, out, errOut)
			}
		})
	}
}

// TestDoctorFromHere looks at a real ledger and a real broker while there is no ops.
func TestDoctorFromHere(t *testing.T) {
	db := testkit.Database(t)
	broker, err := local.StartNATS(t.Context(), local.NATSOptions{SyncAlways: true, Monitor: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := broker.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	file := func(dsn string) string {
		path := filepath.Join(t.TempDir(), "dsn")
		if err := os.WriteFile(path, []byte(dsn+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	look := func(t *testing.T, args ...string) map[string]seen {
		t.Helper()
		code, out, errOut := invoke(t, "", append([]string{"--ops", "http://127.0.0.1:1", "doctor", "--json"}, args...)...)
		var d diagnosis
		if err := json.Unmarshal([]byte(out), &d); err != nil || code != ExitUnreachable {
			t.Fatalf("exit %d, %v: %s%s", code, err, out, errOut)
		}
		checks := map[string]seen{}
		for _, c := range d.Checks {
			checks[c.Of+" "+c.Name] = c
		}
		return checks
	}
	t.Run("it sees the schemas of all services, and what a test's ledger and a durable broker are", func(t *testing.T) {
		is := look(t, "--dsn-file", file(db.AdminDSN), "--nats", broker.URL(), "--nats-monitor", broker.MonitorURL())
		for name, want := range map[string]string{
			"ops reachable": "wrong", "ledger reachable": "ok", "ledger durability": "wrong", "ledger schema": "ok", "broker reachable": "ok", "broker sync": "ok",
		} {
			if is[name].Result != want {
				t.Errorf("%s is %+v, want %s", name, is[name], want)
			}
		}
	})
	t.Run("an ops that refuses is unknown, and what it stands on is seen all the same", func(t *testing.T) {
		denied := fakeOps(t, map[string]reply{"GET /v1/diagnosis": {403, `{"code":7,"message":"the role viewer may not"}`}})
		code, out, errOut := invoke(t, "", "--ops", denied, "doctor", "--nats", broker.URL(), "--nats-monitor", broker.MonitorURL())
		if code != ExitPartly || errOut != "" || !strings.Contains(out, "the role viewer may not") || !strings.Contains(out, "syncs every write") {
			t.Errorf("exit %d: %s%s", code, out, errOut)
		}
	})
	t.Run("what is away from here is wrong, and no password is shown", func(t *testing.T) {
		is := look(t, "--dsn-file", file("postgres://u:s3cret@127.0.0.1:1/x?sslmode=disable"), "--nats", "nats://u:s3cret@127.0.0.1:1")
		for _, name := range []string{"ledger reachable", "broker reachable"} {
			if c := is[name]; c.Result != "wrong" || strings.Contains(c.Found+c.Fix, "s3cret") {
				t.Errorf("%s is %+v", name, c)
			}
		}
	})
}
