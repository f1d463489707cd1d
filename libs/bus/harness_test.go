package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
)

// limits keep what streams reserve far below a small disk.
var limits = bus.Limits{MaxBytes: 64 << 20}

func connect(t *testing.T, url string) *bus.Conn {
	t.Helper()
	conn, err := bus.Connect(url, bus.ConnectOptions{Name: t.Name(), Logger: testkit.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, or fails.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("%s: not after 30 s", what)
		case <-ticker.C:
		}
	}
}

func records(t *testing.T, conn *bus.Conn, pipeline string) {
	t.Helper()
	must(t, bus.EnsureRecords(t.Context(), conn, pipeline, limits))
}

func publish(t *testing.T, conn *bus.Conn, pipeline string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		must(t, bus.Publish(t.Context(), conn, bus.Message{Subject: bus.RecordsSubject(pipeline), Body: []byte(body)}))
	}
}

func header(pairs ...string) nats.Header {
	h := nats.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}
