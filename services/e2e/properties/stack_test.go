package properties

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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
	patience = 45 * time.Second
	// stopTime bounds the end of one service.
	stopTime = 15 * time.Second
	sweep    = 300 * time.Millisecond
	lease    = 5 * time.Second
)

// waits are those of a test: as short as their order allows.
var waits = record.Waits{
	Missing: 300 * time.Millisecond, Settle: 100 * time.Millisecond, Gone: 300 * time.Millisecond, Lookup: 200 * time.Millisecond,
	BindMaxAge: 30 * time.Second, OrphanAge: time.Minute,
}

// stack is every service in this process, with a broker, a ledger and an org of its own.
type stack struct {
	t    *testing.T
	db   *testkit.DB
	sim  *simtest.Sim
	conn *bus.Conn
	nats string
	ops  string
	log  *logBook
	stop []func()
}

// model is the org's: an object for each pipeline.
func model() string {
	var b strings.Builder
	b.WriteString("objects:\n")
	for i, k := range kinds {
		fmt.Fprintf(&b, "  - name: %s\n    keyPrefix: \"a%02d\"\n    fields:\n", k.object, i)
		b.WriteString("      - {name: Ext__c, type: string, length: 80, externalId: true, unique: true}\n")
		for _, c := range columns {
			fmt.Fprintf(&b, "      - {name: %s, type: string, length: 80}\n", c.field)
		}
	}
	return b.String()
}

// definition of a pipeline: small chunks, quick retries.
func (k kind) definition() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: bulkhead/v1\nkind: Pipeline\nname: %s\norg: main\nobject: %s\noperation: %s\n", k.pipeline, k.object, k.operation)
	if k.inserts() {
		b.WriteString("correlation: Ext__c\n")
	} else {
		b.WriteString("externalId: Ext__c\n")
	}
	if k.versioned {
		b.WriteString("version: v\n")
	}
	if k.whole {
		b.WriteString("records: whole\n")
	}
	b.WriteString("unknownMembers: reject\nemptyString: reject\nmap:\n  - {from: id, to: Ext__c, type: string, required: true}\n")
	for _, c := range columns {
		fmt.Fprintf(&b, "  - {from: %s, to: %s, type: string}\n", c.member, c.field)
	}
	fmt.Fprintf(&b, "lanes: %d\nchunk: {rows: 3, bytes: 1MB, age: 60ms}\nbacklog: 64MiB\n", k.lanes)
	b.WriteString("retry:\n  transient: {attempts: 8, base: 40ms, max: 200ms}\n  contention: {attempts: 8, base: 40ms, max: 200ms}\n  reference: {attempts: 3, base: 40ms, max: 200ms}\n")
	return []byte(b.String())
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t, db: testkit.Database(t), sim: simtest.Start(t, simtest.Model(model())), nats: testkit.NATS(t).URL(), log: newLogBook(t)}
	secret := filepath.Join(t.TempDir(), "secret")
	s.must(os.WriteFile(secret, []byte(s.sim.Secret), 0o600))
	for _, name := range []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"} {
		s.start(name, secret)
	}
	conn, err := bus.Connect(s.nats, bus.ConnectOptions{Name: "test"})
	s.must(err)
	t.Cleanup(conn.Close)
	s.conn = conn
	for _, k := range kinds {
		if !within(patience, func() bool { _, err := bus.Info(t.Context(), conn, bus.RecordsStream(k.pipeline)); return err == nil }) {
			t.Fatalf("pipeline %s takes no records", k.pipeline)
		}
	}
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

func (s *stack) start(name, secret string) {
	s.t.Helper()
	ctx, dsn := s.t.Context(), s.db.DSN(name)
	env := service.NewEnv(name, s.log, slog.LevelInfo)
	var (
		p   part
		err error
	)
	switch name {
	case "ops":
		c := ops.DefaultConfig()
		c.DSN, c.NATSURL, c.Sweep, c.HTTPListen, c.GRPCListen = dsn, s.nats, sweep, "127.0.0.1:0", "127.0.0.1:0"
		for _, k := range kinds {
			c.Definitions = append(c.Definitions, k.definition())
		}
		c.Orgs = [][]byte{fmt.Appendf(nil,
			"kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretFile: %s\napiVersion: \"66.0\"\norphans: report\nallowInsecureLoopback: true\n",
			s.sim.URL, s.sim.ClientID, secret)}
		var o *ops.App
		if o, err = ops.New(ctx, c, env); err == nil {
			s.ops = "http://" + o.HTTPAddr()
		}
		p = o
	case "reconciler":
		p, err = reconciler.New(ctx, reconciler.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, Lease: lease, Sweep: sweep}, env)
	case "poller":
		p, err = poller.New(ctx, poller.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, ShortRetries: true, Lease: lease, Sweep: sweep}, env)
	case "retrier":
		p, err = retrier.New(ctx, retrier.Config{DSN: dsn, NATSURL: s.nats, Sweep: sweep}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.DSN, c.NATSURL, c.Waits, c.ShortRetries, c.Lease, c.Sweep = dsn, s.nats, waits, true, lease, sweep
		p, err = submitter.New(ctx, c, env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.DSN, c.NATSURL, c.Lease, c.Sweep = dsn, s.nats, lease, sweep
		p, err = extractor.New(ctx, c, env)
	}
	s.must(err)
	run, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(run) }()
	stop := sync.OnceFunc(func() {
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
	s.stop = append(s.stop, stop)
	s.t.Cleanup(stop)
}

// close ends the services.
func (s *stack) close() {
	for i := len(s.stop) - 1; i >= 0; i-- {
		s.stop[i]()
	}
}

// within waits for a state, and says whether it came.
func within(d time.Duration, is func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(d)
	defer late.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late.C:
			return false
		}
	}
	return true
}

// ask calls ops' HTTP API; an error is one of the test's own making, or the product's.
func (s *stack) ask(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.ops+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s %s: %w: %s", method, path, errNotFound, raw)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: %w: %s", method, path, err, raw)
	}
	return nil
}

// publish stores one frame, and returns its sequence.
func (s *stack) publish(pipeline, run string, frame []byte) (uint64, error) {
	m := nats.NewMsg(bus.RecordsSubject(pipeline))
	m.Data = frame
	m.Header.Set(bus.HeaderContentType, bus.TypeProtobuf)
	m.Header.Set(bus.HeaderRun, run)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ack, err := s.conn.JS.PublishMsg(ctx, m)
	if err != nil {
		return 0, err
	}
	if ack.Duplicate {
		return 0, errors.New("the broker took a frame without an id for a repeat")
	}
	return ack.Sequence, nil
}

// logBook keeps what the services log of what goes wrong, and shows it with a test that fails.
type logBook struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func newLogBook(t *testing.T) *logBook {
	b := &logBook{}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if t.Failed() {
			t.Logf("what the services logged:\n%s", b.raw.Bytes())
		}
	})
	return b
}

// Write takes one line, as slog's handlers write them.
func (b *logBook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !bytes.Contains(line, []byte(`"level":"INFO"`)) {
		b.raw.Write(line)
	}
	return len(line), nil
}
