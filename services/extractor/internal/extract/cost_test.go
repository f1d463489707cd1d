package extract

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/extractor/internal/decide"
)

// costFrame is how many records a frame of the benchmarks has.
const costFrame = 500

// costDefinition is like the shipped pipeline of contacts.
const costDefinition = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
  - {from: email, to: Email, type: string}
  - {from: phone, to: Phone, type: string}
  - {from: description, to: Description, type: string}
lanes: 2
chunk: {rows: 50000, bytes: 50MB, age: 10s}
`

// costMessage is a frame of records of about 250 bytes, the n-th of a stream.
func costMessage(n int) bus.Msg {
	var b strings.Builder
	for i := n * costFrame; i < (n+1)*costFrame; i++ {
		fmt.Fprintf(&b, `{"id":"contact-%09d","first_name":"Ada","last_name":"Lovelace-%d","email":"ada.lovelace.%d@example.com","phone":"+1 555 %07d",`+
			`"description":"first of all programmers, who wrote notes on an engine that was never built; number %d"}`+"\n", i, i, i, i%10_000_000, i)
	}
	header := nats.Header{}
	header.Set(bus.HeaderContentType, bus.TypeNDJSON)
	header.Set(bus.HeaderCount, strconv.Itoa(costFrame))
	header.Set(bus.HeaderRun, "load-1")
	return bus.Msg{Seq: uint64(n + 1), Header: header, Data: []byte(b.String()), Time: time.Unix(1_790_000_000, 0)}
}

func costSetup(b *testing.B) (*mapper, decide.Config) {
	b.Helper()
	def, _, err := pipeline.ParseDefinition([]byte(costDefinition))
	if err != nil {
		b.Fatal(err)
	}
	ordinals := map[string]int{}
	for i, name := range def.Header() {
		ordinals[name] = i
	}
	return newMapper(def, ordinals), engineConfig(def, ordinals)
}

func perRecord(b *testing.B, records int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}

// BenchmarkMapFrame takes frames apart and maps their records.
func BenchmarkMapFrame(b *testing.B) {
	m, _ := costSetup(b)
	msg := costMessage(0)
	var batch []decide.Candidate
	b.ReportAllocs()
	for b.Loop() {
		batch = m.message(batch[:0], msg)
	}
	if len(batch) != costFrame || batch[0].Refusal != nil {
		b.Fatalf("%d records: %v", len(batch), batch[0].Refusal)
	}
	perRecord(b, b.N*costFrame)
}

// BenchmarkDecide feeds mapped records, and seals a chunk of 50,000 whenever a lane is full.
func BenchmarkDecide(b *testing.B) {
	m, config := costSetup(b)
	const frames = 400
	var batches [][]decide.Candidate
	for i := range frames {
		batches = append(batches, m.message(nil, costMessage(i)))
	}
	now, chunks := time.Unix(1_790_000_000, 0), 0
	b.ReportAllocs()
	for b.Loop() {
		e := decide.New(config, map[int]record.Place{})
		for _, batch := range batches {
			e.Learn(decide.Answers{})
			for i := range batch {
				for e.Feed(&batch[i], now) == decide.Full {
					chunks += costCut(b, e, e.Due(now).Seal, now)
				}
			}
			if due := e.Due(now); due.Any() {
				chunks += costCut(b, e, due.Seal, now)
			}
		}
		chunks += costCut(b, e, e.All(), now)
	}
	if chunks < 4*b.N {
		b.Fatalf("%d chunks", chunks)
	}
	perRecord(b, b.N*frames*costFrame)
}

func costCut(b *testing.B, e *decide.Engine, seal []int, now time.Time) int {
	b.Helper()
	c, err := e.Cut(seal, now, newChunkID)
	if err != nil {
		b.Fatal(err)
	}
	e.Settle(c, now)
	return len(c.Chunks)
}
