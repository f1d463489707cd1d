package conformance

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/internal/sample"
	"bulkhead/services/orgsim/simtest"
)

// fastSim is a simulator that waits for nothing.
func fastSim(b *testing.B) *org {
	b.Helper()
	return aSim(b, simtest.Model(sample.Model), simtest.Speed(-1, -1))
}

// The benchmarks send rows of package sample:
//
//	go test ./orgsim/conformance -run '^$' -bench . -count 3
const benchRows = 100_000

func report(b *testing.B, content []byte) {
	b.SetBytes(int64(len(content)))
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkUploadOverHTTP is a PUT of 25 MB from the first byte sent to the answer.
func BenchmarkUploadOverHTTP(b *testing.B) {
	o, content := fastSim(b), sample.CSV(0, benchRows)
	for b.Loop() {
		b.StopTimer()
		id := o.create(spec{"object": sample.Object, "operation": "insert"})
		b.StartTimer()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, o.base+ingest+"/"+id+"/batches", bytes.NewReader(content))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+o.token)
		csvBody(req)
		res, err := o.http.Do(req)
		if err != nil || res.StatusCode != http.StatusCreated {
			b.Fatal(res, err)
		}
		_ = res.Body.Close()
		b.StopTimer()
		o.sim.Reset()
		b.StartTimer()
	}
	report(b, content)
}

// BenchmarkJobOverHTTP is a whole job of our client: create, upload, close, the end of it, and its rows read back.
func BenchmarkJobOverHTTP(b *testing.B) {
	o, content := fastSim(b), sample.CSV(0, benchRows)
	c := o.client()
	for b.Loop() {
		id := o.loads(c, salesforce.JobSpec{Object: sample.Object, Operation: salesforce.OperationInsert}, string(content))
		o.sim.AwaitJob(id, "finished")
		r, err := c.Results(b.Context(), id, salesforce.Successful)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) || r.Rows() != benchRows {
			b.Fatal(r.Rows(), err)
		}
		_ = r.Close()
		b.StopTimer()
		o.sim.Reset()
		b.StartTimer()
	}
	report(b, content)
}
