package badrecords

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	"bulkhead/services/orgsim/simtest"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

const (
	// patience bounds every wait for a state.
	patience = 60 * time.Second
	// stopTime bounds the end of one service.
	stopTime = 15 * time.Second
	// callTime bounds one call.
	callTime = 10 * time.Second
	sweep    = 500 * time.Millisecond
	lease    = 5 * time.Second
)

// stack is everything, in this process.
type stack struct {
	t    *testing.T
	db   *testkit.DB
	sim  *simtest.Sim
	nats string
	conn *bus.Conn
	ops  string
	log  *logBook
	stop map[string]func()
	// published counts what the broker acknowledged as new.
	published int64
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{
		t: t, db: testkit.Database(t), sim: simtest.Start(t, simtest.Model(model())), nats: testkit.NATS(t).URL(), log: newLogBook(t),
		stop: map[string]func(){},
	}
	for _, name := range []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"} {
		s.start(name)
	}
	conn, err := bus.Connect(s.nats, bus.ConnectOptions{Name: "test"})
	s.must(err)
	t.Cleanup(conn.Close)
	s.conn = conn
	s.eventually("every pipeline takes records", func() bool {
		for name := range pipelines {
			if _, err := bus.Info(t.Context(), conn, bus.RecordsStream(name)); err != nil {
				return false
			}
		}
		return true
	})
	return s
}

func (s *stack) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

type part interface {
	Run(ctx context.Context) error
}

// start starts a service; stop[name] ends it.
func (s *stack) start(name string) {
	s.t.Helper()
	p, err := s.make(name)
	s.must(err)
	run, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(run) }()
	var once sync.Once
	s.stop[name] = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					s.t.Errorf("%s ended with %v", name, err)
				}
			case <-time.After(stopTime):
				s.t.Errorf("%s did not stop within %s", name, stopTime)
			}
		})
	}
	s.t.Cleanup(s.stop[name])
}

func (s *stack) make(name string) (part, error) {
	ctx, dsn, waits := s.t.Context(), s.db.DSN(name), record.ShortWaits()
	env := service.NewEnv(name, s.log, slog.LevelInfo)
	switch name {
	case "ops":
		secret := filepath.Join(s.t.TempDir(), "secret")
		s.must(os.WriteFile(secret, []byte(s.sim.Secret), 0o600))
		c := ops.Config{DSN: dsn, NATSURL: s.nats, Sweep: sweep, HTTPListen: "127.0.0.1:0", GRPCListen: "127.0.0.1:0"}
		c.Orgs = [][]byte{fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretFile: %s\napiVersion: \"66.0\"\n"+
			"orphans: report\nallowInsecureLoopback: true\n", s.sim.URL, s.sim.ClientID, secret)}
		for _, p := range slices.Sorted(maps.Keys(pipelines)) {
			c.Definitions = append(c.Definitions, []byte(pipelines[p]))
		}
		o, err := ops.New(ctx, c, env)
		if err == nil {
			s.ops = "http://" + o.HTTPAddr()
		}
		return o, err
	case "reconciler":
		return reconciler.New(ctx, reconciler.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, ShortRetries: true, Lease: lease, Sweep: sweep}, env)
	case "poller":
		return poller.New(ctx, poller.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, ShortRetries: true, Lease: lease, Sweep: sweep}, env)
	case "retrier":
		return retrier.New(ctx, retrier.Config{DSN: dsn, NATSURL: s.nats, ShortRetries: true, Sweep: sweep}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.DSN, c.NATSURL, c.Waits, c.ShortRetries, c.Lease, c.Sweep = dsn, s.nats, waits, true, lease, sweep
		return submitter.New(ctx, c, env)
	}
	c := extractor.DefaultConfig()
	c.DSN, c.NATSURL, c.Lease, c.Sweep = dsn, s.nats, lease, sweep
	return extractor.New(ctx, c, env)
}

// eventually waits for a state.
func (s *stack) eventually(what string, is func() bool) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late.C:
			s.t.Fatalf("it never happened that %s", what)
		}
	}
}

// ask calls ops' HTTP API; anything but 200 ends the test.
func (s *stack) ask(method, path string, in, out any) {
	s.t.Helper()
	status, raw := s.raw(method, path, in)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s: %d: %s", method, path, status, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
}

func (s *stack) raw(method, path string, in any) (int, []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*callTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		s.must(err)
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.ops+path, body)
	s.must(err)
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	s.must(err)
	return resp.StatusCode, raw
}

type balance struct {
	record.Balance

	Repeats, Unread int64
	Failed          map[string]int64
}

// balance asks for that of a pipeline and run; "" = all.
func (s *stack) balance(pipeline, run string) balance {
	s.t.Helper()
	var r struct {
		Balance        record.Balance   `json:"balance"`
		AddsUp         bool             `json:"adds_up"`
		Repeats        int64            `json:"repeats"`
		FailedAttempts map[string]int64 `json:"failed_attempts"`
		Unread         struct {
			Messages int64 `json:"messages"`
		} `json:"unread"`
	}
	s.ask(http.MethodGet, "/v1/balance?pipeline="+pipeline+"&run="+run, nil, &r)
	if !r.AddsUp || !r.Balance.AddsUp() {
		s.t.Errorf("the balance of %q %q does not add up: %+v", pipeline, run, r.Balance)
	}
	return balance{Balance: r.Balance, Repeats: r.Repeats, Unread: r.Unread.Messages, Failed: r.FailedAttempts}
}

// settle waits until everything published is decided and nothing moves.
func (s *stack) settle() {
	s.t.Helper()
	var b balance
	defer func() {
		if s.t.Failed() {
			s.t.Logf("published %d, %+v", s.published, b)
		}
	}()
	s.eventually("all that was published comes to rest", func() bool {
		b = s.balance("", "")
		return b.Accepted+b.Repeats == s.published && b.InFlight+b.Retrying+b.WaitingForParent+b.Unread == 0
	})
}

// publish sends a message as it is and waits for the broker's word. duplicate = the broker knows its Nats-Msg-Id and stored nothing.
func (s *stack) publish(m *nats.Msg) (duplicate bool, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), callTime)
	defer cancel()
	ack, err := s.conn.JS.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return false, err
	}
	if !ack.Duplicate {
		s.published++
	}
	return ack.Duplicate, nil
}

// afresh publishes a message whose id the broker may still know, until it is stored: the broker forgets an id after its shortest window.
func (s *stack) afresh(m *nats.Msg) {
	s.t.Helper()
	s.eventually("the broker has forgotten an id", func() bool {
		duplicate, err := s.publish(m)
		s.must(err)
		return !duplicate
	})
}

// logBook keeps what the services log, and shows it with a test that fails.
type logBook struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func newLogBook(t *testing.T) *logBook {
	b := &logBook{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the services logged:\n%s", b.text())
		}
	})
	return b
}

func (b *logBook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raw.Write(line)
}

func (b *logBook) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raw.String()
}
