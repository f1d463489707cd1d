package outage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The pipelines that carry the load: one of keyed rows, one of inserts.
const (
	meters  = "meters"
	tickets = "tickets"
)

// model is the org's, definitions are those of the pipelines. Chunks are as old as a job takes, with the product's own looks: what comes faster
// than a lane can send it would wait however the org is.
const model = `objects:
  - name: Meter__c
    keyPrefix: "a01"
    fields:
      - {name: Ext__c, type: string, length: 80, externalId: true, unique: true}
      - {name: Reading__c, type: string, length: 80}
  - name: Ticket__c
    keyPrefix: "a02"
    fields:
      - {name: Request__c, type: string, length: 80, externalId: true, unique: true}
      - {name: Text__c, type: string, length: 80}
`

func definitions() map[string][]byte {
	text := func(name, object, operation, field, keyed, other, member, age string) []byte {
		return fmt.Appendf(nil, `apiVersion: bulkhead/v1
kind: Pipeline
name: %s
org: main
object: %s
operation: %s
%s: %s
key: [event]
map:
  - {from: id, to: %s, type: string, required: true}
  - {from: %s, to: %s, type: string}
lanes: 2
chunk: {rows: 50000, bytes: 50MB, age: %s}
backlog: 512MiB
retry: {preset: default}
`, name, object, operation, keyed, field, field, member, other, age)
	}
	return map[string][]byte{
		meters:  text(meters, "Meter__c", "upsert", "Ext__c", "externalId", "Reading__c", "reading", "5s"),
		tickets: text(tickets, "Ticket__c", "insert", "Request__c", "correlation", "Text__c", "text", "6s"),
	}
}

const (
	// beat is the time from one frame of each pipeline to the next.
	beat = 100 * time.Millisecond
	// publishFor bounds one publish: nothing is wrong with the broker.
	publishFor = 10 * time.Second
)

// steady publishes so many records a second until ctx ends, and says how many the broker took.
func steady(ctx context.Context, url string, perSecond int) (published int64, err error) {
	nc, err := nats.Connect(url, nats.Name("steady load"), nats.Timeout(5*time.Second))
	if err != nil {
		return 0, fmt.Errorf("connect to the broker: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, fmt.Errorf("connect to the broker: %w", err)
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	began, record := time.Now(), int64(0)
	for {
		select {
		case <-ctx.Done():
			return record, nil
		case <-tick.C:
		}
		// By the clock, not by the ticks: a late one publishes more.
		due := int64(time.Since(began).Seconds() * float64(perSecond))
		for _, f := range []struct{ name, member string }{{meters, "reading"}, {tickets, "text"}} {
			n := (due - record) / 2
			if f.name == tickets {
				n = due - record
			}
			if n == 0 {
				continue
			}
			if err := publish(ctx, js, f.name, f.member, record, n); err != nil {
				return record, err
			}
			record += n
		}
	}
}

// publish publishes n records in one frame; the first has the number from.
func publish(ctx context.Context, js jetstream.JetStream, pipeline, member string, from, n int64) error {
	var body strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&body, "{\"id\":\"%[1]s-%[2]d\",\"event\":\"%[2]d\",%[3]q:\"%[2]d\"}\n", pipeline, i, member)
	}
	m := nats.NewMsg("records." + pipeline)
	m.Header.Set("Content-Type", "application/x-ndjson")
	m.Data = []byte(body.String())
	// An answer is waited for when the load ends too: what was sent counts.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishFor)
	defer cancel()
	if _, err := js.PublishMsg(asking, m); err != nil {
		return fmt.Errorf("publish to %s: %w", pipeline, err)
	}
	return nil
}
