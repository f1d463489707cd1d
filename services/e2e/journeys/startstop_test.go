package journeys

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandsThatCannotStartSaySo(t *testing.T) {
	inTurn(t)
	taken := func() (string, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return port, l.Addr().String()
	}
	port, address := taken()
	for _, flag := range []string{"--nats-port", "--ops-port", "--grpc-port", "--sim-port"} {
		t.Run("a port that is taken ends dev with exit code 2 naming "+flag, func(t *testing.T) {
			args := append(append([]string{"dev"}, freePorts...), flag, port)
			if r := command(t, args...); r.code != 2 || !strings.Contains(r.stderr, flag) || !strings.Contains(r.stderr, port) || r.stdout != "" {
				t.Errorf("exit code %d\nstdout: %s\nstderr: %s", r.code, r.stdout, r.stderr)
			}
		})
	}
	t.Run("dev --data without a simulator that outlives it ends with exit code 2 and the commands to type", func(t *testing.T) {
		r := command(t, "dev", "--data", "state")
		if r.code != 2 || !strings.Contains(r.stderr, "bulkhead sim --listen") || !strings.Contains(r.stderr, "bulkhead dev --data state --sim") {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	})
	t.Run("a directory without definitions ends dev with exit code 2", func(t *testing.T) {
		dir := t.TempDir()
		if r := command(t, append(append([]string{"dev"}, freePorts...), "--pipelines", dir)...); r.code != 2 || !strings.Contains(r.stderr, dir) {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	})
	t.Run("a simulator on a taken port ends with exit code 2", func(t *testing.T) {
		if r := command(t, "sim", "--listen", address); r.code != 2 || !strings.Contains(r.stderr, address) {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	})
	for _, args := range [][]string{{"status"}, {"dlq", "ls"}, {"record", "k"}, {"pipelines", "ls"}, {"dlq", "discard", "x", "--reason", "r"}} {
		t.Run("nobody at ops' address ends "+strings.Join(args, " ")+" with exit code 6 and the address", func(t *testing.T) {
			r := cli{"http://127.0.0.1:1"}.wants(t, 6, args...)
			if !strings.Contains(r.stderr, "http://127.0.0.1:1") || r.stdout != "" {
				t.Errorf("stdout: %s\nstderr: %s", r.stdout, r.stderr)
			}
		})
	}
	t.Run("a PostgreSQL that does not answer ends dev with exit code 6", func(t *testing.T) {
		dsn := "postgres://nobody@127.0.0.1:1/postgres?connect_timeout=2"
		if r := command(t, append(append([]string{"dev"}, freePorts...), "--postgres", dsn)...); r.code != 6 || !strings.Contains(r.stderr, "127.0.0.1") {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	})
}

func TestDevEndsInTimeWhileItIsBusy(t *testing.T) {
	inTurn(t)
	address, org := simulator(t)
	data, pipelines := dataDir(t), shippedJobs(t)
	s := dev(t, "--data", data, "--sim", address, "--pipelines", pipelines)
	org.set(t, map[string]any{"rows_per_second": 500})
	keys := keysOf("busy", 2000)
	records := make([]fields, len(keys))
	for i, k := range keys {
		records[i] = account(k)
	}
	p := newStubborn(t, s.natsURL, "records.accounts")
	for _, f := range framesOf(t, records, 250) {
		p.feed <- f
	}
	close(p.feed)
	<-p.done
	awaitRunning(t, org, 0)
	s.stopWatch()
	if code := s.proc.stop(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	// What was under way goes on with the next start, and nothing is sent twice.
	org.set(t, map[string]any{"rows_per_second": 0})
	s = dev(t, "--data", data, "--sim", address, "--pipelines", pipelines)
	if r := command(t, append(append([]string{"dev"}, freePorts...), "--data", data, "--sim", address)...); r.code != 2 || !strings.Contains(r.stderr, data) {
		t.Errorf("a second dev on the same directory ends with exit code %d, want 2: %s", r.code, r.stderr)
	}
	if b := s.settle(t, "accounts", 2000); b.Balance.Landed != 2000 {
		t.Errorf("%+v, want 2000 landed", b.Balance)
	}
	if rows := org.rows(t, "Account"); len(rows) != 2000 {
		t.Errorf("the org holds %d accounts, want 2000", len(rows))
	}
	for k, sent := range org.sendings(t, "Account") {
		if len(sent) != 1 {
			t.Errorf("%s was sent in %d closed jobs, want one", k, len(sent))
		}
	}
}

func TestADemoThatIsInterruptedSaysSo(t *testing.T) {
	inTurn(t)
	p := start(t, "demo", "--json")
	eventually(t, "it publishes", func(context.Context) (bool, error) {
		return strings.Contains(p.stderr.String(), "publish accounts"), nil
	})
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(politeStop):
		t.Fatalf("still running %s after SIGINT", politeStop)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
}
