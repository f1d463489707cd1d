package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/jackc/pgx/v5/pgxpool"
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
	// shipped is where the definitions that come with Bulkhead are.
	shipped = "../../../deploy/config/pipelines"
)

// services in an order in which they may be started.
var services = []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"}

// stack is everything, in this process.
type stack struct {
	t     *testing.T
	db    *testkit.DB
	admin *pgxpool.Pool
	sim   *simtest.Sim
	conn  *bus.Conn
	nats  string
	ops   string
	sweep time.Duration
	// horizon is how long messages stay in their streams when all is known of them.
	horizon time.Duration
	log     *logBook

	defs    [][]byte
	org     []byte
	running map[string]func()
}

// newStack starts all services with the shipped definitions, whose chunks are sealed sooner.
func newStack(t *testing.T, options ...func(*stack)) *stack {
	t.Helper()
	s := &stack{t: t, db: testkit.Database(t), sim: simtest.Start(t), nats: testkit.NATS(t).URL(), sweep: 500 * time.Millisecond, running: map[string]func(){}}
	s.log = newLogBook(t)
	s.admin = s.db.AdminPool(t)
	for _, name := range []string{"accounts.yaml", "contacts.yaml"} {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		s.must(err)
		s.defs = append(s.defs, bytes.Replace(text, []byte("age: 2s"), []byte("age: 300ms"), 1))
	}
	secret := filepath.Join(t.TempDir(), "secret")
	s.must(os.WriteFile(secret, []byte(s.sim.Secret), 0o600))
	s.org = fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretFile: %s\napiVersion: \"66.0\"\norphans: report\nallowInsecureLoopback: true\n",
		s.sim.URL, s.sim.ClientID, secret)
	for _, o := range options {
		o(s)
	}
	for _, name := range services {
		s.start(name)
	}
	conn, err := bus.Connect(s.nats, bus.ConnectOptions{Name: "test"})
	s.must(err)
	t.Cleanup(conn.Close)
	s.conn = conn
	s.eventually("every pipeline takes records", func() bool {
		for _, p := range []string{"accounts", "contacts"} {
			if _, err := bus.Info(t.Context(), conn, bus.RecordsStream(p)); err != nil {
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

// start starts an instance of a service; stop ends it.
func (s *stack) start(name string) {
	s.t.Helper()
	ctx := s.t.Context()
	dsn, waits := s.db.DSN(name), record.ShortWaits()
	env := service.NewEnv(name, s.log, slog.LevelInfo)
	const lease = 5 * time.Second
	var (
		p   part
		err error
	)
	switch name {
	case "ops":
		var o *ops.App
		o, err = ops.New(ctx, ops.Config{
			DSN: dsn, NATSURL: s.nats, Sweep: s.sweep, HTTPListen: "127.0.0.1:0", GRPCListen: "127.0.0.1:0", Definitions: s.defs,
			Orgs: [][]byte{s.org}, Horizon: s.horizon,
		}, env)
		if err == nil {
			s.ops = "http://" + o.HTTPAddr()
		}
		p = o
	case "reconciler":
		p, err = reconciler.New(ctx, reconciler.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, ShortRetries: true, Lease: lease, Sweep: s.sweep}, env)
	case "poller":
		p, err = poller.New(ctx, poller.Config{DSN: dsn, NATSURL: s.nats, Waits: waits, ShortRetries: true, Lease: lease, Sweep: s.sweep}, env)
	case "retrier":
		p, err = retrier.New(ctx, retrier.Config{DSN: dsn, NATSURL: s.nats, ShortRetries: true, Sweep: s.sweep}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.DSN, c.NATSURL, c.Waits, c.ShortRetries, c.Lease, c.Sweep = dsn, s.nats, waits, true, lease, s.sweep
		p, err = submitter.New(ctx, c, env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.DSN, c.NATSURL, c.Lease, c.Sweep = dsn, s.nats, lease, s.sweep
		p, err = extractor.New(ctx, c, env)
	default:
		s.t.Fatalf("there is no service %q", name)
	}
	s.must(err)
	run, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(run) }()
	var once sync.Once
	s.running[name] = func() {
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
	s.t.Cleanup(s.running[name])
}

func (s *stack) stop(name string) { s.running[name]() }

// eventually waits for a state.
func (s *stack) eventually(what string, is func() bool) {
	s.t.Helper()
	if !within(patience, is) {
		s.t.Fatalf("it never happened that %s; the balance is %+v", what, s.balance(""))
	}
}

// within waits for a state, and says whether it came.
func within(d time.Duration, is func() bool) bool {
	tick := time.NewTicker(25 * time.Millisecond)
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

// eventuallyQuiet is eventually while ops is stopped and cannot be asked.
func (s *stack) eventuallyQuiet(what string, is func() bool) {
	s.t.Helper()
	if !within(patience, is) {
		s.t.Fatalf("it never happened that %s", what)
	}
}

// ask calls ops' HTTP API.
func (s *stack) ask(method, path string, in, out any) {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		s.must(err)
		body = bytes.NewReader(text)
	}
	raw := s.raw(method, path, body)
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
}

func (s *stack) raw(method, path string, body io.Reader) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.ops+path, body)
	s.must(err)
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	s.must(err)
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	return raw
}

type balance struct {
	record.Balance

	Repeats int64
	AddsUp  bool
	Unread  int64
	Failed  map[string]int64 // attempts by class
}

func (s *stack) balance(pipeline string) balance {
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
	path := "/v1/balance"
	if pipeline != "" {
		path += "?pipeline=" + pipeline
	}
	s.ask(http.MethodGet, path, nil, &r)
	if !r.AddsUp || !r.Balance.AddsUp() {
		s.t.Errorf("the balance does not add up: %+v", r.Balance)
	}
	return balance{Balance: r.Balance, Repeats: r.Repeats, AddsUp: r.AddsUp, Unread: r.Unread.Messages, Failed: r.FailedAttempts}
}

// settle waits until n records of a pipeline are accepted and nothing moves.
func (s *stack) settle(pipeline string, n int64) balance {
	s.t.Helper()
	var b balance
	s.eventually(fmt.Sprintf("%d records of %s come to rest", n, pipeline), func() bool {
		b = s.balance(pipeline)
		return b.Accepted == n && b.InFlight+b.Retrying+b.WaitingForParent+b.Unread == 0
	})
	return b
}

// publish sends one message; id is its Nats-Msg-Id, "" = none. It is false for a message that the broker itself took for a repeat, within its
// shortest window: that one reaches nobody.
func (s *stack) publish(pipeline, id string, body []byte, frame bool) bool {
	s.t.Helper()
	m := nats.NewMsg(bus.RecordsSubject(pipeline))
	m.Data = body
	if frame {
		m.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
	}
	var options []jetstream.PublishOpt
	if id != "" {
		options = append(options, jetstream.WithMsgID(id))
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	ack, err := s.conn.JS.PublishMsg(ctx, m, options...)
	s.must(err)
	return !ack.Duplicate
}

// frame is a file of contacts, one a line.
func frame(prefix string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		b.Write(contact(fmt.Sprintf("%s-%04d", prefix, i)))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// contact is a record that lands by itself. Its values would be hurt by any change of quoting, line ends or encoding.
func contact(id string) []byte {
	text, err := json.Marshal(map[string]string{
		"id": id, "first_name": "Ann \"" + id + "\"", "last_name": "Öst, of " + id, "email": strings.ToLower(id) + "@people.example", "phone": "+1 555 0100",
	})
	if err != nil {
		panic(err)
	}
	return text
}

func keysOf(prefix string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return out
}

// failing makes rows with these keys fail; perKey bounds how often each (0 = for ever).
func (s *stack) failing(text string, perKey int, keys ...string) string {
	s.t.Helper()
	return s.sim.AddFault(simtest.Fault{
		Where: &simtest.Where{Keys: keys}, TimesPerKey: perKey, Effect: simtest.Effect{Kind: simtest.RowError, Error: text},
	})
}

// closed are the jobs that may have touched the org, oldest first.
func (s *stack) closed() []simtest.Job {
	s.t.Helper()
	var out []simtest.Job
	for _, j := range s.sim.Jobs() {
		if j.Closed {
			out = append(out, j)
		}
	}
	return out
}

func (s *stack) number(query string, args ...any) int64 {
	s.t.Helper()
	var n int64
	s.must(s.admin.QueryRow(s.t.Context(), query, args...).Scan(&n))
	return n
}

type letter struct {
	ID         string `json:"id"`
	Key        string `json:"key"`
	Generation int    `json:"generation"`
	Class      string `json:"class"`
	Code       string `json:"code"`
	Message    string `json:"message"`
}

func (s *stack) letters(pipeline string) []letter {
	s.t.Helper()
	var page struct {
		Letters []letter `json:"dead_letters"`
	}
	s.ask(http.MethodGet, "/v1/dead-letters?page_size=1000&pipeline="+pipeline, nil, &page)
	return page.Letters
}

type history struct {
	State      string `json:"state"`
	Generation int    `json:"generation"`
	ID         string `json:"salesforce_id"`
	Events     []struct {
		At      time.Time `json:"at"`
		Service string    `json:"service"`
		What    string    `json:"what"`
		JobID   string    `json:"job_id"`
		Code    string    `json:"code"`
	} `json:"events"`
}

func (s *stack) record(pipeline, key string) history {
	s.t.Helper()
	var r struct {
		Records []history `json:"records"`
	}
	s.ask(http.MethodGet, "/v1/records?pipeline="+pipeline+"&key="+key, nil, &r)
	if len(r.Records) != 1 {
		s.t.Fatalf("%d records have the key %s", len(r.Records), key)
	}
	return r.Records[0]
}

// logBook keeps what the services log, and shows it with a test that fails.
type logBook struct {
	mu    sync.Mutex
	lines []map[string]any
	raw   bytes.Buffer
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
	b.raw.Write(line)
	var m map[string]any
	if json.Unmarshal(line, &m) == nil {
		b.lines = append(b.lines, m)
	}
	return len(line), nil
}

// said are the lines with this message.
func (b *logBook) said(msg string) []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []map[string]any
	for _, l := range b.lines {
		if l["msg"] == msg {
			out = append(out, l)
		}
	}
	return out
}
