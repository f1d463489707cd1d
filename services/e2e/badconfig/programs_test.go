package badconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/local"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	ops "bulkhead/services/ops/app"
)

// exitUsage is the exit code for wrong use or configuration.
const exitUsage = 2

// programs are the binaries, built once.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-badconfig")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		out, err := exec.Command("go", "build", "-o", dir+"/", "bulkhead/services/retrier", "bulkhead/services/ops").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// program runs a service with a configuration that it must refuse, and returns what it said.
func program(t *testing.T, name string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, name), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Fatalf("%s %v ended with %v, want exit code %d\n%s", name, args, err, exitUsage, &said)
	}
	return said.String()
}

func TestProgramsEndWithTheExitCodeForConfiguration(t *testing.T) {
	for _, tc := range []struct{ does, text, word string }{
		{"an unknown key", needed + "swep: 1s\n", `did you mean "sweep"?`},
		{"what is missing", "sweep: 30s\n", "dsn is missing"},
		{"another scheme for the broker", "dsn: postgres://u@127.0.0.1:1/x\nnatsUrl: http://127.0.0.1:1\n", "nats://"},
	} {
		for _, name := range []string{"retrier", "ops"} {
			t.Run(name+" on "+tc.does, func(t *testing.T) {
				if said := program(t, name, nil, "--config", file(t, tc.text)); !strings.Contains(said, tc.word) {
					t.Errorf("%q does not say %q", said, tc.word)
				}
			})
		}
	}
}

func unknownLogLevel(t *testing.T) {
	for _, level := range []string{"loud", "3", "info+1"} {
		said := program(t, "retrier", []string{"BULKHEAD_LOG_LEVEL=" + level}, "--config", file(t, needed))
		if !strings.Contains(said, "BULKHEAD_LOG_LEVEL") || !strings.Contains(said, "debug, info, warn, error") {
			t.Errorf("%s: %s", level, said)
		}
	}
}

// opsConfig is a configuration of ops that works, with a ledger and a broker of its own.
func opsConfig(t *testing.T) ops.Config {
	t.Helper()
	c := ops.DefaultConfig()
	c.DSN, c.NATSURL = testkit.Database(t).DSN("ops"), testkit.NATS(t).URL()
	c.HTTPListen, c.GRPCListen = "127.0.0.1:0", "127.0.0.1:0"
	c.Orgs, c.SkipDescribe = [][]byte{[]byte(org)}, true
	c.Definitions = [][]byte{[]byte(definition)}
	c.Sweep = 50 * time.Millisecond
	return c
}

// startOps makes ops, which must be refused; it returns why.
func startOps(t *testing.T, c ops.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := ops.New(ctx, c, service.NewEnv("ops", t.Output(), slog.LevelError))
	if err == nil {
		stopped, stop := context.WithCancel(ctx)
		stop()
		_ = a.Run(stopped) // it opened what has to be closed
	}
	return err
}

func addressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	c := opsConfig(t)
	for what, change := range map[string]func(*ops.Config){
		"HTTP": func(c *ops.Config) { c.HTTPListen = taken.Addr().String() },
		"gRPC": func(c *ops.Config) { c.GRPCListen = taken.Addr().String() },
	} {
		t.Run(what, func(t *testing.T) {
			changed := c
			change(&changed)
			said(t, startOps(t, changed), taken.Addr().String(), "address already in use")
		})
	}
}

func listeningBeyond(t *testing.T) {
	c := opsConfig(t)
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		for what, change := range map[string]func(*ops.Config){
			"HTTP": func(c *ops.Config) { c.HTTPListen = address },
			"gRPC": func(c *ops.Config) { c.GRPCListen = address },
		} {
			t.Run(what+" on "+address, func(t *testing.T) {
				changed := c
				change(&changed)
				said(t, startOps(t, changed), "BULKHEAD_TOKENS_FILE")
			})
		}
	}
}

func twoDocumentsOfOneName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"first.yaml", "second.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(definition), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := opsConfig(t)
	c.Definitions, c.PipelinesDir = nil, dir
	said(t, startOps(t, c), "first.yaml", "second.yaml", "contacts")
}

// ready runs ops until its streams are applied, or for as long as asked when they must not be, and returns what it logged.
func runOps(t *testing.T, c ops.Config, until func(log string) bool) string {
	t.Helper()
	log := &syncedBuffer{}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := ops.New(ctx, c, service.NewEnv("ops", log, slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	for tick := time.NewTicker(20 * time.Millisecond); !until(log.String()) && ctx.Err() == nil; {
		<-tick.C
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ops ended with %v", err)
	}
	return log.String()
}

func streamOf(t *testing.T, url string, config jetstream.StreamConfig) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(url, bus.ConnectOptions{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if _, err := conn.JS.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return conn
}

func streamThatForgets(t *testing.T) {
	c := opsConfig(t)
	name := bus.RecordsStream("contacts")
	conn := streamOf(t, c.NATSURL, jetstream.StreamConfig{
		Name: name, Subjects: []string{bus.RecordsSubject("contacts")}, Discard: jetstream.DiscardOld, MaxBytes: 1 << 20, Storage: jetstream.FileStorage,
	})
	look := func() jetstream.StreamConfig {
		s, err := conn.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config
	}
	runOps(t, c, func(string) bool { return look().Discard == jetstream.DiscardNew })
	if is := look(); is.Discard != jetstream.DiscardNew || is.MaxBytes != 2<<30 || is.MaxAge != 0 {
		t.Errorf("%+v", is)
	}
}

func streamWithOtherSubjects(t *testing.T) {
	c := opsConfig(t)
	// Somebody else's stream takes what is meant for the pipeline.
	streamOf(t, c.NATSURL, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"records.>"}})
	log := runOps(t, c, func(log string) bool { return strings.Contains(log, bus.RecordsStream("contacts")) })
	for _, words := range []string{bus.RecordsStream("contacts"), "subjects overlap"} {
		if !strings.Contains(log, words) {
			t.Errorf("the log does not say %q:\n%s", words, log)
		}
	}
}

func shippedBrokerSyncs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "deploy/config/nats/nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(b)), " "), "sync_interval: always") {
		t.Errorf("it says\n%s", b)
	}
}

// brokerThatSyncsLate: a broker that nobody has told otherwise syncs when it is time to.
func brokerThatSyncsLate(t *testing.T) {
	n, err := local.StartNATS(t.Context(), local.NATSOptions{Monitor: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := opsConfig(t)
	c.NATSURL, c.NATSMonitor = n.URL(), n.MonitorURL()
	said(t, startOps(t, c), "could lose what it acknowledges", "sync_interval: always", "bulkhead.durability:unsafe")
	shipped, err := os.ReadFile(filepath.Join(root, "deploy/config/services/ops.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(shipped), "natsMonitor: http://") {
		t.Errorf("the shipped ops is not told where to ask:\n%s", shipped)
	}
}
