package weather

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	recordv1 "bulkhead/proto/gen/bulkhead/record/v1"
	"bulkhead/services/e2e/inprocess"
)

// patience bounds every wait for a state: waits between retries of a real org's client are among what is waited for.
const patience = 90 * time.Second

// waits are as short as their order allows; a job that is not bound yet may still be slow, under a race detector on a busy machine.
var waits = record.Waits{
	Missing: 300 * time.Millisecond, Settle: 100 * time.Millisecond, Gone: 300 * time.Millisecond, Lookup: 200 * time.Millisecond,
	BindMaxAge: 4 * time.Second, OrphanAge: 5 * time.Second,
}

// pipeline is one sort of pipeline. Each has an object of its own, so that its rows are its own.
type pipeline struct {
	name, object, operation, key string
	columns                      []string // beside the key
}

// The pipelines: one for each way in which rows are known again in the results.
var (
	things   = pipeline{"things", "Thing__c", "upsert", "externalId: Ext__c", []string{"A__c", "B__c"}}
	people   = pipeline{"people", "Person__c", "insert", "correlation: Ext__c", []string{"A__c"}}
	visits   = pipeline{"visits", "Visit__c", "insert", "correlation: content", []string{"A__c"}}
	phones   = pipeline{"phones", "Phone__c", "update", "externalId: Ext__c", []string{"A__c", "B__c"}}
	removals = pipeline{"removals", "Removal__c", "delete", "externalId: Ext__c", nil}

	pipelines = []pipeline{things, people, visits, phones, removals}
)

// known says whether something in a row tells it apart from all others.
func (p pipeline) known() bool { return p.name != visits.name }

func (p pipeline) model(i int) string {
	unique := ", externalId: true, unique: true"
	if !p.known() {
		unique = ""
	}
	return fmt.Sprintf("  - name: %s\n    keyPrefix: \"a%02d\"\n    fields:\n"+
		"      - {name: Ext__c, type: string, length: 80%s}\n"+
		"      - {name: A__c, type: string, length: 80}\n      - {name: B__c, type: string, length: 80}\n      - {name: Mail__c, type: email}\n", p.object, i, unique)
}

func (p pipeline) definition() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: bulkhead/v1\nkind: Pipeline\nname: %s\norg: main\nobject: %s\noperation: %s\n%s\n", p.name, p.object, p.operation, p.key)
	b.WriteString("unknownMembers: reject\nemptyString: reject\nmap:\n  - {from: id, to: Ext__c, type: string, required: true}\n")
	for _, c := range p.columns {
		fmt.Fprintf(&b, "  - {from: %s, to: %s, type: string}\n", c, c)
	}
	if p.columns != nil {
		b.WriteString("  - {from: mail, to: Mail__c, type: string}\n")
	}
	b.WriteString("lanes: 2\nchunk: {rows: 12, bytes: 1MB, age: 80ms}\nbacklog: 64MiB\n")
	b.WriteString("retry:\n  transient: {attempts: 8, base: 40ms, max: 300ms}\n  contention: {attempts: 8, base: 40ms, max: 300ms}\n  reference: {attempts: 3, base: 40ms, max: 200ms}\n")
	return []byte(b.String())
}

// stack is every service in this process, with a broker, a ledger and an org of its own, and the client of whoever looks after that org.
type stack struct {
	*inprocess.Stack

	admin *salesforce.Client
	whole *testing.T // the test with which everything ends
	cases int
}

func newStack(t *testing.T, options ...func(*inprocess.Options)) *stack {
	t.Helper()
	model := "objects:\n"
	o := inprocess.Options{
		Waits: waits, Sweep: 300 * time.Millisecond, Patience: patience, Orphans: "abort",
		LongRetries: []string{"reconciler", "retrier"}, // they wait as the definitions say, which is less than their short waits
		Level:       slog.LevelWarn,
	}
	var names []string
	for i, p := range pipelines {
		model += p.model(i)
		o.Definitions = append(o.Definitions, p.definition())
		names = append(names, p.name)
	}
	o.Model = model
	for _, option := range options {
		option(&o)
	}
	s := &stack{Stack: inprocess.Start(t, o), whole: t}
	s.TakesRecords(names...)
	admin, err := salesforce.New(salesforce.Config{
		LoginURL: s.Sim.URL, ClientID: s.Sim.ClientID, AllowInsecureLoopback: true,
		ClientSecret: func() (string, error) { return s.Sim.Secret, nil },
	})
	s.Must(err)
	s.admin = admin
	return s
}

// restart ends a service and starts it again, not only for the case at hand.
func (s *stack) restart(name string) {
	inner := s.T
	s.T = s.whole
	defer func() { s.T = inner }()
	s.Stop(name)
	s.Start(name)
}

// publish stores one frame of records of a run.
func (s *stack) publish(p pipeline, run string, frame []*entry) {
	s.T.Helper()
	batch := &recordv1.RecordBatch{}
	for _, e := range frame {
		batch.Records = append(batch.Records, &recordv1.Record{Body: []byte(e.body), Key: e.key})
	}
	body, err := proto.Marshal(batch)
	s.Must(err)
	m := nats.NewMsg(bus.RecordsSubject(p.name))
	m.Data = body
	m.Header.Set(bus.HeaderContentType, bus.TypeProtobuf)
	m.Header.Set(bus.HeaderRun, run)
	_, err = s.Publish(m)
	s.Must(err)
}
