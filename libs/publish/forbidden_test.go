package publish_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"bulkhead/libs/publish"
)

func TestAPublisherThatMayNotPublishIsToldSo(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{
			Username: "u", Password: "p",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"records.p"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server takes no connections")
	}
	conn, err := nats.Connect(s.ClientURL(), nats.UserInfo("u", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	p, err := publish.New(conn, "p", publish.WithAckTimeout(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	add(t, p, publish.Record{Body: body(1)})
	err = p.Flush(t.Context())
	if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "records.p") {
		t.Errorf("%v", err)
	}
}
