package properties

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/services/e2e/inprocess"
)

// patience bounds every wait for a state.
const patience = 45 * time.Second

// waits are those of a test: as short as their order allows.
var waits = record.Waits{
	Missing: 300 * time.Millisecond, Settle: 100 * time.Millisecond, Gone: 300 * time.Millisecond, Lookup: 200 * time.Millisecond,
	BindMaxAge: 30 * time.Second, OrphanAge: time.Minute,
}

// stack is every service in this process, with a broker, a ledger and an org of its own.
type stack struct{ *inprocess.Stack }

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
	// Full chunks go by jobs, smaller ones by calls of collections.
	fmt.Fprintf(&b, "bulk: {threshold: 3}\nlanes: %d\nchunk: {rows: 3, bytes: 1MB, age: 60ms}\nbacklog: 64MiB\n", k.lanes)
	b.WriteString("retry:\n  transient: {attempts: 8, base: 40ms, max: 200ms}\n  contention: {attempts: 8, base: 40ms, max: 200ms}\n  reference: {attempts: 3, base: 40ms, max: 200ms}\n")
	return []byte(b.String())
}

func newStack(t *testing.T) *stack {
	t.Helper()
	o := inprocess.Options{
		Model: model(), Waits: waits, Sweep: 300 * time.Millisecond, Patience: patience,
		// Records stay to be read again, and retries go by the definitions' own waits.
		Horizon: 24 * time.Hour, LongRetries: []string{"reconciler", "retrier"},
		Level: slog.LevelWarn, // so many cases: what goes wrong is enough
	}
	var pipelines []string
	for _, k := range kinds {
		o.Definitions = append(o.Definitions, k.definition())
		pipelines = append(pipelines, k.pipeline)
	}
	s := &stack{inprocess.Start(t, o)}
	s.TakesRecords(pipelines...)
	return s
}

// ask calls ops' HTTP API; an error is one of the test's own making, or the product's.
func (s *stack) ask(method, path string, in, out any) error {
	status, answer, err := s.Call(method, path, in)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w: %s", method, path, errNotFound, answer)
	case status != http.StatusOK:
		return fmt.Errorf("%s %s: %d: %s", method, path, status, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w: %s", method, path, err, answer)
	}
	return nil
}

// publish stores one frame, and returns its sequence.
func (s *stack) publish(pipeline, run string, frame []byte) (uint64, error) {
	m := nats.NewMsg(bus.RecordsSubject(pipeline))
	m.Data = frame
	m.Header.Set(bus.HeaderContentType, bus.TypeProtobuf)
	m.Header.Set(bus.HeaderRun, run)
	ack, err := s.Publish(m)
	if err != nil {
		return 0, err
	}
	if ack.Duplicate {
		return 0, errors.New("the broker took a frame without an id for a repeat")
	}
	return ack.Sequence, nil
}
