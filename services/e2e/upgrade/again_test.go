package upgrade

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/inprocess"
)

// TestMigratingAgainUnderLoadChangesNothing: what every deployment does, and a crash-looping one all the time: each service is migrated and started beside the
// instance that works, while records flow. It shows that migrating is idempotent under load; that migrations as such can run under load the test beside this
// one shows.
func TestMigratingAgainUnderLoadChangesNothing(t *testing.T) {
	t.Parallel()
	definition, err := os.ReadFile(filepath.Join(testkit.Root(t), "deploy", "config", "pipelines", "contacts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.Replace(string(definition), "age: 2s", "age: 300ms", 1)
	s := inprocess.Start(t, inprocess.Options{Definitions: [][]byte{[]byte(quick)}, ByJobs: true})
	s.TakesRecords("contacts")
	const each = 50
	rounds := int64(0)
	for _, m := range testkit.AllMigrations(t) {
		for range 2 {
			var frame bytes.Buffer
			for i := range each {
				fmt.Fprintf(&frame, `{"id":"m%02d-%03d","first_name":"F","last_name":"L"}`+"\n", rounds, i)
			}
			msg := nats.NewMsg(bus.RecordsSubject("contacts"))
			msg.Header.Set(bus.HeaderContentType, bus.TypeNDJSON)
			msg.Data = frame.Bytes()
			_, err := s.Publish(msg)
			s.Must(err)
			rounds++
			if err := pg.Migrate(t.Context(), s.DB.AdminDSN, m); err != nil {
				t.Errorf("%s: %v", m.Service, err)
			}
		}
		s.Start(m.Service) // beside the one that works
	}
	n := rounds * each
	b := s.Rest("contacts", "all that was published", func(b inprocess.Balance) bool { return b.Accepted == n })
	if b.Landed != n || b.Repeats != 0 || len(b.Failed) > 0 {
		t.Errorf("%+v, want %d landed at the first try", b, n)
	}
	rows := s.Sim.Records("Contact", true)
	if int64(len(rows)) != n {
		t.Errorf("the org holds %d rows, want %d", len(rows), n)
	}
	for _, r := range rows {
		if len(r.Versions) != 1 {
			t.Errorf("%s was written %d times", r.Fields["External_Id__c"], len(r.Versions))
		}
	}
}
