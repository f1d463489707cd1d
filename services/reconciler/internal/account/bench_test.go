package account

import (
	"fmt"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// What a row costs here, from its key in the chunk to its outcome; one row in twenty is refused:
//
//	go test ./reconciler/internal/account -run '^$' -bench . -benchmem
const benchRows = 100_000

type benchChunk struct {
	chunk        Chunk
	keys         [][]byte
	landed, fail []salesforce.RawRow
	manifest     *rowfile.Manifest
}

func newBenchChunk(b *testing.B) benchChunk {
	b.Helper()
	c := benchChunk{chunk: upserts(benchRows, nil)}
	m := &flowv1.Manifest{Runs: []string{"night"}}
	for n := range benchRows {
		key := fmt.Appendf(nil, "cust-%07d", n)
		row := salesforce.RawRow{ID: []byte(id18(n)), Created: true, Cells: [][]byte{key, []byte("a name")}}
		if n%20 == 7 {
			row.ID, row.Error = nil, []byte("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--")
			c.fail = append(c.fail, row)
		} else {
			c.landed = append(c.landed, row)
		}
		hash := record.HashKey("customers", string(key))
		c.keys = append(c.keys, key)
		m.Rows = append(m.Rows, &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{
			Key: string(key), KeyHash: hash[:], Seq: uint64(n / 500), Idx: uint32(n % 500), Columns: []byte{0xff, 1}, AcceptedAt: 1_800_000_000_000_000,
		}}})
	}
	var err error
	if c.manifest, err = rowfile.ReadManifest(rowfile.EncodeManifest(m)); err != nil {
		b.Fatal(err)
	}
	return c
}

func (c benchChunk) index(b *testing.B) *Index {
	b.Helper()
	x, err := NewIndex(c.chunk)
	if err != nil {
		b.Fatal(err)
	}
	for row, key := range c.keys {
		if err := x.Add(row, key); err != nil {
			b.Fatal(err)
		}
	}
	return x
}

func (c benchChunk) read(b *testing.B, x *Index) *Reading {
	b.Helper()
	r := NewReading(x, nil)
	for kind, rows := range map[salesforce.ResultKind][]salesforce.RawRow{salesforce.Successful: c.landed, salesforce.Failed: c.fail} {
		f := r.Open(kind, []string{"External_Id__c", "Name"})
		for _, row := range rows {
			if err := f.Take(row); err != nil {
				b.Fatal(err)
			}
		}
	}
	return r
}

func BenchmarkIndex(b *testing.B) {
	c := newBenchChunk(b)
	b.ReportAllocs()
	for b.Loop() {
		c.index(b)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkTake(b *testing.B) {
	c := newBenchChunk(b)
	x := c.index(b)
	b.ReportAllocs()
	for b.Loop() {
		if r := c.read(b, x); r.Summary().Landed != len(c.landed) {
			b.Fatalf("%+v", r.Summary())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkOutcome(b *testing.B) {
	c := newBenchChunk(b)
	x := c.index(b)
	job := Job{State: salesforce.StateJobComplete, Processed: benchRows, Failed: int64(len(c.fail))}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		r := c.read(b, x)
		b.StartTimer()
		o := r.Finish(job)
		if _, err := Tally(c.manifest, o, job); err != nil {
			b.Fatal(err)
		}
		StandingOf(o, job)
		PauseAtOnce(o)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}
