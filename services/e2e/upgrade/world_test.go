//go:build upgrade

package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/orgsim/simtest"
)

const (
	patience   = 3 * time.Minute
	politeStop = 15 * time.Second
)

// world is a ledger, a broker and an org, on which services of two builds work.
type world struct {
	*testing.T
	db   *testkit.DB
	nats string
	sim  *simtest.Sim
	conn *bus.Conn
	conf string
	ops  string // where ops' HTTP API listens, whoever serves it

	running map[*instance]bool
	loads   int
	keys    []string // contacts
	dead    map[string]bool
	faults  []string
}

// instance is a process of a service.
type instance struct {
	service string
	cmd     *exec.Cmd
	done    chan struct{}
	log     bytes.Buffer // may be read when it is done
}

// newWorld has the ledger of the earliest programs, empty.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, db: testkit.Database(t, first(t)...), nats: testkit.NATS(t).URL(), sim: simtest.Start(t), conf: t.TempDir(), running: map[*instance]bool{}, dead: map[string]bool{}}
	w.ops = "http://" + w.freeAddress()
	conn, err := bus.Connect(w.nats, bus.ConnectOptions{Name: "test"})
	w.must(err)
	t.Cleanup(conn.Close)
	w.conn = conn
	secret := filepath.Join(w.conf, "secret")
	w.write("secret", w.sim.Secret)
	w.write("orgs/main.yaml", fmt.Sprintf("kind: Org\nname: main\nloginUrl: %s\nauth: client_credentials\nclientId: %s\nclientSecretFile: %s\napiVersion: \"66.0\"\norphans: report\nallowInsecureLoopback: true\n",
		w.sim.URL, w.sim.ClientID, secret))
	for _, name := range []string{"accounts.yaml", "contacts.yaml"} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(t), "deploy", "config", "pipelines", name))
		w.must(err)
		changed := strings.Replace(string(text), "age: 2s", "age: 300ms", 1)
		if name == "contacts.yaml" {
			changed += "bulk: {threshold: 0}\n" // all by jobs; accounts go by calls
		}
		w.write("pipelines/"+name, changed)
	}
	t.Cleanup(func() {
		for i := range w.running {
			_ = i.cmd.Process.Kill()
			<-i.done
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.Helper()
	file := filepath.Join(w.conf, name)
	w.must(os.MkdirAll(filepath.Dir(file), 0o755))
	w.must(os.WriteFile(file, []byte(text), 0o600))
}

func (w *world) freeAddress() string {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// migrate brings every schema as far as a build knows it, as its own `migrate` does.
func (w *world) migrate(b binaries) {
	w.Helper()
	for _, service := range pg.Services {
		c := exec.Command(b.program(service), "migrate")
		c.Env = []string{"BULKHEAD_ADMIN_DSN=" + w.db.AdminDSN, "TZ=UTC"}
		if out, err := c.CombinedOutput(); err != nil {
			w.Fatalf("%s migrate: %v\n%s", service, err, out)
		}
	}
}

// start starts an instance of a service of a build.
func (w *world) start(b binaries, service string) *instance {
	w.Helper()
	i := &instance{service: service, cmd: exec.Command(b.program(service)), done: make(chan struct{})}
	i.cmd.Dir, i.cmd.Stdout, i.cmd.Stderr = w.conf, &i.log, &i.log
	i.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "TZ=UTC", "BULKHEAD_DSN=" + w.db.DSN(service), "BULKHEAD_NATS=" + w.nats, "BULKHEAD_SHORT_WAITS=true",
		"BULKHEAD_SHORT_RETRIES=true", "BULKHEAD_LEASE=3s", "BULKHEAD_SWEEP=700ms", "BULKHEAD_LISTEN=" + w.freeAddress(),
	}
	if service == "ops" {
		i.cmd.Env = append(i.cmd.Env, "BULKHEAD_HTTP_LISTEN="+strings.TrimPrefix(w.ops, "http://"), "BULKHEAD_GRPC_LISTEN="+w.freeAddress(), "BULKHEAD_HORIZON=1h",
			"BULKHEAD_ORGS_DIR="+filepath.Join(w.conf, "orgs"), "BULKHEAD_PIPELINES_DIR="+filepath.Join(w.conf, "pipelines"))
	}
	w.must(i.cmd.Start())
	w.running[i] = true
	go func() {
		_ = i.cmd.Wait() // its state says it
		close(i.done)
	}()
	return i
}

// stop ends an instance as a rolling upgrade does.
func (w *world) stop(i *instance) {
	w.Helper()
	delete(w.running, i)
	_ = i.cmd.Process.Signal(syscall.SIGTERM) // one that has ended is told of below
	select {
	case <-i.done:
	case <-time.After(politeStop):
		_ = i.cmd.Process.Kill()
		<-i.done
		w.Errorf("%s does not end within %s", i.service, politeStop)
	}
	if code := i.cmd.ProcessState.ExitCode(); code != 0 {
		w.Errorf("%s of %s ended with %d:\n%s", i.service, i.cmd.Path, code, i.log.String()[max(0, i.log.Len()-8<<10):])
	}
}

// killAll ends every instance at once.
func (w *world) killAll() {
	for i := range w.running {
		_ = i.cmd.Process.Kill()
		<-i.done
		delete(w.running, i)
	}
}

// eventually waits until ok; an instance that ends by itself meanwhile fails the test.
func (w *world) eventually(what string, ok func() (bool, error)) {
	w.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		done, err := ok()
		if done {
			return
		}
		if err != nil {
			last = err
		}
		for i := range w.running {
			select {
			case <-i.done:
				w.Fatalf("%s of %s has ended: %s\n%s", i.service, i.cmd.Path, i.cmd.ProcessState, i.log.String()[max(0, i.log.Len()-8<<10):])
			default:
			}
		}
		select {
		case <-deadline:
			w.Fatalf("%s: not within %s (last: %v)", what, patience, last)
		case <-tick.C:
		}
	}
}

// ask calls ops' HTTP API.
func (w *world) ask(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.ops+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // the status is enough
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

type balance struct {
	Balance record.Balance `json:"balance"`
	AddsUp  bool           `json:"adds_up"`
	Unread  struct {
		Messages int64 `json:"messages"`
	} `json:"unread"`
}

// balanceOf also checks that it adds up, at whatever moment.
func (w *world) balanceOf(pipeline string) (balance, error) {
	var b balance
	if err := w.ask(http.MethodGet, "/v1/balance?pipeline="+pipeline, nil, &b); err != nil {
		return b, err
	}
	if !b.AddsUp || !b.Balance.AddsUp() {
		w.Errorf("the balance of %s does not add up: %+v", pipeline, b.Balance)
	}
	return b, nil
}

var errUnsettled = errors.New("it moves")

// settled is the balance of a pipeline when so many records are accepted and nothing moves.
func (w *world) settled(pipeline string, n int64) record.Balance {
	w.Helper()
	var got balance
	w.eventually(fmt.Sprintf("%d records of %s come to rest", n, pipeline), func() (bool, error) {
		var err error
		if got, err = w.balanceOf(pipeline); err != nil {
			return false, err
		}
		b := got.Balance
		if b.Accepted < n || b.InFlight+b.Retrying+b.WaitingForParent+got.Unread.Messages > 0 {
			return false, fmt.Errorf("%w: %+v, %d unread", errUnsettled, b, got.Unread.Messages)
		}
		return true, nil
	})
	return got.Balance
}
