package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// benchModel is an object without rules, for rows of ten columns and 250 bytes:
//
//	go test ./orgsim/conformance -run '^$' -bench . -count 3
const benchModel = `
objects:
  - name: Lead
    keyPrefix: "00Q"
    fields:
      - {name: Key__c, type: string, length: 60, externalId: true, unique: true}
      - {name: FirstName, type: string, length: 40}
      - {name: LastName, type: string, length: 80}
      - {name: Email, type: email, length: 80}
      - {name: Phone, type: phone, length: 40}
      - {name: Street, type: string, length: 255}
      - {name: City, type: string, length: 80}
      - {name: Country, type: string, length: 80}
      - {name: Title, type: string, length: 80}
      - {name: Notes__c, type: string, length: 255}
`

func benchCSV(rows int) []byte {
	words := strings.Fields("annual budget contract customer decision delivery discount invoice manager offer order partner price project quote renewal sales team")
	b := []byte("Key__c,FirstName,LastName,Email,Phone,Street,City,Country,Title,Notes__c\n")
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string { return words[random.IntN(len(words))] }
	for i := range rows {
		from := len(b)
		b = fmt.Appendf(b, "key-%09d,%s,%s,%s.%d@mail.example,+49 30 %07d,%d %s Street,%s,Germany,%s,",
			i, word(), word(), word(), random.IntN(1e6), random.IntN(1e7), random.IntN(300), word(), word(), word())
		for len(b)-from < 249 {
			b = append(append(b, word()...), ' ')
		}
		b = append(b[:from+249], '\n')
	}
	return b
}

// fastSim is a simulator that waits for nothing.
func fastSim(b *testing.B) *org {
	b.Helper()
	return aSim(b, simtest.Model(benchModel), simtest.Speed(-1, -1))
}

const benchRows = 100_000

func report(b *testing.B, content []byte) {
	b.SetBytes(int64(len(content)))
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkUploadOverHTTP is a PUT of 25 MB from the first byte sent to the answer.
func BenchmarkUploadOverHTTP(b *testing.B) {
	o, content := fastSim(b), benchCSV(benchRows)
	for b.Loop() {
		b.StopTimer()
		id := o.create(spec{"object": "Lead", "operation": "insert"})
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
	o, content := fastSim(b), benchCSV(benchRows)
	c := o.client()
	for b.Loop() {
		id := o.loads(c, salesforce.JobSpec{Object: "Lead", Operation: salesforce.OperationInsert}, string(content))
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
