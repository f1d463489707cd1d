package simulation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/host"
	"bulkhead/libs/memory/bubble"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/memory/wire"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/simulation/internal/parts"
	orgsim "bulkhead/services/orgsim/app"
)

// Twice each, since what one bubble leaves behind in package variables breaks the next.
func TestFooting(t *testing.T) {
	for _, again := range []string{"", ", in another bubble too"} {
		t.Run("all services run for an hour without work and stop"+again, func(t *testing.T) { bubble.Test(t, idle) })
		t.Run("records land in virtual time"+again, func(t *testing.T) { bubble.Test(t, lands) })
		t.Run("a service that is killed leaves nothing running, and its work to the next"+again, func(t *testing.T) { bubble.Test(t, killed) })
	}
}

func idle(t *testing.T) {
	f := newFooted(t)
	f.startAll(t)
	time.Sleep(time.Hour)
	for path, want := range map[string]int{"/readyz": http.StatusOK, "/v1/pipelines": http.StatusOK, "/v1/nothing": http.StatusNotFound} {
		if code, reply := f.ask(path); code != want {
			t.Errorf("%s answers %d: %s", path, code, reply)
		}
	}
	if n := len(f.broker.Consumers(bus.StreamFlow)); n != len(services) {
		t.Errorf("%d services take facts", n)
	}
	began := time.Now()
	f.end(t)
	if took := time.Since(began); took > time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func lands(t *testing.T) {
	f := newFooted(t)
	f.startAll(t)
	f.publish(t, 40)
	time.Sleep(time.Minute)
	f.balanced(t, 40)
	f.end(t)
}

func killed(t *testing.T) {
	f := newFooted(t)
	f.startAll(t)
	f.publish(t, 40)
	time.Sleep(2100 * time.Millisecond) // chunks are sealed after 2 s
	for _, name := range services {
		f.kill(t, name)
		f.start(t, name)
	}
	time.Sleep(5 * time.Minute)
	f.balanced(t, 40)
	f.end(t)
}

// services in an order in which they may be started.
var services = parts.Services()

// running is one instance of a service with what it stands on.
type running struct {
	stop  context.CancelFunc
	ended chan error
	db    *ledger.Handle
	bus   *courier.Handle
	org   *wire.Caller
}

// footed is every service on footings in memory, with an org behind a network in memory.
type footed struct {
	db     *ledger.DB
	broker *courier.Courier
	org    *parts.Org

	documents, definitions [][]byte
	running                map[string]*running
	door                   http.Handler // of ops
}

func newFooted(t *testing.T) *footed {
	t.Helper()
	db, err := ledger.Open(testkit.AllMigrations(t)...)
	must(t, err)
	f := &footed{db: db, broker: courier.Open(), running: map[string]*running{}}
	f.org = serveOrg(t, time.Second)
	document, err := parts.OrgDocument(t.TempDir())
	must(t, err)
	f.documents = [][]byte{document}
	definition, err := os.ReadFile(filepath.Join(testkit.Root(t), "deploy", "config", "pipelines", "accounts.yaml"))
	must(t, err)
	f.definitions = [][]byte{definition}
	return f
}

// serveOrg runs a simulated org behind a network in memory.
func serveOrg(t *testing.T, queue time.Duration) *parts.Org {
	t.Helper()
	org, err := parts.OpenOrg(orgsim.Options{QueueDelay: queue, RowsPerSecond: -1, OrgSeed: 1}, 0)
	must(t, err)
	return org
}

func (f *footed) startAll(t *testing.T) {
	t.Helper()
	for _, name := range services {
		f.start(t, name)
	}
}

func (f *footed) start(t *testing.T, name string) {
	t.Helper()
	r := &running{ended: make(chan error, 1), db: f.db.As(name), bus: f.broker.As(name), org: f.org.Net.As(name)}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	a, door, err := parts.New(ctx, name, parts.Settings{
		On:  &host.Footing{DB: r.db, Bus: r.bus.Conn(), Org: r.org.Transport()},
		Env: service.Env{Logger: testkit.Logger(t).With("service", name), Registry: prometheus.NewRegistry()}, Orgs: f.documents, Definitions: f.definitions,
	})
	must(t, err)
	if door != nil {
		f.door = door
	}
	go func() { r.ended <- a.Run(ctx) }()
	f.running[name] = r
}

// kill cuts a service off everything at once, as the end of its process does, and waits until its goroutines are gone.
func (f *footed) kill(t *testing.T, name string) {
	t.Helper()
	r, gone := f.running[name], errors.New("killed")
	r.db.Cut(gone)
	r.bus.Cut(gone)
	r.org.Cut(gone)
	r.stop()
	<-r.ended // with whatever error: nobody hears it
}

// end stops every service as an operator does, then the org.
func (f *footed) end(t *testing.T) {
	t.Helper()
	for _, name := range services {
		r := f.running[name]
		r.stop()
		if err := <-r.ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.db.Ping(t.Context()); err != nil || !r.bus.Connected() {
			t.Errorf("%s closed what was given to it: %v", name, err)
		}
		r.org.Close()
	}
	must(t, f.org.Close(context.WithoutCancel(t.Context())))
}

func (f *footed) publish(t *testing.T, records int) {
	t.Helper()
	for i := range records {
		must(t, bus.Publish(t.Context(), f.broker.As("publisher").Conn(), bus.Message{
			Subject: bus.RecordsSubject("accounts"), Body: fmt.Appendf(nil, `{"id":"acc-%d","name":"Example %d"}`, i, i),
		}))
	}
}

// ask asks ops' API.
func (f *footed) ask(path string) (int, []byte) {
	reply := httptest.NewRecorder()
	f.door.ServeHTTP(reply, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return reply.Code, reply.Body.Bytes()
}

// balanced wants so many records, all of them landed.
func (f *footed) balanced(t *testing.T, records int) {
	t.Helper()
	code, reply := f.ask("/v1/balance")
	var got struct {
		Balance struct{ Accepted, Landed int } `json:"balance"`
		AddsUp  bool                           `json:"adds_up"`
	}
	if err := json.Unmarshal(reply, &got); err != nil || got.Balance.Accepted != records || got.Balance.Landed != records || !got.AddsUp {
		t.Errorf("%d %s: %v", code, reply, err)
	}
}
