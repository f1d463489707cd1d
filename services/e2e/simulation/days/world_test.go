//go:build !race

package days_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/bus"
	"bulkhead/libs/host"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/memory/wire"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	extractor "bulkhead/services/extractor/app"
	ops "bulkhead/services/ops/app"
	orgsim "bulkhead/services/orgsim/app"
	poller "bulkhead/services/poller/app"
	reconciler "bulkhead/services/reconciler/app"
	retrier "bulkhead/services/retrier/app"
	submitter "bulkhead/services/submitter/app"
)

// services in an order in which they may be started.
var services = []string{"ops", "reconciler", "poller", "retrier", "submitter", "extractor"}

// options say what a world is like; the zero value is one with every pipeline of [definitions] and an org that works at once.
type options struct {
	// pipelines are the names of those that there are; none = all.
	pipelines []string
	// queue is how long a closed job waits in the org; 0 = 1 s.
	queue time.Duration
	// apiLimit is the org's daily limit of calls; 0 = its own.
	apiLimit int
	// skew is what the clocks of services are ahead, by name.
	skew map[string]time.Duration
}

// world is every service on footings in memory, with an org behind a network in memory. It is used from the goroutine of its test.
type world struct {
	t      *testing.T
	o      options
	log    *journal
	db     *ledger.DB
	broker *courier.Courier
	net    *wire.Net
	sim    *orgsim.App
	server *http.Server
	served chan error

	documents, definitions [][]byte
	running                map[string]*running
	door                   http.Handler // of ops
	published              int
}

// running is one instance of a service with what it stands on.
type running struct {
	stop  context.CancelFunc
	ended chan error
	org   *wire.Caller
}

// open makes a world and starts all of it. It ends with [world.end], which the test calls last: a bubble waits for its goroutines.
func open(t *testing.T, o options) *world {
	t.Helper()
	if o.queue == 0 {
		o.queue = time.Second
	}
	w := &world{t: t, o: o, log: &journal{}, broker: courier.Open(), running: map[string]*running{}, definitions: definitions(t, o.pipelines...)}
	var err error
	w.db, err = ledger.Open(testkit.AllMigrations(t)...)
	w.must(err)
	w.sim, err = orgsim.New(orgsim.Options{Model: []byte(model), QueueDelay: o.queue, RowsPerSecond: -1, OrgSeed: 1, DailyAPILimit: o.apiLimit})
	w.must(err)
	w.net, w.served = wire.Open("org"), make(chan error, 1)
	w.server = &http.Server{Handler: w.sim.Handler(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { w.served <- w.server.Serve(w.net) }()
	secret := filepath.Join(t.TempDir(), "secret")
	w.must(os.WriteFile(secret, []byte(orgsim.DefaultClientSecret), 0o600))
	w.documents = [][]byte{fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: http://127.0.0.1\nclientId: %s\nauth: client_credentials\nclientSecretFile: %s\n"+
		"apiVersion: \"66.0\"\norphans: abort\nallowInsecureLoopback: true\n", orgsim.DefaultClientID, secret)}
	for _, name := range services {
		w.start(name)
	}
	time.Sleep(time.Second) // streams are there
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start begins an instance of a service.
func (w *world) start(name string) {
	w.t.Helper()
	r := &running{ended: make(chan error, 1), org: w.net.As(name)}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(w.t.Context())
	a, err := w.make(ctx, name, &host.Footing{DB: w.db.As(name), Bus: w.broker.As(name).Conn(), Org: r.org.Transport()},
		service.Env{Logger: slog.New(w.log).With("service", name), Registry: prometheus.NewRegistry()})
	w.must(err)
	go func() { r.ended <- a.Run(ctx) }()
	w.running[name] = r
}

// app is what all six are.
type app interface {
	Run(ctx context.Context) error
}

// make makes an app with the settings of production.
func (w *world) make(ctx context.Context, name string, on *host.Footing, env service.Env) (app, error) {
	now := func() time.Time { return time.Now().Add(w.o.skew[name]) }
	switch name {
	case "ops":
		c := ops.DefaultConfig()
		c.Footing, c.Orgs, c.Definitions, c.Now, c.HTTPListen, c.GRPCListen = on, w.documents, w.definitions, now, "", ""
		a, err := ops.New(ctx, c, env)
		if err == nil {
			w.door = a.Handler()
		}
		return a, err
	case "reconciler":
		return reconciler.New(ctx, reconciler.Config{Footing: on, Now: now}, env)
	case "poller":
		return poller.New(ctx, poller.Config{Footing: on, Now: now}, env)
	case "retrier":
		return retrier.New(ctx, retrier.Config{Footing: on, Now: now}, env)
	case "submitter":
		c := submitter.DefaultConfig()
		c.Footing = on
		return submitter.New(ctx, c, env)
	case "extractor":
		c := extractor.DefaultConfig()
		c.Footing, c.Now = on, now
		return extractor.New(ctx, c, env)
	}
	return nil, fmt.Errorf("there is no service %q", name)
}

// stop asks a service to end, and waits until it has.
func (w *world) stop(name string) {
	w.t.Helper()
	r := w.running[name]
	delete(w.running, name)
	r.stop()
	if err := <-r.ended; err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
	r.org.Close()
}

// end stops every service that runs, then the org. A test that failed shows what was warned of.
func (w *world) end() {
	w.t.Helper()
	for _, name := range services {
		if w.running[name] != nil {
			w.stop(name)
		}
	}
	ctx := context.WithoutCancel(w.t.Context())
	if err := errors.Join(w.sim.Stop(ctx), w.server.Shutdown(ctx)); err != nil {
		w.t.Error(err)
	}
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Error(err)
	}
	if w.t.Failed() {
		w.log.tell(w.t)
	}
}

// publish sends records to a pipeline, each as a message with an id of its own.
func (w *world) publish(pipeline string, records ...string) {
	w.t.Helper()
	for _, r := range records {
		w.published++
		w.must(bus.Publish(w.t.Context(), w.broker.As("publisher").Conn(), bus.Message{
			Subject: bus.RecordsSubject(pipeline), Body: []byte(r), MsgID: fmt.Sprintf("event-%d", w.published),
		}))
	}
}

// within waits for a state and says how long it took; the test fails when it does not come. It looks every second of virtual time, and seldom after some
// minutes.
func (w *world) within(most time.Duration, what string, is func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > most {
			w.t.Errorf("not within %s: %s; the balance is %+v", most, what, w.balance(""))
			break
		}
		time.Sleep(max(time.Second, time.Since(began)/50))
	}
	return time.Since(began)
}

// request is an HTTP request as a person's client makes it.
func (w *world) request(method, target string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://local"+target, body)
	w.must(err)
	r.Header.Set("Content-Type", "application/json")
	return r
}
