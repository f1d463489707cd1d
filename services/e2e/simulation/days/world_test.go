//go:build !race

package days_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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
	"bulkhead/services/e2e/simulation/internal/parts"
	orgsim "bulkhead/services/orgsim/app"
)

// services in an order in which they may be started.
var services = parts.Services()

// options say what a world is like; the zero value is one with every pipeline of [definitions] and an org that works at once.
type options struct {
	// pipelines are the names of those that there are; none = all.
	pipelines []string
	// queue is how long a closed job waits in the org; 0 = 1 s.
	queue time.Duration
	// define says what becomes of the text of each definition; nil = it stays as it is.
	define func(text string) string
	// apiLimit is the org's daily limit of calls; 0 = its own.
	apiLimit int
	// skew is what the clocks of services are ahead, by name, and that of the org, as "org".
	skew map[string]time.Duration
}

// world is every service on footings in memory, with an org behind a network in memory. It is used from the goroutine of its test.
type world struct {
	t      *testing.T
	o      options
	log    *journal
	db     *ledger.DB
	broker *courier.Courier
	org    *parts.Org
	sim    *orgsim.App

	documents, definitions [][]byte
	running                map[string]*running
	door                   http.Handler // of ops
	published              int
}

// running is one instance of a service with what it stands on.
type running struct {
	stop    context.CancelFunc
	ended   chan error
	org     *wire.Caller
	metrics *prometheus.Registry
}

// open makes a world and starts all of it. It ends with [world.end], which the test calls last: a bubble waits for its goroutines.
func open(t *testing.T, o options) *world {
	t.Helper()
	if o.queue == 0 {
		o.queue = time.Second
	}
	w := &world{t: t, o: o, log: &journal{}, broker: courier.Open(), running: map[string]*running{}, definitions: definitions(t, o.define, o.pipelines...)}
	var err error
	w.db, err = ledger.Open(testkit.AllMigrations(t)...)
	w.must(err)
	w.org, err = parts.OpenOrg(orgsim.Options{Model: []byte(model), QueueDelay: o.queue, RowsPerSecond: -1, OrgSeed: 1, DailyAPILimit: o.apiLimit}, o.skew["org"])
	w.must(err)
	w.sim = w.org.Sim
	document, err := parts.OrgDocument(t.TempDir())
	w.must(err)
	w.documents = [][]byte{document}
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
	r := &running{ended: make(chan error, 1), org: w.org.Net.As(name), metrics: prometheus.NewRegistry()}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(w.t.Context())
	a, door, err := parts.New(ctx, name, parts.Settings{
		On:  &host.Footing{DB: w.db.As(name), Bus: w.broker.As(name).Conn(), Org: r.org.Transport()},
		Env: service.Env{Logger: slog.New(w.log).With("service", name), Registry: r.metrics},
		Now: func() time.Time { return time.Now().Add(w.o.skew[name]) }, Orgs: w.documents, Definitions: w.definitions,
	})
	w.must(err)
	if door != nil {
		w.door = door
	}
	go func() { r.ended <- a.Run(ctx) }()
	w.running[name] = r
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
	if err := w.org.Close(context.WithoutCancel(w.t.Context())); err != nil {
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
