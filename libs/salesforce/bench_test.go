package salesforce

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// Rows of the benchmarks have ten columns and 250 bytes, those of Salesforce not counted:
//
//	go test ./salesforce -run '^$' -bench . -count 3
const (
	benchRows   = 100_000
	benchHeader = "Key__c,FirstName,LastName,Email,Phone,Street,City,Country,Title,Notes__c"
)

// appendBenchRow writes the cells of row n, each in quotes when asked.
func appendBenchRow(b []byte, n int, quoted bool) []byte {
	sep := ","
	if quoted {
		b, sep = append(b, '"'), `","`
	}
	from := len(b)
	b = append(b, "key-"...)
	b = strconv.AppendInt(b, int64(100_000_000+n), 10)
	for _, cell := range []string{"Given", "Family", "person@mail.example", "+1 555 0100", "1 Long Street", "Springfield", "Germany", "Engineer", ""} {
		b = append(b, sep...)
		b = append(b, cell...)
	}
	extra := 0
	if quoted {
		extra = 9 * 2
	}
	for len(b)-from < 249+extra {
		b = append(b, "lorem ipsum dolor sit amet "[(len(b)-from+n)%27])
	}
	if quoted {
		b = append(b, '"')
	}
	return append(b, '\n')
}

// benchResults is a file of landed rows as an org writes it.
func benchResults(rows int) []byte {
	b := []byte(`"sf__Id","sf__Created",` + benchHeader + "\n")
	for n := range rows {
		b = fmt.Appendf(b, `"003000000%06dAAA","true",`, n)
		b = appendBenchRow(b, n, true)
	}
	return b
}

// drain reads a result file to its end and returns its rows.
func drain(t testing.TB, c *Client, each func()) int64 {
	t.Helper()
	r, err := c.Results(t.Context(), testJob, Successful)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Rows()
		}
		if err != nil || !row.Created || len(row.Cells) != 10 {
			t.Fatalf("%+v, %v", row, err)
		}
		each()
	}
}

func BenchmarkResultReading(b *testing.B) {
	plain := benchResults(benchRows)
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if _, err := z.Write(plain); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name, encoding string
		body           []byte
	}{{"plain", "", plain}, {"gzip", "gzip", packed.Bytes()}} {
		b.Run(bench.name, func(b *testing.B) {
			c := newScriptedOrg(b, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
				if bench.encoding != "" {
					w.Header().Set("Content-Encoding", bench.encoding)
				}
				_, _ = w.Write(bench.body)
			}).client()
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if rows := drain(b, c, func() {}); rows != benchRows {
					b.Fatalf("%d rows", rows)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkUpload(b *testing.B) {
	content := []byte(benchHeader + "\n")
	for n := range benchRows {
		content = appendBenchRow(content, n, false)
	}
	c := newScriptedOrg(b, func(_ int, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}).client()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		err := c.Upload(b.Context(), testJob, int64(len(content)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
